"""One check of a figure against its limit, and what it says: it holds, it is broken, or neither is proven."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tflite_bench.provenance import Given

HOLDS, BROKEN, NOT_PROVEN = "holds", "broken", "not_proven"
VERDICTS = (HOLDS, BROKEN, NOT_PROVEN)
# With so many more than usual a float has told all of its digits.
_MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Gate:
    """One check.

    Attributes:
        passed: Whether it holds; `None` where that is not proven, or where there is no limit.
        measured: The figure, in the unit of the check's name; `None` where it could not be had.
        limit: What it is held against; `None` where nobody asked.
        verdict: One of `VERDICTS`, `None` without a limit.
        low: Lower end of the figure's interval where it has one.
        high: Upper end of that interval.
        reason: Of a check that is not proven: why, and the way out.
    """

    passed: bool | None
    measured: float | None
    limit: Given[float | None]
    verdict: str | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def at_most(
    measured: float | None,
    limit: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    reason: str = "",
) -> Gate:
    """Return the check that a figure does not exceed a limit.

    It holds where the upper end of the figure's interval keeps the limit, and is broken where the lower end exceeds it.

    Args:
        measured: The figure; `None` where it could not be had.
        limit: The limit; `None` where nobody asked.
        low: Lower end of the figure's interval. Defaults to the figure.
        high: Upper end.
        reason: What to say where it is not proven.
    """
    return _judged(measured, limit, low, high, reason, sign=1)


def at_least(
    measured: float | None,
    limit: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    reason: str = "",
) -> Gate:
    """Return the check that a figure is not below a limit; the arguments are those of `at_most`."""
    return _judged(measured, limit, low, high, reason, sign=-1)


def verdict_of(gates: Iterable[Gate]) -> str:
    """Return what checks say together: broken where one is, else not proven where one is, else holds.

    Checks without a limit say nothing.
    """
    found = {gate.verdict for gate in gates}
    return BROKEN if BROKEN in found else NOT_PROVEN if NOT_PROVEN in found else HOLDS


def digits_apart(value: float, limit: float, write: Callable[[float, int], str]) -> int:
    """Return how many more digits than usual it takes until a figure does not look like the limit that it misses.

    Args:
        value: The figure.
        limit: What it is held against; where both are the same, no digits help.
        write: Returns a figure with so many more digits.
    """
    return next((more for more in range(_MOST_DIGITS) if write(value, more) != write(limit, more)), 0)


def _judged(
    measured: float | None, limit: float | None, low: float | None, high: float | None, reason: str, *, sign: int
) -> Gate:
    """Judge a figure that may not exceed its limit; with `sign` -1, one that may not fall below it."""
    if limit is None:
        return Gate(None, measured, None, None, low, high)
    best, worst = [measured if end is None else end for end in (low, high)][::sign]
    if best is not None and sign * best > sign * limit:
        return Gate(False, measured, limit, BROKEN, low, high)
    if worst is not None and sign * worst <= sign * limit:
        return Gate(True, measured, limit, HOLDS, low, high)
    return Gate(None, measured, limit, NOT_PROVEN, low, high, reason)
