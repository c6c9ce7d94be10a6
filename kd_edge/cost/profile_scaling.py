"""Profiles of boards that the package has never seen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import date
from pathlib import Path

from kd_edge.cost.devices import (
    DeviceProfile,
    KernelCost,
    KernelCosts,
    devices_folder,
    is_device,
    list_devices,
    load_all,
    load_device,
    named_costs,
    own_devices,
    to_toml,
)
from kd_edge.cost.devices.spelling import core_name
from kd_edge.cost.latency import latency_ms
from kd_edge.errors import ConfigError, nearest
from kd_edge.files import write_bytes
from kd_edge.ir.graph import Graph

# The interval of a profile that was scaled to one network.
SCALED_ERROR_PERCENT = 35.0
_MACS_ERROR_PERCENT = 200.0


def add_device(
    name: str,
    *,
    flash_bytes: int,
    ram_bytes: int,
    clock_mhz: float,
    speed: float | Sequence[tuple[Graph, float]],
    like: str = "cortex-m4",
    memory_source: str = "given by the user",
) -> DeviceProfile:
    """Make a profile of a board, and save it where `load_device` finds it by name.

    The relative costs of the ops come from a known device; see `scaled` for how `speed` sets their level. Nothing is
    taken off flash and RAM for the application: give what a model may use. What the known device takes from its supply
    is not handed on: the new board's power is unknown until its profile has a table `[power]`.

    Args:
        name: Small letters, digits and `._-`. A built-in profile of that name is hidden by the new one.
        flash_bytes: Flash that a model may use, in bytes.
        ram_bytes: RAM that a tensor arena may use, in bytes.
        clock_mhz: Clock of the core, in MHz.
        speed: Networks with their measured latencies in milliseconds, or the MACs per second that convolutions reach.
        like: A known device, the path of a profile, or a core such as `"cortex-m7"`: the first known device with it,
            one of the package, a measured one and one with TFLM first. Take one with the same core and the same kind of
            kernels.
        memory_source: Where flash, RAM and clock come from.

    Returns:
        The profile, as saved to `devices_folder()`.

    Raises:
        ConfigError: A value is not positive, the name is malformed, `like` is unknown, or the file cannot be written.
    """
    relative = _relative(like)
    profile = replace(
        relative,
        name=name,
        board=name,
        title=f"{name} (added by the user)",
        memory_source=memory_source,
        clock_mhz=float(clock_mhz),
        flash_bytes=flash_bytes,
        ram_bytes=ram_bytes,
        reserved_flash_bytes=0,
        reserved_ram_bytes=0,
        date=date.today().isoformat(),
        power=None,
        path="",
    )
    profile = scaled(profile, speed)
    write_bytes(profile_path(name), to_toml(profile).encode(), instead="name another folder in $KD_EDGE_DEVICES")
    return profile


def profile_path(name: str) -> Path:
    """Return the file of a device that the user adds."""
    return devices_folder() / f"{name}.toml"


def scaled(device: DeviceProfile, speed: float | Sequence[tuple[Graph, float]]) -> DeviceProfile:
    """Return a profile with all costs multiplied by one factor, so that it meets what was measured.

    With measured latencies the factor is the geometric mean of measured over estimated times. The interval is then as
    wide as the widest miss among them, and at least 35 %, or what a measured profile has where that is less: profiles
    of boards that nothing was known of, scaled to one network, left nine of ten other MLPerf Tiny rows within a factor
    of 1.34 (`one_network` in docs/results/calibration.json). With MACs per second the factor makes `conv` reach them,
    and the interval is 200 %.

    Args:
        device: The costs to scale, at the clock of the new board.
        speed: Networks with their measured latencies in milliseconds, or MACs per second.

    Raises:
        ConfigError: `speed` is empty or not positive, or it is MACs per second and the convolutions cost none.
    """
    if isinstance(speed, int | float):
        _check_speed("MACs per second", speed)
        if not device.int8.conv.cycles_per_mac:
            raise ConfigError(
                "bad speed: expected a device like it whose conv has cycles_per_mac to scale to MACs per second, "
                "received one without; give a measured latency (--measured MODEL=TIME)"
            )
        factor = device.clock_mhz * 1e6 / speed / device.int8.conv.cycles_per_mac
        how = f"costs of {device.source}; scaled by {factor:.3g} to {speed:g} MACs per second"
        return _times(device, factor, how, quality="datasheet", error_percent=_MACS_ERROR_PERCENT)
    if not speed:
        raise ConfigError("bad speed: expected one measured latency or more, or MACs per second, received none")
    for graph, measured_ms in speed:
        _check_speed("a latency in milliseconds", measured_ms)
        if not graph.ops:
            raise ConfigError("bad speed: expected networks with at least one op, received one without")
    misses = [math.log(measured_ms / latency_ms(graph, device).ms) for graph, measured_ms in speed]
    level = sum(misses) / len(misses)
    widest = 100 * math.expm1(max(abs(miss - level) for miss in misses))
    how = f"costs of {device.source}; scaled by {math.exp(level):.3g} to {len(speed)} measured latencies"
    own = device.error_percent if device.measured else SCALED_ERROR_PERCENT
    error_percent = max(min(own, SCALED_ERROR_PERCENT), round(widest, 1))
    return _times(device, math.exp(level), how, quality="calibrated", error_percent=error_percent)


def _check_speed(expected: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ConfigError(f"bad speed: expected {expected} > 0, received {value!r}")


def _times(device: DeviceProfile, factor: float, source: str, *, quality: str, error_percent: float) -> DeviceProfile:
    return replace(
        device,
        int8=_times_costs(device.int8, factor),
        int16=device.int16 and _times_costs(device.int16, factor),
        float32=device.float32 and _times_costs(device.float32, factor),
        int8_inference_cycles=_rounded(device.int8_inference_cycles * factor),
        float32_inference_cycles=_rounded(device.float32_inference_cycles * factor),
        int8_ops=_times_each(device.int8_ops, factor),
        float32_ops=_times_each(device.float32_ops, factor),
        source=source,
        quality=quality,
        error_percent=error_percent,
    )


def _times_costs(costs: KernelCosts, factor: float) -> KernelCosts:
    return KernelCosts(**_times_each(named_costs(costs), factor))


def _times_each(costs: Mapping[str, KernelCost], factor: float) -> dict[str, KernelCost]:
    return {name: KernelCost(*(_rounded(value * factor) for value in astuple(cost))) for name, cost in costs.items()}


def _rounded(cycles: float) -> float:
    return float(f"{cycles:.4g}")


def _relative(like: str) -> DeviceProfile:
    if is_device(like):
        return load_device(like)
    profiles = load_all()
    same = [profile for profile in profiles if profile.core == core_name(like)]
    if same:
        own = own_devices()
        return min(same, key=lambda profile: (profile.name in own, not profile.measured, not profile.runs_tflm))
    known = {*list_devices(), *(profile.core for profile in profiles)}
    raise ConfigError(f"unknown device or core {like!r}: {nearest(like, known, listed='`kd-edge devices` lists both')}")
