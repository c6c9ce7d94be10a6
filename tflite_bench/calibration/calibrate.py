"""Measures generated networks on a target and fits the device profile that `kd-edge --device` takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflite_bench.calibration.least_squares import Matrix, fit_costs, held_out_ratios, work_matrix
from tflite_bench.calibration.networks import networks
from tflite_bench.calibration.op_networks import op_networks
from tflite_bench.calibration.op_work import OWN, count_work
from tflite_bench.calibration.plausibility import FEWEST, check_times
from tflite_bench.calibration.store import MeasurementStore
from tflite_bench.errors import ConfigError, DoesNotFitError, RunnerError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.operators.spec import KERNEL_CLASSES, Blocks
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Calibrated, Computed, Measured
from tflite_bench.runners.base import Runner, RunnerResult, calibrates

DTYPES = ("int8", "float32")

_SIZES = {"inputs": (1, 4, 8, 16), "filters": (1, 4, 8, 16), "depthwise": (1, 8, 16, 32), "window": (0, 4, 8)}
# What else runs on the device only ever slows a network down, so the faster of two medians counts.
_ROUNDS = 2
_WIDEST = 0.9  # share of the networks that the profile's error covers
_START = Blocks(8, 8, 16)


@dataclass(frozen=True)
class Cost:
    """What one class or kind of operators costs.

    Attributes:
        ns_per_mac: Nanoseconds per multiply-accumulate.
        ns_per_byte: Nanoseconds per byte moved.
        ns_per_step: Nanoseconds per step of the outer loop; see `Work`.
        fixed_ns: Nanoseconds per call.
    """

    ns_per_mac: Calibrated[float]
    ns_per_byte: Calibrated[float]
    ns_per_step: Calibrated[float]
    fixed_ns: Calibrated[float]


@dataclass(frozen=True)
class Network:
    """One network of the calibration.

    Attributes:
        name: Its name.
        dtype: Its type.
        measured_ms: Its median latency, or the mean where a program tells no median; the lower of two.
        predicted_ms: Its latency as predicted from nine tenths of the networks, without it.
    """

    name: str
    dtype: str
    measured_ms: Measured[float]
    predicted_ms: Computed[float]


@dataclass(frozen=True)
class Calibration:
    """The costs of a runtime on a device.

    Attributes:
        runner: Name of the runner that measured.
        device: What is known of the device if it is not this machine.
        costs: For each dtype the costs of each class of operators, and of each kind that has costs of its own.
        inference_ns: For each dtype the nanoseconds of an inference beside those of its operators.
        blocks: For each dtype how many channels the kernels take at once.
        networks: What was measured, and how well each is predicted from the others.
        mean_error: Mean of |predicted / measured - 1| over the networks.
        error_percent: 90 % of the networks are predicted within this factor, as the profile states it.
    """

    runner: str
    device: Mapping[str, str]
    costs: Mapping[str, Mapping[str, Cost]]
    inference_ns: Calibrated[Mapping[str, float]]
    blocks: Calibrated[Mapping[str, Blocks]]
    networks: tuple[Network, ...]
    mean_error: Computed[float]
    error_percent: Computed[float]


def calibrate(
    runner: Runner,
    *,
    dtypes: Sequence[str] = DTYPES,
    plan: Plan | None = None,
    progress: Callable[[str], None] = lambda text: None,
    store: MeasurementStore | None = None,
) -> Calibration:
    """Measure generated networks and fit the costs of the operators.

    Args:
        runner: What measures; it must measure wall times of single inferences or their median.
        dtypes: Types of networks to measure.
        plan: How long to measure each network; None for up to 4 s.
        progress: Called with the name of every network before it is measured, and before the fit.
        store: Keeps what was measured until the whole calibration is; None to keep nothing.

    Raises:
        ConfigError: The runner measures no times that mean something for its device.
        RunnerError: It failed, too few of the networks fit a board, or what it measured does not follow their work.
    """
    if not calibrates(runner):
        raise ConfigError(f"cannot calibrate on {runner.name}: expected wall times of a real device, not rounded")
    plan = plan or Plan(time_limit_s=4.0)
    measured: dict[str, dict[str, tuple[bytes, float]]] = {dtype: {} for dtype in dtypes}
    device: Mapping[str, str] = {} if store is None else store.board
    complete = True
    for number in range(_ROUNDS):
        for dtype, entries in measured.items():
            for name, content in (*networks(dtype), *op_networks(dtype)):
                if number and name not in entries:
                    continue
                time_ms = None if store is None else store.get(number, content)
                if time_ms is None:
                    progress(f"round {number + 1} of {_ROUNDS}: {dtype} {name}")
                    try:
                        result = runner.benchmark(content, plan)
                    except DoesNotFitError:
                        complete = False
                        continue
                    device, time_ms = result.device, _time_ms(result, name)
                    if store is not None:
                        store.add(number, content, time_ms)
                entries[name] = content, min(entries[name][1], time_ms) if number else time_ms
    progress("fitting the costs")
    enough = measured if complete else _enough(measured)
    try:
        return fit_calibration(runner.name, device, enough)
    except RunnerError as error:
        kept = "" if store is None else f"; what was measured is kept in {store.path}: remove it to measure anew"
        raise RunnerError(f"{error}{kept}") from error


def _enough(measured: Mapping[str, dict[str, tuple[bytes, float]]]) -> Mapping[str, dict[str, tuple[bytes, float]]]:
    """Return the dtypes that a board has networks of; raise unless they say enough about every class of operators."""
    kept = {dtype: entries for dtype, entries in measured.items() if entries}
    for dtype, entries in kept.items():
        done = _work([read_model(content) for content, _ in entries.values()], _START)[:, :-1].sum(axis=0)
        classes = done.reshape(len(KERNEL_CLASSES) + len(OWN), -1)[: len(KERNEL_CLASSES)].any(axis=1)
        absent = [name for name, has_work in zip(KERNEL_CLASSES, classes.tolist(), strict=True) if not has_work]
        if len(entries) < FEWEST or absent:
            lacks = f", and none with {' or '.join(absent)}" if absent else ""
            raise RunnerError(
                f"cannot calibrate: only {len(entries)} of the {dtype} networks fit the board{lacks}; expected "
                f"{FEWEST} or more; give its firmware a larger arena, or more operators"
            )
    if not kept:
        raise RunnerError("cannot calibrate: none of the networks fits the board; give its firmware a larger arena")
    return kept


def _time_ms(result: RunnerResult, name: str) -> float:
    latency = result.latency
    time_ms = None if latency is None else latency.median_ms or latency.avg_ms
    if not time_ms:
        raise RunnerError(f"cannot calibrate: {result.runner} measured 0 ms for {name}, its clock is too coarse")
    return time_ms


def fit_calibration(
    runner: str, device: Mapping[str, str], measured: Mapping[str, Mapping[str, tuple[bytes, float]]]
) -> Calibration:
    """Fit the costs of operators to measured networks.

    Args:
        runner: Name of the runner that measured.
        device: See `Calibration`.
        measured: For each dtype, name, file and latency in ms of every network.

    Raises:
        RunnerError: The times do not follow the networks' work.
    """
    costs, inference_ns, blocks, rows = {}, {}, {}, []
    for dtype, entries in measured.items():
        times_ns = np.array([time_ms * 1e6 for _, time_ms in entries.values()])
        contents = [content for content, _ in entries.values()]
        blocks[dtype], work, fitted = _best_fit(contents, times_ns)
        ratios = held_out_ratios(work, times_ns, fitted)
        check_times(dtype, work, times_ns, ratios)
        *of_ops, inference_ns[dtype] = fitted.tolist()
        costs[dtype] = _costs(np.array(of_ops), work[:, :-1].sum(axis=0))
        rows += [
            Network(name, dtype, time_ms, time_ms * ratio)
            for (name, (_, time_ms)), ratio in zip(entries.items(), ratios.tolist(), strict=True)
        ]
    all_ratios = np.array([row.predicted_ms / row.measured_ms for row in rows])
    factors = np.maximum(all_ratios, 1 / np.maximum(all_ratios, 1e-3))
    return Calibration(
        runner=runner,
        device=device,
        costs=costs,
        inference_ns=inference_ns,
        blocks=blocks,
        networks=tuple(rows),
        mean_error=float(np.abs(all_ratios - 1).mean()),
        error_percent=round(float(np.quantile(factors, _WIDEST) - 1) * 100, 1),
    )


def _best_fit(contents: Sequence[bytes], times_ns: Matrix) -> tuple[Blocks, Matrix, Matrix]:
    """Return the blocks of channels that explain networks best, one size after the other, their work and the costs."""
    models = [read_model(content) for content in contents]
    fits: dict[Blocks, tuple[float, Matrix, Matrix]] = {}

    def miss(blocks: Blocks) -> float:
        if blocks not in fits:
            work = _work(models, blocks)
            near = min(fits.values(), key=lambda fit: fit[0])[2] if fits else None
            costs = fit_costs(work, times_ns, start=near)
            ratios = work @ costs / times_ns
            fits[blocks] = float((np.log(np.maximum(ratios, 1e-9)) ** 2).sum()), work, costs
        return fits[blocks][0]

    best, before = _START, None
    while best != before:
        before = best
        for name, sizes in _SIZES.items():
            best = min((replace(best, **{name: size}) for size in sizes), key=miss)
    _, work, costs = fits[best]
    return best, work, costs


def _work(models: Sequence[ModelInfo], blocks: Blocks) -> Matrix:
    return work_matrix([count_work(model, blocks) for model in models])


def _costs(values: Matrix, work: Matrix) -> dict[str, Cost]:
    """Return the costs of each class, and of the kinds that the networks have."""
    names = (*KERNEL_CLASSES, *OWN)
    rows = zip(names, values.reshape(len(names), -1).tolist(), work.reshape(len(names), -1), strict=True)
    return {name: Cost(*row) for name, row, done in rows if name in KERNEL_CLASSES or done.any()}
