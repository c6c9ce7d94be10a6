"""Figures as people read them."""

from collections.abc import Mapping
from typing import Any


def figure(value: float) -> str:
    """Return a figure of a check: whole numbers and large ones without decimals, others with four digits."""
    whole = value == int(value) or abs(value) >= 1000
    return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"


def short_ms(latency_ms: float) -> str:
    """Return milliseconds; a phone's or a PC's are so few that decimals would say nothing."""
    return f"{latency_ms:.2f}" if latency_ms >= 1 else f"{latency_ms:.3g}"


def latency_text(cost: Mapping[str, Any], *, unit: str = "") -> str:
    """Return the latency of a cost with its interval, and the unit behind that too if given."""
    if cost["latency_ms"] is None:
        return "unknown"
    ms, low, high = (short_ms(cost[f"latency{end}_ms"]) for end in ("", "_low", "_high"))
    return f"{ms} ms ({low} to {high}{unit})"


def measured_bytes(size: int | None) -> str:
    """Return a number of bytes."""
    return "not measured" if size is None else f"{size:,} B"
