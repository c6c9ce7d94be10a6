"""Numbers that are given as arguments: checked once, so that none of the wrong kind or range is computed with."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from kd_edge.errors import ConfigError


def as_number(
    name: str, value: Any, expected: str = "a finite number", fits: Callable[[Any], bool] = lambda value: True
) -> float:
    """Return a finite number, NumPy's too, as one of Python.

    Args:
        name: Of the argument.
        value: What was given.
        expected: What it should be.
        fits: Whether a finite number is in the range.

    Raises:
        ConfigError: It is no such number.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not -math.inf < value < math.inf or not fits(value):
        raise ConfigError(f"bad {name}: expected {expected}, received {value!r}")
    return int(value) if isinstance(value, Integral) else float(value)


def as_weight(name: str, value: Any) -> float:
    """Return the weight of a part of a loss; the arguments are those of `as_number`."""
    return as_number(name, value, "a finite number of 0 or more", lambda weight: weight >= 0)


def as_temperature(value: Any) -> float:
    """Return what logits are divided by."""
    return as_number("temperature", value, "more than 0", lambda temperature: temperature > 0)


def as_count(name: str, value: Any, expected: str, *, least: int = 1) -> int:
    """Return a whole number.

    Args:
        name: Of the argument.
        value: What was given.
        expected: What it should be.
        least: The smallest that fits.

    Raises:
        ConfigError: It is none, or less.
    """
    return int(as_number(name, value, expected, lambda count: isinstance(count, Integral) and int(count) >= least))
