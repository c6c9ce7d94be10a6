"""How wide a profile's interval is, so that nine of ten measurements that it has not seen are inside.

A measurement is held out together with all else that its submitter measured, but for other networks on the same board
with the same runtime: those are the rows that the profile is made of. Where a profile has no row of its own, nothing
of the submitter is left. What is predicted then, over what was measured, gives the widths (`Evidence`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tools.profiles.cost_regression import Calibration, Hyper, Row, System
from tools.profiles.measurements import Measurements
from tools.profiles.scores import (
    Prediction,
    predict,
    whole_networks,
    without_everything,
    without_network,
    without_pair,
    without_submitter,
)

_INSIDE = 0.9
# Two-sided 90 % of Student's t by degrees of freedom.
_STUDENT = (6.314, 2.920, 2.353, 2.132)
# One measured time of one network: as wide as `kd-edge devices add` makes it.
_ONE_ROW = 1.5
# A class of ops is known where the rest has a tenth of its MACs.
_KNOWN_SHARE = 0.1


class Interval(NamedTuple):
    """The interval of one profile.

    Attributes:
        held_out: What was held out, in words.
        rows: How many held-out measurements say how wide it is.
        inside: How many of them lie inside.
        factor: An estimate is divided and multiplied by it.
    """

    held_out: str
    rows: int
    inside: int
    factor: float

    @property
    def error_percent(self) -> float:
        """The factor as half a width in percent, rounded up to 5."""
        return float(math.ceil((self.factor - 1) * 20 - 1e-9) * 5)


@dataclass(frozen=True)
class Evidence:
    """Predicted over measured time of held-out rows, by what was held out; each row is `[system, label, ratio]`.

    Attributes:
        networks: One network, and all other systems of the submitter.
        strangers: One network of a system whose kernels have no relatives, where the rest knows its classes of ops;
            and ESP-NN's own figure for the ESP32, predicted from another's.
        extrapolated: The other networks of such systems.
        submitters: Everything of a submitter.
        pairs: Everything of a core with its kind of kernels, where both are known apart.
    """

    networks: Sequence[Sequence[Any]]
    strangers: Sequence[Sequence[Any]]
    extrapolated: Sequence[Sequence[Any]]
    submitters: Sequence[Sequence[Any]]
    pairs: Sequence[Sequence[Any]]


def find_evidence(measurements: Measurements, hyper: Hyper, *, workers: int) -> Evidence:
    """Predict all held-out rows; takes about three minutes with one worker."""
    known, extrapolated = [], []
    for fold in without_network(measurements):
        fitted = Calibration(measurements.systems, fold.training, hyper)
        by_key = {system.key: system for system in measurements.systems}
        parts = [
            Prediction(by_key[row.system], row.label, fitted.cycles(row.system, row.work), row.cycles)
            for row in fold.held_out
        ]
        (known if _knows(fold.held_out, fold.training) else extrapolated).extend(whole_networks(parts))
    return Evidence(
        networks=_rows(predict(measurements, without_submitter(measurements), workers=workers)),
        strangers=_rows([*known, *_second_opinion(measurements, hyper)]),
        extrapolated=_rows(extrapolated),
        submitters=_rows(predict(measurements, without_everything(measurements), workers=workers)),
        pairs=_rows(predict(measurements, without_pair(measurements), workers=workers)),
    )


def _rows(predictions: Iterable[Prediction]) -> list[list[Any]]:
    return [[p.system.key, p.label, round(p.predicted / p.measured, 4)] for p in predictions]


def _knows(held_out: Sequence[Row], training: Sequence[Row]) -> bool:
    """Return whether the system's other rows have a tenth of the MACs of each class of ops."""
    wanted = sum(row.work[:, 0] for row in held_out)
    rest = sum((row.work[:, 0] for row in training if row.system == held_out[0].system), np.zeros(len(wanted)))
    return bool((rest >= _KNOWN_SHARE * wanted).all())


def _second_opinion(measurements: Measurements, hyper: Hyper) -> list[Prediction]:
    """Return Espressif's time of a network on the ESP32 as the other submitter's rows predict it."""
    (row,) = (row for row in measurements.rows if row.system == "esp-nn ESP32")
    by_key = {system.key: system for system in measurements.systems}
    rest = [other for other in measurements.rows if not other.system.startswith("esp-nn")]
    fitted = Calibration(measurements.systems, rest, hyper)
    return [Prediction(by_key[row.system], row.label, fitted.cycles("mcufit esp32", row.work), row.cycles)]


def factor_of(ratios: Sequence[float]) -> float:
    """Return the factor that holds nine of ten.

    It is the order statistic that a new row keeps with that probability, `ceil(0.9 (n + 1))`, and the largest of five
    to nine; of fewer, Student's interval for a new one on a logarithmic scale around 1.
    """
    logs = sorted(abs(math.log(ratio)) for ratio in ratios)
    if len(logs) > len(_STUDENT):
        return math.exp(logs[min(math.ceil(_INSIDE * (len(logs) + 1)), len(logs)) - 1])
    spread = math.sqrt(sum(log * log for log in logs) / len(logs))
    return math.exp(_STUDENT[len(logs) - 1] * spread * math.sqrt(1 + 1 / len(logs)))


def interval_of(system: System, measurements: Measurements, evidence: Evidence) -> Interval:
    """Return the interval of the profile of a system, measured or not."""
    by_key = {other.key: other for other in measurements.systems}
    own = sum(row.system == system.key for row in measurements.rows)
    if not own:
        return _of_relatives(system, by_key, evidence)
    floor = factor_of([ratio for _, _, ratio in evidence.networks])
    if system.kin:
        pool = [row for row in evidence.networks if by_key[row[0]].family == system.family]
        mine = [abs(math.log(ratio)) for key, _, ratio in evidence.networks if key == system.key]
        factor = max([factor_of([ratio for _, _, ratio in pool]), *(math.exp(log) for log in mine)])
        return _counted("a network, and all else of its submitter", pool, factor)
    kind = _kind(system)
    pool = [row for row in evidence.strangers if _kind(by_key[row[0]]) == kind]
    if len(pool) <= len(_STUDENT):
        pool += [row for row in evidence.extrapolated if _kind(by_key[row[0]]) == kind]
    factor = max(floor, _ONE_ROW if own == 1 else floor, factor_of([ratio for _, _, ratio in pool]))
    return _counted("a network", pool, factor)


def _kind(system: System) -> str:
    return system.family if system.family in ("leip", "litert", "x-cube-ai float32") else "microcontroller"


def _of_relatives(system: System, by_key: Mapping[str, System], evidence: Evidence) -> Interval:
    """Return the spread between the boards of a core, or between all where one submitter alone has that core."""
    submitters = {other.submitter for other in by_key.values() if other.core == system.core}
    if not submitters:
        alone = [row for row in evidence.submitters if _alone(by_key[row[0]], by_key)]
        return _counted("everything of a core that nobody else has", alone)
    if len(submitters) == 1:
        return any_submitter(evidence)
    pool = [row for row in evidence.submitters if by_key[row[0]].core == system.core]
    factor = factor_of([ratio for _, _, ratio in pool])
    if not any((other.core, other.family) == (system.core, system.family) for other in by_key.values()):
        factor = max(factor, factor_of([ratio for _, _, ratio in evidence.pairs]))
    return _counted(f"everything of a submitter, on {system.core} boards", pool, factor)


def _alone(system: System, by_key: Mapping[str, System]) -> bool:
    others = {other.core for other in by_key.values() if other.submitter != system.submitter}
    return system.core not in others and system.family != "tensorflow lite"


def any_submitter(evidence: Evidence) -> Interval:
    """Return the interval of a board of which nothing is known but whose costs it is given."""
    return _counted("everything of a submitter", evidence.submitters)


def _counted(held_out: str, pool: Sequence[Sequence[Any]], factor: float | None = None) -> Interval:
    ratios = [ratio for _, _, ratio in pool]
    factor = factor_of(ratios) if factor is None else factor
    rounded = Interval(held_out, 0, 0, factor).error_percent / 100 + 1
    return Interval(held_out, len(ratios), sum(1 / rounded <= ratio <= rounded for ratio in ratios), rounded)


def coverage(measurements: Measurements, rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """Return how many rows lie inside a width that other submitters' rows gave, and how many there are."""
    submitter = {system.key: system.submitter for system in measurements.systems}
    inside = 0
    for name in {submitter[key] for key, _, _ in rows}:
        log = math.log(factor_of([ratio for key, _, ratio in rows if submitter[key] != name]))
        inside += sum(abs(math.log(ratio)) <= log for key, _, ratio in rows if submitter[key] == name)
    return inside, len(rows)


def after_one_network(rows: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
    """Return how wide the interval is of a board of which one network was measured, and nothing by its submitter.

    Each network of a system in turn sets the level of its predictions; what is left are the errors of the others.
    """
    systems: dict[str, list[float]] = {}
    for key, _, ratio in rows:
        systems.setdefault(key, []).append(ratio)
    left = [
        other / ratio
        for ratios in systems.values()
        for i, ratio in enumerate(ratios)
        for j, other in enumerate(ratios)
        if i != j
    ]
    return {"rows": len(left), "factor_90": round(factor_of(left), 3)}
