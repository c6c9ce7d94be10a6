"""How well published energies are predicted that a profile has not seen: computed time multiplied by power."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kd_edge.cost.devices import load_device
from kd_edge.cost.devices.runtimes import for_runtime
from kd_edge.cost.energy import energy_of
from kd_edge.cost.model import CostModel
from kd_edge.ir.lowering import lower
from tools.profiles.energy_rows import EnergyRow
from tools.profiles.measurements import MLPERF_MODELS, without_dead_channels

# An energy as it was published, as it was predicted, and the ends of its interval.
_Predicted = tuple[float, float, float, float]


class HeldOut(NamedTuple):
    """What was held out, how many energies, how many of them lie inside, and the median error in percent."""

    title: str
    rows: int
    inside: int
    median_percent: float


def network_left_out(
    rows: Sequence[EnergyRow], profiles: Mapping[str, tuple[str, str]], evidence: Sequence[Sequence[Any]]
) -> HeldOut:
    """Predict each network from the others of its system: times without all else of the submitter, power of three.

    Args:
        rows: The published energies.
        profiles: Of each profile the board and the system.
        evidence: Predicted over measured time, by system and network.
    """
    widths = {system: _factor(name) for name, (_, system) in profiles.items()}
    ratios = {(system, label): ratio for system, label, ratio in evidence}
    found: list[_Predicted] = []
    for row in rows:
        others = [r.active_mw for r in rows if r.system == row.system and r is not row and r.latency_ms is not None]
        if row.system in widths and row.latency_ms is not None and others:
            time_ms = row.latency_ms * ratios[row.system, row.benchmark]
            found.append(_predicted(row, time_ms, widths[row.system], others))
    return _summary("a network, and of times all else of its submitter", found)


def submitter_left_out(rows: Sequence[EnergyRow], evidence: Sequence[Sequence[Any]]) -> HeldOut:
    """Predict all networks of a submitter from what others measured on its board; arguments as above."""
    ratios = {(system, label): ratio for system, label, ratio in evidence}
    found: list[_Predicted] = []
    for row in rows:
        others = [r for r in rows if r.board == row.board and r.submitter != row.submitter]
        if row.latency_ms is not None and (row.system, row.benchmark) in ratios and others:
            powers = [other.active_mw for other in others if other.latency_ms is not None]
            time_ms = row.latency_ms * ratios[row.system, row.benchmark]
            found.append(_predicted(row, time_ms, _factor(row.board), powers))
    return _summary("everything of a submitter", found)


def later_round(rows: Sequence[EnergyRow], models: Path, *, told: bool) -> HeldOut:
    """Predict the rows that no profile is made of: v1.2, by X-CUBE-AI 9.0, with the profiles of 8.1.

    Args:
        rows: The published energies.
        models: Folder of the networks.
        told: Whether the release is told, which widens the interval of the time; see `for_runtime`.
    """
    found: list[_Predicted] = []
    for row in rows:
        if row.latency_ms is None:
            path = models / f"{MLPERF_MODELS[row.benchmark]}.tflite"
            # The runtime drops channels whose values never change; the profile was made so, too.
            graph = without_dead_channels(path) if row.benchmark == "vww" else lower(path)
            device, _ = for_runtime(load_device(f"{row.board}-cube-ai"), "x-cube-ai 9.0" if told else None)
            energy = energy_of(CostModel(device).estimate(graph), device)
            if energy is not None:
                ends = (energy.energy_mj, energy.energy_low_mj, energy.energy_high_mj)
                found.append((row.energy_uj, *(1e3 * end for end in ends)))
    how = "told by `--runtime`" if told else "predicted as the older one"
    return _summary(f"a later round with a newer release of the runtime, {how}", found)


def _factor(profile: str) -> float:
    return 1 + load_device(profile).error_percent / 100


def _predicted(row: EnergyRow, time_ms: float, factor: float, powers: Sequence[float]) -> _Predicted:
    low, high = time_ms / factor * min(powers), time_ms * factor * max(powers)
    return row.energy_uj, time_ms * statistics.median(powers), low, high


def _summary(title: str, found: Sequence[_Predicted]) -> HeldOut:
    errors = list(_errors(found))
    inside = sum(low <= energy <= high for energy, _, low, high in found)
    return HeldOut(title, len(found), inside, round(statistics.median(errors), 1))


def _errors(found: Sequence[_Predicted]) -> Iterator[float]:
    yield from (100 * abs(predicted / energy - 1) for energy, predicted, *_ in found)
