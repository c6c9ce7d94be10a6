"""Figures as people read them: one that is rounded to 0 has no minus (the `z` of a format)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

# With so many a float has told all.
_MOST_DIGITS = 17


def figure(value: float, more: int = 0) -> str:
    """Return a figure of a check: whole numbers and large ones without decimals, others with four digits.

    Args:
        value: The figure.
        more: So many digits more, where it is no whole number; see `digits_apart`.
    """
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:,.{4 + more}g}"
    if value == int(value):
        return f"{value:z,.0f}"
    return f"{value:,.{more}f}" if abs(value) >= 1000 else f"{value:,.{4 + more}g}"


def decimal_text(value: float) -> str:
    """Return a number so that it reads back exactly, without a power of ten: 15.0 is 15, 1e-05 is 0.00001."""
    return np.format_float_positional(value, trim="-")


def significant(value: float, digits: int = 2) -> str:
    """Return a figure with so many significant digits and no power of ten: 148 with two is 150."""
    if value == 0 or not math.isfinite(value):
        return f"{value:zg}"
    rounded = _rounded(value, digits)
    # 9.96 with two digits is 10, and no 10.0.
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(places, 0)}f}"


def interval_text(value: float, low: float, high: float, *, unit: str = "", limit: float | None = None) -> str:
    """Return an estimate with its interval, each with the digits that the interval supports.

    Two significant digits where the ends are more than a fifth apart, else three: 148 from 87 to 252 is
    `150 (87 to 250)`. More where it takes them to see which figures keep a limit.

    Args:
        value: The estimate.
        low: Lower end of its interval.
        high: Upper end.
        unit: Goes behind the estimate, and behind the upper end too where it begins with a space.
        limit: What the figures are held against.
    """
    digits = max(_digits(figure, 2 if high > 1.2 * low else 3, limit) for figure in (value, low, high))
    figures = [significant(figure, digits) for figure in (value, low, high)]
    return f"{figures[0]}{unit and f' {unit.strip()}'} ({figures[1]} to {figures[2]}{unit if unit[:1] == ' ' else ''})"


def _digits(value: float, digits: int, limit: float | None) -> int:
    """Return with how many significant digits, as many or more, a figure is on the side of a limit that it is on."""
    if limit is None or value == 0 or not math.isfinite(value):
        return digits
    return next((d for d in range(digits, _MOST_DIGITS) if (_rounded(value, d) <= limit) == (value <= limit)), digits)


def _rounded(value: float, digits: int) -> float:
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def latency_text(cost: Mapping[str, Any], *, unit: str = "", limit: float | None = None) -> str:
    """Return the latency of a cost with its interval, and the unit behind that too if given; see `interval_text`."""
    if cost["latency_ms"] is None:
        return "unknown"
    ends = (cost[f"latency{end}_ms"] for end in ("", "_low", "_high"))
    return interval_text(*ends, unit=unit or "ms", limit=limit)


def short_size(size: int, *, limit: float | None = None) -> str:
    """Return a size in KiB or MiB, in bytes below 1 KiB, with a sign where it is negative: 1,536 B is 1.5k.

    Args:
        size: In bytes.
        limit: What it is held against, in bytes: it takes as many digits as show whether the size keeps it.
    """
    if abs(size) < 1024:
        return f"{size:,} B"
    whole, letter = (1024, "k") if abs(size) < 1024**2 else (1024**2, "M")
    digits = _digits(size / whole, 2, None if limit is None else limit / whole)
    return f"{significant(size / whole, digits)}{letter}"


def measured_bytes(size: int | None) -> str:
    """Return a number of bytes."""
    return "not measured" if size is None else f"{size:,} B"


def counted(number: float, one: str, many: str) -> str:
    """Return a number with its noun in the right form; whole ones to the last digit, others with three."""
    whole = number == int(number) or abs(number) >= 100
    return f"{f'{number:,.0f}' if whole else f'{number:.3g}'} {one if number == 1 else many}"
