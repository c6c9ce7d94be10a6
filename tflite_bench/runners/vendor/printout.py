"""The figures that a benchmark program told, refused where nothing can have been measured so."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.stats import LatencyStats

_PERCENTILES = ("median", "p5", "p95")
# The programs print six digits, and their files hold single precision.
_ROUNDING, _ROUNDING_MS = 1e-5, 1e-6


@dataclass(frozen=True)
class Printout:
    """The figures that a benchmark program told.

    Attributes:
        latency: Its statistics; it tells no single inferences, so there is no interval and no test for drift.
        num_runs: Measured inferences.
        num_warmup_runs: Inferences before these.
        memory_bytes: Growth of its process' memory; None if it does not tell.
        unavailable_reason: Why the figures that are None are.
        step_ms: What the program rounds times to.

    Raises:
        RunnerError: A figure is negative or not finite, a mean or percentile is not between the least and the largest,
            the percentiles are not in order, the deviation is larger than the times lie apart, all times are 0, or
            nothing was measured.
    """

    latency: LatencyStats
    num_runs: int
    num_warmup_runs: int
    memory_bytes: int | None = None
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)
    step_ms: float = 1e-3

    def __post_init__(self) -> None:
        if self.num_runs < 1 or self.num_warmup_runs < 0:
            raise RunnerError(
                "the benchmark program measured no inference: expected 1 or more, received "
                f"{self.num_runs} after {self.num_warmup_runs} to warm up; give it more time"
            )
        if self.memory_bytes is not None and self.memory_bytes < 0:
            raise _impossible("memory", "0 B or more", self.memory_bytes)
        times = {part.name: getattr(self.latency, part.name) for part in fields(LatencyStats)}
        for name in (name for name, value in times.items() if name.endswith("_ms") and value is not None):
            check_time(name, times[name])
        if times["max_ms"] == 0:
            raise RunnerError(
                f"the benchmark program told 0 ms for every inference: expected more, received times below its "
                f"resolution of {self.step_ms:g} ms; on this machine use --on litert"
            )
        self._check_order(times)
        self._check_deviation()

    def _check_order(self, times: Mapping[str, float]) -> None:
        least, most = times["min_ms"], times["max_ms"]
        for name in ("avg_ms", *(f"{name}_ms" for name in _PERCENTILES)):
            value = times[name]
            if value is not None and not (_at_most(least, value) and _at_most(value, most)):
                raise _impossible(name, f"one from {least:g} to {most:g} ms, the least and the largest", value)
        ordered = [name for name in ("p5_ms", "median_ms", "p95_ms") if times[name] is not None]
        for low, high in itertools.pairwise(ordered):
            if not _at_most(times[low], times[high]):
                raise _impossible(high, f"{times[low]:g} ms or more, which {low} is", times[high])

    def _check_deviation(self) -> None:
        """Refuse a deviation above that of times of which one half is the least and one half the largest."""
        latency, n = self.latency, self.num_runs
        most = (latency.max_ms - latency.min_ms) / 2 * math.sqrt(n / max(n - 1, 1))
        rounding = self.step_ms + _ROUNDING * latency.max_ms
        if latency.std_ms > most + rounding:
            times = f"times from {latency.min_ms:g} to {latency.max_ms:g} ms"
            raise _impossible("std_ms", f"{most:.3g} ms or less of {times}", latency.std_ms)


def check_time(name: str, time_ms: float) -> None:
    """Refuse a time that cannot be one.

    Args:
        name: What it is of.
        time_ms: The time.

    Raises:
        RunnerError: It is negative or not finite.
    """
    if not (math.isfinite(time_ms) and time_ms >= 0):
        raise _impossible(name, "0 ms or more", time_ms)


def without_samples(latency: LatencyStats) -> dict[str, str]:
    """Return the reasons for the statistics that a program's summary lacks."""
    reasons = {
        f"latency.{name}_ms": "this release of the program does not print it"
        for name in _PERCENTILES
        if getattr(latency, f"{name}_ms") is None
    }
    summary = "the program tells no single inferences, only a summary"
    return reasons | {f"latency.{name}": summary for name in ("ci95_low_ms", "ci95_high_ms", "drift", "bimodal")}


def agree(one: float, other: float) -> bool:
    """Return whether two figures of a printout are the same but for rounding."""
    return _at_most(one, other) and _at_most(other, one)


def _at_most(low: float, high: float) -> bool:
    return low <= high * (1 + _ROUNDING) + _ROUNDING_MS


def _impossible(name: str, expected: str, received: float) -> RunnerError:
    return RunnerError(
        f"the benchmark program told an impossible figure for {name}: expected {expected}, received {received:g}; "
        "run it alone to see what it prints"
    )
