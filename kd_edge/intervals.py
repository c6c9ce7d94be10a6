"""How sure a share is that was counted on few samples."""

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval of a share, 0 to 1.

    Attributes:
        ci95_low: Lower end.
        ci95_high: Upper end.
    """

    ci95_low: float
    ci95_high: float


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
