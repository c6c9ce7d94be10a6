"""Energy of an inference, and how long a battery lasts: computed from the time and a board's power while it works.

The interval of the energy runs from the least time at the least power to the longest time at the most: it holds the
energy wherever the interval of the time holds the time, and that of the power the power.
"""

import math
import re
from dataclasses import dataclass, replace

from kd_edge.cost.budget import parse_ms
from kd_edge.cost.devices import DeviceProfile, Power
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.errors import ConfigError
from tflite_bench.provenance import Computed, Given

_BATTERY = re.compile(r"(\d+(?:\.\d+)?)\s*mAh\s*@\s*(\d+(?:\.\d+)?)\s*V", re.ASCII)
_MS_PER_S = 1e3
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery and how often it pays for an inference.

    Attributes:
        capacity_mah: Its charge.
        voltage: Its voltage.
        every_s: Seconds from one inference to the next.
    """

    capacity_mah: Given[float]
    voltage: Given[float]
    every_s: Given[float]

    @property
    def energy_mj(self) -> float:
        """What it holds: 1 mAh are 3.6 C."""
        return self.capacity_mah * 3.6 * self.voltage * 1e3


@dataclass(frozen=True, slots=True)
class Energy:
    """What inferences take from a battery.

    Attributes:
        energy_mj: Energy of one inference: its time multiplied by the power of the board at work.
        energy_low_mj: Lower end of its interval: the least time at the least power.
        energy_high_mj: Upper end: the longest time at the most power.
        active_mw: Power of the board while it works.
        idle_mw: Power between inferences; 0 where the profile does not know it.
        source: Where these powers come from.
        battery: The battery, where one was asked about.
        battery_days: How long it lasts, without its self-discharge.
        battery_low_days: Lower end of its interval.
        battery_high_days: Upper end.
    """

    energy_mj: Computed[float]
    energy_low_mj: Computed[float]
    energy_high_mj: Computed[float]
    active_mw: Given[float]
    idle_mw: Given[float]
    source: str
    battery: Given[Battery | None] = None
    battery_days: Computed[float | None] = None
    battery_low_days: Computed[float | None] = None
    battery_high_days: Computed[float | None] = None


def battery_of(text: str | None, every: str | None) -> Battery | None:
    """Return the battery of two options, such as `220mAh@3V` and `1s`; `None` where neither is given.

    Raises:
        ConfigError: One of them is missing, or written otherwise.
    """
    if text is None and every is None:
        return None
    if text is None or every is None:
        raise ConfigError("bad --battery: expected it together with --every, such as --every 1s --battery 220mAh@3V")
    return parse_battery(text, parse_ms(every) / _MS_PER_S)


def parse_battery(text: str, every_s: float) -> Battery:
    """Return a battery such as `220mAh@3V`.

    Raises:
        ConfigError: It is written otherwise, or holds nothing.
    """
    match = _BATTERY.fullmatch(text.strip())
    battery = Battery(float(match[1]), float(match[2]), every_s) if match else None
    if battery is None or not 0 < battery.energy_mj < math.inf:
        raise ConfigError(f"bad battery: expected one such as 220mAh@3V, received {text!r}")
    return battery


def energy_of(cost: Cost | UntimedCost, device: DeviceProfile, *, battery: Battery | None = None) -> Energy | None:
    """Return the energy of one inference; `None` where the power of the board or the time is not known.

    Args:
        cost: What the network costs on the device.
        device: The board.
        battery: A battery that pays for it.

    Raises:
        ConfigError: The battery pays for an inference more often than one can end.
    """
    if device.power is None or not isinstance(cost, Cost):
        if battery is not None:
            raise ConfigError(no_power(device) if device.power is None else f"no time is known on {device.name}")
        return None
    power, times_ms = device.power, (cost.latency_ms, cost.latency_low_ms, cost.latency_high_ms)
    energy = Energy(*interval_mj(power, times_ms), power.active_mw, power.idle_mw, power.source, battery)
    if battery is None:
        return energy
    if cost.latency_ms > battery.every_s * _MS_PER_S:
        raise ConfigError(
            f"bad --every: an inference takes {cost.latency_ms:.4g} ms, received {battery.every_s:g} s "
            "from one to the next"
        )
    powers_mw = (power.active_mw, *power.interval_mw)
    days, longest, shortest = (
        _days(battery, power.idle_mw, active_mw, time_ms)
        for active_mw, time_ms in zip(powers_mw, times_ms, strict=True)
    )
    return replace(energy, battery_days=days, battery_low_days=shortest, battery_high_days=longest)


def interval_mj(power: Power, times_ms: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the energy of a time, its least and its most.

    Args:
        power: What the board takes.
        times_ms: The time, its least and its most.
    """
    middle_ms, low_ms, high_ms = times_ms
    low_mw, high_mw = power.interval_mw
    return power.active_mw * middle_ms / _MS_PER_S, low_mw * low_ms / _MS_PER_S, high_mw * high_ms / _MS_PER_S


def no_power(device: DeviceProfile) -> str:
    """Return why an energy is not known, and the way out."""
    return (
        f"the power of {device.name} is not known: expected a table [power] with active_mw and source in a profile of "
        "your own; tflite-bench energy reads a measured series"
    )


def _days(battery: Battery, idle_mw: float, active_mw: float, time_ms: float) -> float:
    busy_s = min(time_ms / _MS_PER_S, battery.every_s)
    mean_mw = (active_mw * busy_s + idle_mw * (battery.every_s - busy_s)) / battery.every_s
    return battery.energy_mj / mean_mw / _DAY_S
