"""Numbers that come from outside - arguments, files, other programs - as Python's own, or found to be none."""

import math
import numbers
import operator
from typing import Any


def whole_number(value: Any) -> int | None:
    """Return a whole number of any type, also numpy's; None for what is none, such as `True`, `2.0` or `"2"`."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def finite_number(value: Any) -> float | None:
    """Return a finite number of any type, also numpy's; None for what is none, such as `True`, `nan` or `"2"`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def read_number(text: str) -> float:
    """Return the finite number that a text is, such as `"-4.5e3"`.

    Raises:
        ValueError: It is none, or one that only Python writes, such as `"4_500"`.
    """
    number = float(text)
    if not math.isfinite(number) or "_" in text or not text.isascii() or text != text.strip():
        raise ValueError(f"expected a number, received {text!r}")
    return number
