"""How sure a share is that was counted on few samples."""

import math
from dataclasses import dataclass

import numpy as np

from tflite_bench.provenance import Computed

_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval of a share, 0 to 1.

    Attributes:
        ci95_low: Lower end.
        ci95_high: Upper end.
    """

    ci95_low: Computed[float]
    ci95_high: Computed[float]


def wilson_interval(num_right: int, num_samples: int) -> Interval:
    """Return the 95 % interval of the share of samples that are right.

    It stays within 0 and 1 and is not empty at either end. Source: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", JASA 22 (1927), 209-212.

    Args:
        num_right: How many are right.
        num_samples: How many there are, 1 or more.
    """
    share, z2 = num_right / num_samples, _Z95**2
    centre = share + z2 / (2 * num_samples)
    half = _Z95 * math.sqrt(share * (1 - share) / num_samples + z2 / (4 * num_samples**2))
    scale = 1 + z2 / num_samples
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def paired_difference(
    right: np.ndarray, other: np.ndarray, *, seed: int = 0, num_draws: int = 2000
) -> dict[str, float]:
    """Return the difference of two accuracies on the same samples with its 95 % bootstrap interval.

    Args:
        right: Whether each sample was classified right by the one model, shape `(samples,)`.
        other: The same for the other model.
        seed: Draws the resamples.
        num_draws: How many.

    Returns:
        `difference`, `ci95_low` and `ci95_high`, as shares of the samples. The interval speaks of these test samples
        and this one training; it leaves out what another seed would change.
    """
    gains = right.astype(np.float64) - other
    rng = np.random.default_rng(seed)
    means = [float(rng.choice(gains, len(gains)).mean()) for _ in range(num_draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"difference": float(gains.mean()), "ci95_low": float(low), "ci95_high": float(high)}
