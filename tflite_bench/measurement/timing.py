"""The measuring loop: calls one inference again and again until its latency is known well enough."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tflite_bench.measurement.stats import Samples, quick_median_halfwidth
from tflite_bench.provenance import Given

_WINDOW = 10
_STABLE = 0.05
_MAX_WARMUP_SHARE = 0.25
_MIN_RUNS = 50
_MIN_SECONDS = 0.5
_MAX_RUNS = 200_000


class Plan(NamedTuple):
    """How long to measure.

    Attributes:
        precision: Stop once half the width of the median's 95 % interval is at most this share of the median.
        num_runs: Measure exactly this many inferences instead; None to go by `precision`.
        time_limit_s: Stop after this many seconds in any case, warm-up included, with at least one measured run.
        seed: Seed of the input values.
    """

    precision: Given[float] = 0.02
    num_runs: Given[int | None] = None
    time_limit_s: Given[float] = 30.0
    seed: Given[int] = 0


class Timing(NamedTuple):
    """Measured latencies.

    Attributes:
        samples_ms: Latency of each measured inference, in order.
        warmup_ms: Latency of each inference before these.
        reached: True if the precision or the number of runs was reached before the time limit.
    """

    samples_ms: Samples
    warmup_ms: Samples
    reached: bool


def measure(invoke: Callable[[], object], plan: Plan) -> Timing:
    """Measure how long `invoke` takes.

    Warm-up goes on until the medians of two consecutive windows of 10 runs differ by at most 5 %, for a quarter of the
    time limit at most. Then runs are measured until the plan's precision is reached - at least 50 runs and half a
    second, so that a change of the clock speed has a chance to show.

    Args:
        invoke: One inference.
        plan: When to stop.

    Returns:
        The latencies.
    """
    begin = time.perf_counter()
    deadline = begin + plan.time_limit_s
    warmup = _warm_up(invoke, begin + plan.time_limit_s * _MAX_WARMUP_SHARE)
    samples: list[int] = []
    start = time.perf_counter()
    next_check = _MIN_RUNS
    reached = full = False
    while not (reached or full):
        samples.append(_timed(invoke))
        now = time.perf_counter()
        full = now >= deadline or (plan.num_runs is None and len(samples) >= _MAX_RUNS)
        if plan.num_runs is not None:
            reached = len(samples) >= plan.num_runs
        elif full or (len(samples) >= next_check and now - start >= _MIN_SECONDS):
            # The interval of a few runs may be narrow by chance; that of one has no width at all.
            enough = len(samples) >= _MIN_RUNS
            reached = enough and quick_median_halfwidth(np.array(samples, np.float64)) <= plan.precision
            next_check = len(samples) * 5 // 4
    return Timing(np.array(samples, np.float64) / 1e6, np.array(warmup, np.float64) / 1e6, reached)


def measure_batches(run: Callable[[int], Samples], plan: Plan) -> Timing:
    """Measure a device that runs several inferences at a time and tells how long each took.

    Args:
        run: Runs up to a number of inferences, at least one, and returns the latency of each in ms.
        plan: When to stop; see `measure`.

    Returns:
        The latencies.
    """
    begin = time.perf_counter()
    deadline = begin + plan.time_limit_s
    warmup = _warm_up_batches(run, begin + plan.time_limit_s * _MAX_WARMUP_SHARE)
    samples = np.empty(0)
    start = time.perf_counter()
    reached = full = False
    while not (reached or full):
        least = plan.num_runs or max(_MIN_RUNS, len(samples) * 5 // 4)
        samples = np.append(samples, run(max(1, min(least, _MAX_RUNS) - len(samples))))
        now = time.perf_counter()
        full = now >= deadline or (plan.num_runs is None and len(samples) >= _MAX_RUNS)
        if plan.num_runs is not None:
            reached = len(samples) >= plan.num_runs
        elif len(samples) >= _MIN_RUNS and (full or now - start >= _MIN_SECONDS):
            reached = quick_median_halfwidth(samples) <= plan.precision
    return Timing(samples, warmup, reached)


def describe_end(reached: bool, num_runs: int, plan: Plan) -> str:
    """Return why measuring stopped before its aim was reached; empty if it was.

    Args:
        reached: See `Timing`.
        num_runs: Measured inferences.
        plan: What was to be reached.
    """
    if reached:
        return ""
    least = plan.num_runs or (_MIN_RUNS if num_runs < _MIN_RUNS else None)
    aim = "precision" if least is None else f"number of {least:,} runs"
    full = plan.num_runs is None and num_runs >= _MAX_RUNS
    limit = f"after {num_runs:,} inferences" if full else f"by the time limit of {plan.time_limit_s:g} s"
    return f"stopped {limit}, the {aim} was not reached"


def _warm_up(invoke: Callable[[], object], deadline: float) -> list[int]:
    samples: list[int] = []
    previous = 0.0
    while True:
        for _ in range(_WINDOW):
            samples.append(_timed(invoke))
            if time.perf_counter() >= deadline:
                return samples
        median = float(np.median(samples[-_WINDOW:]))
        if abs(median - previous) <= _STABLE * previous:
            return samples
        previous = median


def _warm_up_batches(run: Callable[[int], Samples], deadline: float) -> Samples:
    samples = np.empty(0)
    previous = 0.0
    while True:
        window = np.empty(0)
        while len(window) < _WINDOW:
            window = np.append(window, run(_WINDOW - len(window)))
            if time.perf_counter() >= deadline:
                return np.append(samples, window)
        samples = np.append(samples, window)
        median = float(np.median(window))
        if abs(median - previous) <= _STABLE * previous:
            return samples
        previous = median


def _timed(invoke: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    invoke()
    return time.perf_counter_ns() - start
