"""Puts the power of boards at work into their profiles: energy over latency of MLPerf Tiny's public rows.

Example: `python -m tools.profiles.power --models ../shared/models --write` also predicts the energies that no profile
has seen, and writes docs/results/energy.json and its table in docs/cost_model.md.
"""

import argparse
import json
import re
import statistics
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kd_edge.cost.devices import Power, load_device, to_toml
from kd_edge.files import write_bytes, write_json
from tools.profiles.energy_rows import EnergyRow, read_rows
from tools.profiles.energy_scores import HeldOut, later_round, network_left_out, submitter_left_out

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "kd_edge" / "cost" / "device_profiles"
PAGE = ROOT / "docs" / "cost_model.md"
REPORT = ROOT / "docs" / "results" / "energy.json"
CALIBRATION = ROOT / "docs" / "results" / "calibration.json"


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="folder of the MLPerf Tiny models")
    parser.add_argument("--write", action="store_true", help="write the profiles, the report and the page")
    args = parser.parse_args()
    powers = all_powers()
    for name, power in powers.items():
        print(f"{name:32} {power.active_mw:6.1f} mW, {power.active_low_mw:.1f} to {power.active_high_mw:.1f}")
    if args.write:
        for name, power in powers.items():
            path = PROFILES / f"{name}.toml"
            write_bytes(path, to_toml(replace(load_device(path), power=power)).encode())
    rows, evidence = read_rows(), json.loads(CALIBRATION.read_text())["evidence"]
    found = [
        network_left_out(rows, profile_systems(), evidence["networks"]),
        submitter_left_out(rows, evidence["submitters"]),
        later_round(rows, args.models, told=False),
        later_round(rows, args.models, told=True),
    ]
    print(coverage_table(found))
    if args.write:
        write_json(REPORT, {"tool": "tools/profiles/power.py", "held_out": [held_out._asdict() for held_out in found]})
        write_bytes(PAGE, rendered(PAGE.read_text(), coverage_table(found)).encode())


def profile_systems() -> dict[str, tuple[str, str]]:
    """Return of each profile the board, and the system that its times come from."""
    boards = tomllib.loads((Path(__file__).parent / "boards.toml").read_text())
    return {
        board if suffix == "default" else f"{board}-{suffix}": (board, runtime.get("system", ""))
        for board, table in boards.items()
        for suffix, runtime in table["runtimes"].items()
    }


def all_powers() -> dict[str, Power]:
    """Return the power of each profile whose board has rows: of its own system, or else of the whole board."""
    rows = [row for row in read_rows() if row.latency_ms is not None]
    found: dict[str, Power] = {}
    for name, (board, system) in profile_systems().items():
        own = [row for row in rows if row.system == system]
        if used := own or [row for row in rows if row.board == board]:
            found[name] = power_of(used)
    return found


def power_of(rows: Sequence[EnergyRow]) -> Power:
    """Return the median of energy over time, and the least and the most."""
    powers = sorted(round(row.active_mw, 1) for row in rows)
    systems = sorted({row.system.removeprefix("mlperf ") for row in rows})
    named = systems[0] if len(systems) == 1 else f"{len(systems)} submissions with several runtimes"
    source = (
        f"tools/profiles/power.py: energy over latency of {len(rows)} rows of {named} in the MLPerf Tiny results, "
        "closed division: of the supply that the submitter measured"
    )
    middle = round(statistics.median(powers), 1)
    return Power(middle, source, active_low_mw=powers[0], active_high_mw=powers[-1])


def coverage_table(found: Sequence[HeldOut]) -> str:
    """Return how many held-out energies lie inside their intervals, as Markdown."""
    return "\n".join(_table_lines(found))


def _table_lines(found: Sequence[HeldOut]) -> Iterator[str]:
    yield "| held out | rows | inside | median error |"
    yield "|---|---:|---:|---:|"
    for held_out in found:
        yield f"| {held_out.title} | {held_out.rows} | {held_out.inside} | {held_out.median_percent:.0f} % |"


def rendered(page: str, table: str) -> str:
    """Return the page with the table between its markers replaced."""
    return re.sub(r"(<!-- energy -->\n).*?(<!-- end energy -->)", lambda m: f"{m[1]}{table}\n{m[2]}", page, flags=re.S)


if __name__ == "__main__":
    main()
