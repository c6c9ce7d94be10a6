"""Numbers and text as literals of C."""

import math
import reprlib

import numpy as np

from kd_edge.errors import ModelError

# Bytes of a string literal that every compiler of C99 takes.
_LONGEST = 4095


def c_float(value: float) -> str:
    """Return the nearest 32-bit number.

    Raises:
        ModelError: There is none: it is too large, infinite or NaN.
    """
    with np.errstate(over="ignore"):
        nearest = float(np.float32(value))
    return f"{_finite(nearest, value)!r}f"


def c_double(value: float) -> str:
    """Return a number as it is: one of 32 bits where that is the same.

    Raises:
        ModelError: It is infinite or NaN.
    """
    with np.errstate(over="ignore"):
        is_float = float(np.float32(value)) == value
    return c_float(value) if is_float else repr(_finite(float(value), value))


def c_string(text: str) -> str:
    """Return a string literal; octal escapes cannot run into the letters after them, and `?` starts no trigraph.

    Raises:
        ModelError: It is longer than each compiler takes, or would end before its end.
    """
    content = text.encode()
    if len(content) > _LONGEST or 0 in content:
        raise ModelError(
            f"cannot bundle: expected names and units of up to {_LONGEST:,} bytes without NUL, received "
            f"{reprlib.repr(text)} of {len(content):,} bytes; rename it and convert again"
        )
    letters = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in content)
    return '"' + "".join(letters) + '"'


def _finite(literal: float, value: float) -> float:
    if not math.isfinite(literal):
        raise ModelError(f"cannot bundle: expected finite numbers that C's types hold, received {value}")
    return literal
