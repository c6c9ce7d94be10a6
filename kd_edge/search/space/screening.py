"""What costing many networks of a space said, and which of them are the largest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.search.space.families import Values
from tflite_bench.provenance import Computed


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is.

    Many multiply-accumulates alone can be few channels on a large image, many weights alone many channels on hardly
    any: networks that have both are the better ones more reliably than those that have one
    (`tools/benchmarks/design/run.py size`). Both counts are among the predictors of accuracy that arXiv 2210.03230
    compares.

    Attributes:
        macs: Multiply-accumulates.
        params: Weights and biases.
    """

    macs: Computed[int]
    params: Computed[int]

    @classmethod
    def of(cls, cost: Cost | UntimedCost) -> "Size":
        """Return the size of a network that costs this."""
        return cls(cost.known_macs, cost.params)

    def reaches(self, least: "Size") -> bool:
        """Return whether neither figure is below that of another size."""
        return self.macs >= least.macs and self.params >= least.params


def by_size(sizes: Iterable[Size]) -> list[int]:
    """Return the places of sizes in ascending order: that of a network among all is the lower one of its two places.

    Args:
        sizes: Of the networks.
    """
    figures = np.array([(size.macs, size.params) for size in sizes])
    ranks = [np.unique(column, return_inverse=True)[1].ravel() for column in figures.T]
    lower = np.minimum(*ranks)
    return [int(place) for place in np.lexsort((figures[:, 1], figures[:, 0], lower))]


@dataclass(frozen=True, slots=True)
class Screening:
    """What costing many networks of a space said.

    Attributes:
        num_costed: Different networks costed.
        num_feasible: Those that fit the budget.
        feasible_sizes: Their sizes, in ascending order.
        feasible_values: Their hyperparameters, in the same order.
        num_over: How many exceed each limit, by its name in `Budget`, and `teacher_ratio` for the most MACs.
    """

    num_costed: Computed[int]
    num_feasible: Computed[int]
    feasible_sizes: tuple[Size, ...]
    feasible_values: Computed[tuple[Values, ...]]
    num_over: Computed[Mapping[str, int]]

    def least_size(self, num_largest: int) -> Size:
        """Return which size each of the largest networks reaches; so may some of the others.

        Args:
            num_largest: How many they are; all where there are fewer.
        """
        largest = self.feasible_sizes[-max(1, num_largest) :]
        return Size(min(size.macs for size in largest), min(size.params for size in largest))
