"""Sentences about the energy of an inference and the life of a battery."""

from collections.abc import Iterator, Mapping
from typing import Any

from kd_edge.reporting.sentences.formatting import interval_text


def energy_text(energy: Mapping[str, Any], *, unit: str = "mJ", limit: float | None = None) -> str:
    """Return the energy of an inference with its interval; see `interval_text`."""
    ends = (energy[f"energy{end}_mj"] for end in ("", "_low", "_high"))
    return interval_text(*ends, unit=unit, limit=limit)


def energy_lines(energy: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what an inference takes, and how long a battery lasts; nothing where neither is known."""
    if energy is None:
        return
    yield (
        f"energy per inference: {energy_text(energy)}, computed with {energy['active_mw']:g} mW ({energy['source']})"
    )
    if (battery := energy["battery"]) is not None:
        ends = (energy[f"battery{end}_days"] for end in ("", "_low", "_high"))
        days = interval_text(*ends, unit="days")
        idle = f"{energy['idle_mw']:g} mW between them" if energy["idle_mw"] else "and nothing between them"
        yield (
            f"{battery['capacity_mah']:g} mAh at {battery['voltage']:g} V last {days}, computed with an inference "
            f"every {battery['every_s']:g} s, {idle}"
        )
