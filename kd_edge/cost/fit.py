"""Whether a network fits a board: a verdict for each limit, and the way out where none is proven."""

import shlex
from collections.abc import Mapping
from dataclasses import replace

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.energy import energy_of, no_power
from kd_edge.cost.file_size import SIZE_ERROR
from kd_edge.cost.gate import HOLDS, NOT_PROVEN, Gate, at_most
from kd_edge.cost.kernels import why_between
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.cost.profile_scaling import SCALED_ERROR_PERCENT
from kd_edge.cost.refusals import refusal_gate


def cost_gates(
    cost: Cost | UntimedCost,
    budget: Budget,
    device: DeviceProfile,
    *,
    least_ram_bytes: int | None = None,
    flash_ends: tuple[int, int] | None = None,
    unbounded: str = "",
    unknown: Mapping[str, str] = {},
) -> dict[str, Gate]:
    """Return the checks of a network's cost by the limits' names in `Budget`.

    Args:
        cost: What it costs, its size that of the file where there is one.
        budget: The limits.
        device: The board.
        least_ram_bytes: The RAM with the release of the kernels that needs least. Defaults to the cost's.
        flash_ends: The least and the most that the file may have, where there is none yet.
        unbounded: Why the most that the kernels ask for is not known, where it is not; see `why_unbounded`.
        unknown: Why figures are `None`, by their names.
    """
    strange = device.unknown_runtime
    low, high = flash_ends or (None, None)
    unsure = f"{SIZE_ERROR}: convert it"
    return {
        "flash_bytes": at_most(cost.flash_bytes, budget.flash_bytes, low=low, high=high, reason=unsure),
        "ram_bytes": ram_gate(cost.ram_bytes, budget, device, least_ram_bytes=least_ram_bytes, unbounded=unbounded),
        "latency_ms": latency_gate(cost, budget, device, unknown=unknown.get("latency_ms", "")),
        "refusals": refusal_gate(cost.refusals or (None if strange else ()), reason=strange),
    } | energy_gates(cost, budget, device, unknown=unknown.get("latency_ms", ""))


def ram_gate(
    ram_bytes: int, budget: Budget, device: DeviceProfile, *, least_ram_bytes: int | None = None, unbounded: str = ""
) -> Gate:
    """Return the check of the RAM: it holds where the kernels that need most keep the limit.

    Args:
        ram_bytes: What the firmware reserves with them.
        budget: The limits.
        device: The board.
        least_ram_bytes: What it reserves with the kernels that need least: the check has an interval where that is
            less. Defaults to `ram_bytes`.
        unbounded: Why nobody knows the most, where that is so: the limit may be broken then, but does not hold.
    """
    low, high = (None, None) if least_ram_bytes in (None, ram_bytes) else (least_ram_bytes, ram_bytes)
    gate = at_most(ram_bytes, budget.ram_bytes, low=low, high=high, reason=why_between(device))
    if unbounded and gate.verdict == HOLDS:
        return replace(gate, passed=None, verdict=NOT_PROVEN, reason=unbounded)
    return gate


def latency_gate(cost: Cost | UntimedCost, budget: Budget, device: DeviceProfile, *, unknown: str = "") -> Gate:
    """Return the check of the time of one inference: it holds where the whole interval keeps the limit.

    Args:
        cost: What the network costs.
        budget: The limits.
        device: The board.
        unknown: Why the time is not known, where it is not.
    """
    return at_most(
        cost.latency_ms,
        budget.latency_ms,
        low=cost.latency_low_ms,
        high=cost.latency_high_ms,
        reason=unknown or narrower(device),
    )


def energy_gates(
    cost: Cost | UntimedCost, budget: Budget, device: DeviceProfile, *, unknown: str = ""
) -> dict[str, Gate]:
    """Return the check of the energy of one inference by its name, where it has a limit; see `latency_gate`."""
    if budget.energy_mj is None:
        return {}
    energy = energy_of(cost, device)
    if energy is None:
        return {"energy_mj": at_most(None, budget.energy_mj, reason=unknown or no_power(device))}
    ends = {"low": energy.energy_low_mj, "high": energy.energy_high_mj}
    return {"energy_mj": at_most(energy.energy_mj, budget.energy_mj, **ends, reason=narrower(device))}


def narrower(device: DeviceProfile) -> str:
    """Return what decides about a limit inside the interval of a board's latencies."""
    inside = f"the limit is inside the interval of {device.name} ({device.quality}, \u00b1{device.error_percent:g} %)"
    if device.error_percent <= SCALED_ERROR_PERCENT:
        how = " (tflite-bench run --on serial:PORT)" if device.runs_tflm else f" with {device.runtime}"
        return f"{inside}: only this model's own time on the board decides{how}"
    like = shlex.quote(device.path or device.name)
    return (
        f"{inside}; one measured model narrows it: kd-edge devices add my-{device.board} --like {like} --measured "
        "kws.tflite=31ms"
    )
