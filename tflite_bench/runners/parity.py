"""Outputs beside those of LiteRT's reference kernels: are they the same bits, and if not, how far apart?"""

from collections.abc import Iterable
from typing import NamedTuple

from tflite_bench.processes.isolation import Array

NO_STEPS = "the model has outputs of floats, which have no steps to count"


class Parity(NamedTuple):
    """How outputs compare with those that were expected.

    Attributes:
        matches: True if all are the same bits, and none is nan.
        largest_difference: Between any two integers; None where an output is of floats.
    """

    matches: bool
    largest_difference: int | None


def compare_outputs(pairs: Iterable[tuple[Array, Array]]) -> Parity:
    """Return how outputs compare with those that were expected.

    Args:
        pairs: Each output and the expected one, of the same type and number of elements.
    """
    matches, largest = True, 0
    floats = False
    for values, expected in pairs:
        matches &= values.tobytes() == expected.tobytes() and not (values != values).any()
        if values.dtype.kind in "biu":
            steps = zip(values.reshape(-1).tolist(), expected.reshape(-1).tolist(), strict=True)
            largest = max(largest, *(abs(one - two) for one, two in steps), 0)
        else:
            floats = True
    return Parity(bool(matches), None if floats else largest)
