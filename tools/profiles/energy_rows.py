"""The published energies of MLPerf Tiny on boards that have a profile."""

import csv
from pathlib import Path
from typing import NamedTuple


class EnergyRow(NamedTuple):
    """The published energy of one network on one board.

    Attributes:
        board: The board, as profiles name it.
        system: Round, submitter and system.
        submitter: Who measured it.
        benchmark: The network.
        latency_ms: Its published time; `None` in rows that no profile is made of.
        energy_uj: Its published energy.
    """

    board: str
    system: str
    submitter: str
    benchmark: str
    latency_ms: float | None
    energy_uj: float

    @property
    def active_mw(self) -> float:
        """Energy over time."""
        if self.latency_ms is None:
            raise ValueError(f"no time of {self.benchmark} on {self.system}")
        return self.energy_uj / self.latency_ms


def read_rows() -> list[EnergyRow]:
    """Return the published energies of boards that have a profile."""
    with (Path(__file__).parent / "energy.csv").open(newline="") as file:
        return [
            EnergyRow(
                row["board"],
                f"mlperf {row['round']} {row['submitter']} {row['system']}",
                row["submitter"],
                row["benchmark"],
                float(row["latency_ms"]) if row["latency_ms"] else None,
                float(row["energy_uj"]),
            )
            for row in csv.DictReader(file)
        ]
