"""Sentences about the energy of an inference and the life of a battery."""

from collections.abc import Iterator, Mapping
from typing import Any


def energy_lines(energy: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what an inference takes, and how long a battery lasts; nothing where neither is known."""
    if energy is None:
        return
    yield (
        f"energy per inference: {energy['energy_mj']:.4g} mJ, {energy['energy_low_mj']:.4g} to "
        f"{energy['energy_high_mj']:.4g} (computed), at {energy['active_mw']:g} mW: {energy['source']}"
    )
    if (battery := energy["battery"]) is not None:
        idle = f"{energy['idle_mw']:g} mW between them" if energy["idle_mw"] else "and nothing between them"
        yield (
            f"{battery['capacity_mah']:g} mAh at {battery['voltage']:g} V last {energy['battery_days']:.4g} days, "
            f"{energy['battery_low_days']:.4g} to {energy['battery_high_days']:.4g} (computed), with an inference "
            f"every {battery['every_s']:g} s, {idle}"
        )
