"""A 95 % confidence interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tflite_bench.provenance import Computed, Measured

_ENDS = ("ci95_low", "ci95_high")


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval, of a share where nothing else is said.

    Attributes:
        ci95_low: Lower end; `-inf` where the samples set none, `None` in JSON.
        ci95_high: Upper end; `inf` where they set none.
        num_groups: How many groups of samples were drawn as a whole; `None` where samples were.
    """

    ci95_low: Computed[float]
    ci95_high: Computed[float]
    num_groups: Measured[int | None] = None

    def reaching(self, other: "Interval") -> "Interval":
        """Return this interval, as wide at each end as another one."""
        low, high = min(self.ci95_low, other.ci95_low), max(self.ci95_high, other.ci95_high)
        return Interval(low, high, self.num_groups)


def unbounded_ends(place: str, intervals: Mapping[str, Interval]) -> dict[str, str]:
    """Return why intervals have no end where they have none, by those ends, as `"PLACE.int8_litert.ci95_low"`."""
    reason = "samples that are all the same, or a single one, set no bound there; more test samples"
    ends = ((f"{place}.{name}.{end}", getattr(own, end)) for name, own in intervals.items() for end in _ENDS)
    return {end: reason for end, value in ends if math.isinf(value)}
