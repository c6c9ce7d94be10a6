"""How wrong the calibrated latencies are on measurements that they have not seen."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from tools.profiles.cost_regression import KERNELS, Array, Calibration, Hyper, Row, System, tune
from tools.profiles.measurements import Measurements

_MAC_KERNELS = slice(0, 4)  # conv, pointwise, depthwise, dense


class Prediction(NamedTuple):
    """A measured row and what was predicted without it, in cycles."""

    system: System
    label: str
    predicted: float
    measured: float

    @property
    def error_percent(self) -> float:
        """Absolute error in percent of the measured time."""
        return abs(self.predicted / self.measured - 1) * 100

    @property
    def factor(self) -> float:
        """By which factor the prediction is off, in either direction; 1 is exact."""
        return max(self.predicted / self.measured, self.measured / self.predicted)


class Fold(NamedTuple):
    """Rows to predict, the rows that may be used for it, and the rows that the hyperparameters may be tuned on."""

    held_out: tuple[Row, ...]
    training: tuple[Row, ...]
    tuning: tuple[Row, ...]


def scored(measurements: Measurements) -> tuple[list[System], list[Row]]:
    """Return what errors are counted on: MLPerf Tiny, int8, microcontrollers, no accelerator."""
    systems = [system for system in measurements.systems if system.key.startswith("mlperf") and system.kin]
    keys = {system.key for system in systems}
    return systems, [row for row in measurements.rows if row.system in keys]


def without_board(measurements: Measurements) -> list[Fold]:
    """Hold out one benchmark of one board of one submitter, in all rounds.

    The hyperparameters are tuned without any row of that board and submitter.
    """
    return _folds(measurements, lambda system: system.group, same_benchmark=True)


def without_submitter(measurements: Measurements) -> list[Fold]:
    """Hold out one benchmark of one system, and all other systems of its submitter: only strangers' boards help."""
    return _folds(measurements, lambda system: system.submitter, same_benchmark=False)


def without_everything(measurements: Measurements) -> list[Fold]:
    """Hold out everything of one submitter: no row of it helps, neither of the board nor of another."""
    submitter = {system.key: system.submitter for system in measurements.systems}
    folds = []
    _, rows = scored(measurements)
    for name in sorted({submitter[row.system] for row in rows}):
        rest = tuple(row for row in measurements.rows if submitter[row.system] != name)
        folds.append(Fold(tuple(row for row in rows if submitter[row.system] == name), rest, rest))
    return folds


def without_benchmark(measurements: Measurements) -> list[Fold]:
    """Hold out one benchmark on all systems: nobody has ever measured that network."""
    folds = []
    _, rows = scored(measurements)
    for label in sorted({row.label for row in rows}):
        rest = tuple(row for row in measurements.rows if row.label != label)
        folds.append(Fold(tuple(row for row in rows if row.label == label), rest, rest))
    return folds


def without_pair(measurements: Measurements) -> list[Fold]:
    """Hold out everything of a core with a family of kernels, where either was measured with another partner."""
    systems, rows = scored(measurements)
    by_key = {system.key: system for system in measurements.systems}
    pairs = {key: (system.core, system.family) for key, system in by_key.items()}
    folds = []
    for pair in sorted({(system.core, system.family) for system in systems}):
        held_out = tuple(row for row in rows if pairs[row.system] == pair)
        rest = tuple(row for row in measurements.rows if pairs[row.system] != pair)
        seen = [by_key[row.system] for row in rest]
        if any(s.core == pair[0] for s in seen) and any(s.family == pair[1] for s in seen):
            folds.append(Fold(held_out, rest, rest))
    return folds


def without_network(measurements: Measurements) -> list[Fold]:
    """Hold out one network (never a single op) on one of the systems whose kernels have no relatives."""
    kin = {system.key: system.kin for system in measurements.systems}
    strangers: dict[tuple[str, str], list[Row]] = {}
    for row in measurements.rows:
        if not kin[row.system]:
            strangers.setdefault((row.system, row.label.split(".tflite ")[0]), []).append(row)
    folds = []
    for held_out in strangers.values():
        taken = {id(row) for row in held_out}
        rest = tuple(row for row in measurements.rows if id(row) not in taken)
        calls = sum(float(row.work[:, 2].sum()) for row in held_out)
        if calls > 1 and any(row.system == held_out[0].system for row in rest):
            folds.append(Fold(tuple(held_out), rest, measurements_of_kin(measurements)))
    return folds


def whole_networks(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return predictions of single ops added up to predictions of networks."""
    sums: dict[tuple[str, str], Prediction] = {}
    for p in predictions:
        key = (p.system.key, p.label.split(".tflite ")[0])
        before = sums.get(key, Prediction(p.system, key[1], 0.0, 0.0))
        sums[key] = Prediction(p.system, key[1], before.predicted + p.predicted, before.measured + p.measured)
    return list(sums.values())


def measurements_of_kin(measurements: Measurements) -> tuple[Row, ...]:
    """Return the rows that the hyperparameters are tuned on: systems whose kernels have relatives."""
    kin = {system.key for system in measurements.systems if system.kin}
    return tuple(row for row in measurements.rows if row.system in kin)


def _folds(measurements: Measurements, group: Callable[[System], str], *, same_benchmark: bool) -> list[Fold]:
    systems, rows = scored(measurements)
    by_key = {system.key: system for system in measurements.systems}
    groups = {system.key: group(system) for system in systems}
    folds = []
    for row in rows:

        def allowed(other: Row, row: Row = row) -> bool:
            if groups.get(other.system) != groups[row.system]:
                return True
            return other.label != row.label and (same_benchmark or other.system == row.system)

        training = tuple(other for other in measurements.rows if allowed(other))
        tuning = tuple(other for other in measurements.rows if groups.get(other.system) != groups[row.system])
        folds.append(Fold((row,), training, tuple(other for other in tuning if by_key[other.system].kin)))
    return folds


def predict(measurements: Measurements, folds: Sequence[Fold], *, workers: int) -> list[Prediction]:
    """Return the predictions of all held-out rows, tuning and fitting anew for every fold."""
    kin = [system for system in measurements.systems if system.kin]
    keys = {system.key for system in kin}
    tunings = {tuple(id(row) for row in fold.tuning): fold.tuning for fold in folds}
    with ProcessPoolExecutor(workers) as pool:
        jobs = {
            key: pool.submit(tune, kin, [row for row in rows if row.system in keys], Hyper())
            for key, rows in tunings.items()
        }
        hypers = {key: job.result() for key, job in jobs.items()}
    by_key = {system.key: system for system in measurements.systems}
    found = []
    for fold in folds:
        hyper = hypers[tuple(id(row) for row in fold.tuning)]
        fitted = Calibration(measurements.systems, fold.training, hyper)
        found += [
            Prediction(by_key[row.system], row.label, fitted.cycles(row.system, row.work), row.cycles)
            for row in fold.held_out
        ]
    return found


def macs_baseline(measurements: Measurements) -> list[Prediction]:
    """Predict `k x MACs`, with the board's k as the geometric mean of its other benchmarks. No channels are dropped."""
    systems, rows = scored(measurements)
    full = {row.label: row.work for row in rows if "v0.5" in row.system}
    return [
        Prediction(system, row.label, predicted, row.cycles)
        for system in systems
        for row, predicted in _scaled(system, rows, {label: float(work[:, 0].sum()) for label, work in full.items()})
    ]


def per_op_baseline(measurements: Measurements) -> list[Prediction]:
    """Predict with cycles per MAC by kernel, learnt by non-negative least squares from other submitters' boards.

    Their profile is scaled to the board by the geometric mean over its other benchmarks. No channels are dropped.
    """
    systems, rows = scored(measurements)
    full = {row.label: row.work[_MAC_KERNELS, 0] for row in rows if "v0.5" in row.system}
    submitter = {system.key: system.submitter for system in systems}
    found = []
    for name in sorted(set(submitter.values())):
        others = [row for row in rows if submitter[row.system] != name]
        profile = _shared_profile(others, full)
        unscaled = {label: float(work @ profile) for label, work in full.items()}
        for system in systems:
            if submitter[system.key] == name:
                pairs = _scaled(system, rows, unscaled)
                found += [Prediction(system, row.label, predicted, row.cycles) for row, predicted in pairs]
    return found


def _scaled(system: System, rows: Sequence[Row], unscaled: dict[str, float]) -> Iterable[tuple[Row, float]]:
    own = [row for row in rows if row.system == system.key]
    for row in own:
        ratios = [np.log(other.cycles / unscaled[other.label]) for other in own if other is not row]
        yield row, float(unscaled[row.label] * np.exp(np.mean(ratios)))


def _shared_profile(rows: Sequence[Row], work: dict[str, Array]) -> Array:
    """Return one profile for many boards: relative least squares in turn with a factor per board."""
    profile = np.ones(len(KERNELS[_MAC_KERNELS]))
    features = np.array([work[row.label] / row.cycles for row in rows])
    owner = np.unique([row.system for row in rows], return_inverse=True)[1]
    for _ in range(50):
        logs = np.log(features @ profile)
        level = np.bincount(owner, logs) / np.bincount(owner)
        profile = _non_negative(features / np.exp(level)[owner, None], np.ones(len(rows)))
    return profile


def _non_negative(features: Array, target: Array) -> Array:
    """Non-negative least squares: the best of the solutions with any of the features switched off."""
    width = features.shape[1]
    solutions = []
    for chosen in itertools.product((False, True), repeat=width):
        mask = np.array(chosen)
        solution = np.zeros(width)
        solution[mask] = np.linalg.lstsq(features[:, mask], target, rcond=None)[0]
        if (solution >= 0).all():
            solutions.append(solution)
    return min(solutions, key=lambda solution: float(((features @ solution - target) ** 2).sum()))


def summary(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return mean and median error and the factor that holds nine of ten rows: of all rows, Cortex-M, each label."""
    parts = {"all": list(predictions), "cortex_m": [p for p in predictions if p.system.core.startswith("cortex-m")]}
    for label in sorted({p.label for p in predictions}):
        parts[label] = [p for p in predictions if p.label == label]
    return {
        name: {
            "rows": len(part),
            "mean_percent": round(float(np.mean([p.error_percent for p in part])), 1),
            "median_percent": round(float(np.median([p.error_percent for p in part])), 1),
            "factor_90": round(float(np.quantile([p.factor for p in part], 0.9)), 3),
        }
        for name, part in parts.items()
        if part
    }
