"""Statistics of repeated latency measurements."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflite_bench.provenance import Measured

Samples = np.ndarray[Any, np.dtype[np.float64]]

# Of fewer runs an interval of the median is far less sure than it says: see `median_interval`.
MIN_RUNS = 5
_NUM_RESAMPLES = 10_000
_DRIFT_Z = 2.576  # two-sided 1 % point of the normal distribution
_DRIFT_BLOCKS = 100
_MIN_CHANGE = 0.02
_BIMODALITY_LIMIT = 5 / 9  # Sarle's coefficient of a uniform distribution
_MIN_SPREAD = 1.05


@dataclass(frozen=True)
class LatencyStats:
    """Latency of one inference, over all measured ones.

    Attributes:
        median_ms: Half of the inferences were faster. The figure to compare. It, the percentiles and the interval are
            None where a benchmark program does not tell them.
        avg_ms: Mean.
        std_ms: Sample standard deviation; 0 for a single run.
        min_ms: Fastest.
        max_ms: Slowest.
        p5_ms: 5th percentile.
        p95_ms: 95th percentile.
        ci95_low_ms: Lower end of the 95 % bootstrap interval of the median; None of fewer than `MIN_RUNS`.
        ci95_high_ms: Upper end of it. It holds for independent runs: with drift, the truth is less certain than this.
        init_ms: Time to load the model and allocate its tensors; None if it was not measured.
        warmup_first_ms: The very first inference; None as above.
        warmup_avg_ms: Mean of the inferences that warmed up; None as above.
        drift: Relative change over the run, e.g. 0.05 if the last third was 5 % slower than the first; None if there is
            no significant trend of at least 2 %.
        bimodal: True if the latencies fall into two groups (two clock speeds, another program on the core): then the
            median may jump from one group to the other on the next run. None if single inferences are unknown.
    """

    median_ms: Measured[float | None]
    avg_ms: Measured[float]
    std_ms: Measured[float]
    min_ms: Measured[float]
    max_ms: Measured[float]
    p5_ms: Measured[float | None]
    p95_ms: Measured[float | None]
    ci95_low_ms: Measured[float | None] = None
    ci95_high_ms: Measured[float | None] = None
    init_ms: Measured[float | None] = None
    warmup_first_ms: Measured[float | None] = None
    warmup_avg_ms: Measured[float | None] = None
    drift: Measured[float | None] = None
    bimodal: bool | None = None

    @classmethod
    def from_samples(
        cls, samples_ms: Any, *, warmup_ms: Any = (), seed: int = 0, init_ms: float | None = None
    ) -> "LatencyStats":
        """Return the statistics of measured latencies.

        Args:
            samples_ms: Latencies in ms in the order of measuring, at least one.
            warmup_ms: Those of the inferences before, which count for nothing else.
            seed: Makes the bootstrap repeatable.
            init_ms: See the attributes.

        Raises:
            ValueError: There are no samples, or one is negative or not finite.

        Example:

        >>> LatencyStats.from_samples([1.0, 2.0, 6.0]).median_ms
        2.0
        """
        samples: Samples = np.asarray(samples_ms, np.float64).reshape(-1)
        if not samples.size or not np.isfinite(samples).all() or samples.min() < 0:
            raise ValueError("expected one or more latencies of 0 ms or more, received none, or a negative or nan one")
        low, high = median_interval(samples, seed=seed) if samples.size >= MIN_RUNS else (None, None)
        p5, median, p95 = (float(value) for value in np.percentile(samples, [5, 50, 95]))
        return cls(
            median_ms=median,
            avg_ms=float(samples.mean()),
            std_ms=float(samples.std(ddof=1)) if samples.size > 1 else 0.0,
            min_ms=float(samples.min()),
            max_ms=float(samples.max()),
            p5_ms=p5,
            p95_ms=p95,
            ci95_low_ms=low,
            ci95_high_ms=high,
            init_ms=init_ms,
            warmup_first_ms=float(warmup_ms[0]) if len(warmup_ms) else None,
            warmup_avg_ms=float(np.mean(warmup_ms)) if len(warmup_ms) else None,
            drift=drift(samples),
            bimodal=is_bimodal(samples),
        )


def too_few_runs(latency: LatencyStats | None, num_runs: int) -> dict[str, str]:
    """Return why a latency has no interval, by its ends' names, where there were too few runs; else nothing.

    Args:
        latency: Of one inference; None where no time was measured.
        num_runs: Measured inferences.
    """
    if latency is None or num_runs >= MIN_RUNS:
        return {}
    reason = (
        f"{num_runs} of at least {MIN_RUNS} inferences that an interval takes; measure longer, or more (--num-runs)"
    )
    return dict.fromkeys(("ci95_low_ms", "ci95_high_ms"), reason)


def median_interval(samples: Samples, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the median (Efron and Tibshirani, 1993, chapter 13).

    No interval between the least and the largest of n samples holds the median more often than 1 - 2 / 2^n: 0, 50, 75
    and 88 % of 1 to 4 samples. From 5 on this one holds it about as often as of many.

    The resamples are not drawn one by one: the k-th smallest of n uniform draws follows Beta(k, n + 1 - k) (David and
    Nagaraja, Order Statistics, section 2.3), which gives the rank of each resample's median exactly, in constant time.

    Args:
        samples: Latencies in any order and unit.
        seed: Makes the interval repeatable.

    Returns:
        Lower and upper end, in the unit of the samples.
    """
    ordered, n = np.sort(samples), samples.size
    rng = np.random.default_rng(seed)
    k = (n + 1) // 2
    lower = rng.beta(k, n + 1 - k, _NUM_RESAMPLES)
    medians = ordered[(n * lower).astype(int).clip(0, n - 1)]
    if n % 2 == 0:
        upper = lower + (1 - lower) * rng.beta(1, n - k, _NUM_RESAMPLES)
        medians = (medians + ordered[(n * upper).astype(int).clip(0, n - 1)]) / 2
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def quick_median_halfwidth(samples: Samples) -> float:
    """Return half the width of the median's 95 % interval, relative to the median.

    From the order statistics at the ranks n/2 -+ 0.98 sqrt(n), the normal approximation of the sign test's interval
    (Conover, Practical Nonparametric Statistics, section 3.2). Cheap enough to ask while measuring.
    """
    ordered, n = np.sort(samples), samples.size
    reach = 0.98 * math.sqrt(n)
    low = ordered[max(0, math.floor(n / 2 - reach))]
    high = ordered[min(n - 1, math.ceil(n / 2 + reach))]
    median = float(np.median(ordered))
    return float(high - low) / 2 / median if median > 0 else 0.0


def drift(samples: Samples) -> float | None:
    """Return how much the latency changed over the run, relative to its start; None for no significant trend.

    The Mann-Kendall trend test (Mann 1945, Kendall 1975) at 1 % on the medians of up to 100 consecutive blocks, and a
    change of at least 2 % between the medians of the first and the last third.
    """
    if samples.size < 10:
        return None
    blocks = np.array([np.median(block) for block in np.array_split(samples, min(_DRIFT_BLOCKS, samples.size))])
    n = blocks.size
    score = float(np.sign(blocks[None, :] - blocks[:, None])[np.triu_indices(n, 1)].sum())
    z = (abs(score) - 1) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first, last = (float(np.median(part)) for part in (blocks[: n // 3], blocks[-(n // 3) :]))
    change = last / first - 1 if first > 0 else 0.0
    return change if z > _DRIFT_Z and abs(change) >= _MIN_CHANGE else None


def is_bimodal(samples: Samples) -> bool:
    """Return whether the latencies fall into two groups.

    Sarle's bimodality coefficient above 5/9 (Pfister et al., Frontiers in Psychology 4:700, 2013) on the samples from
    the 5th to the 95th percentile, so that a few outliers do not count, and these samples at least 5 % apart.
    """
    p5, p95 = np.percentile(samples, [5, 95])
    middle = samples[(samples >= p5) & (samples <= p95)]
    n = middle.size
    if n < 20 or middle.max() <= middle.min() * _MIN_SPREAD:
        return False
    centred = middle - middle.mean()
    variance = float((centred**2).mean())
    skewness = float((centred**3).mean()) / variance**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    excess = float((centred**4).mean()) / variance**2 - 3
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
    coefficient = (skewness**2 + 1) / (excess + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
    return bool(coefficient > _BIMODALITY_LIMIT)
