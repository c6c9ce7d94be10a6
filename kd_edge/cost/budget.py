"""What the board allows a network: storage, memory and time."""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from kd_edge.cost.devices import DeviceProfile
from kd_edge.errors import ConfigError
from tflite_bench.provenance import Computed, Given

LATENCY_AT = ("upper", "expected")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?[bB])?", re.ASCII)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|s)", re.ASCII)
_ENERGY = re.compile(r"(\d+(?:\.\d+)?)\s*(uJ|mJ|J)", re.ASCII)
_ENERGY_UNITS = {"uJ": 1e-3, "mJ": 1.0, "J": 1e3}
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2}
_TIME_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_bytes(text: str | int) -> int:
    """Return a size in bytes.

    As in linker scripts, `k` is 1024 bytes and `M` is 1024 k, whether or not `B` or `iB` follows. Of these a part of a
    byte is left out; a size in bytes has none.

    Args:
        text: For example `65536`, `"65536"`, `"64k"`, `"64 kB"` or `"1.5MiB"`.

    Raises:
        ConfigError: The text is no positive size.

    >>> parse_bytes("64k"), parse_bytes("1.5 MiB"), parse_bytes(100)
    (65536, 1572864, 100)
    """
    match = _SIZE.fullmatch(str(text).strip())
    amount = float(match[1]) * _SIZE_UNITS[match[2].lower()] if match else 0.0
    in_parts = match is not None and not match[2] and not amount.is_integer()
    if in_parts or not 1 <= amount < math.inf:
        raise ConfigError(f"bad size: expected bytes such as 65536, '64k' or '1.5M', received {text!r}")
    return int(amount)


def parse_ms(text: str | float) -> float:
    """Return a duration in milliseconds.

    Args:
        text: A number of milliseconds, or a text with a unit such as `"15ms"`, `"800us"` or `"0.5s"`.

    Raises:
        ConfigError: The text is no positive duration, or has no unit.

    >>> parse_ms("15ms"), parse_ms("0.5s"), parse_ms(2)
    (15.0, 500.0, 2.0)
    """
    duration = _amount(text, _TIME, _TIME_UNITS)
    if not 0 < duration < math.inf:
        raise ConfigError(f"bad duration: expected a time such as '15ms', '800us' or '0.5s', received {text!r}")
    return duration


def parse_mj(text: str | float) -> float:
    """Return an energy in millijoules.

    Args:
        text: A number of millijoules, or a text with a unit such as `"2mJ"`, `"800uJ"` or `"0.5J"`.

    Raises:
        ConfigError: The text is no positive energy, or has no unit.

    >>> parse_mj("2mJ"), parse_mj("800uJ")
    (2.0, 0.8)
    """
    energy = _amount(text, _ENERGY, _ENERGY_UNITS)
    if not 0 < energy < math.inf:
        raise ConfigError(f"bad energy: expected one such as '2mJ', '800uJ' or '0.5J', received {text!r}")
    return energy


def _amount(text: str | float, form: re.Pattern[str], units: Mapping[str, float]) -> float:
    """Return a number as it is, of a text the number times its unit; 0 where the text has another form."""
    if isinstance(text, (int, float)):
        return float(text) if abs(text) < sys.float_info.max else math.inf
    match = form.fullmatch(text.strip())
    return float(match[1]) * units[match[2]] if match else 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that a student has to keep on its device.

    Attributes:
        flash_bytes: Largest size of the `.tflite` file, in bytes.
        ram_bytes: Largest tensor arena, in bytes.
        latency_ms: Longest time of one inference, in milliseconds; `None` for no limit.
        latency_at: What a search holds against that limit: the `"upper"` end of the estimate's interval, so that the
            limit is proven to be kept, or the `"expected"` time.
        energy_mj: Largest energy of one inference, in millijoules.
        energy_time_ms: Longest time in which the board surely takes no more, or is expected to (`latency_at`), in
            milliseconds: a search holds it against the same figure as the limit of the latency.

    Raises:
        ConfigError: A limit is not above 0 and finite, or `latency_at` is neither.
    """

    flash_bytes: Given[int]
    ram_bytes: Given[int]
    latency_ms: Given[float] | None = None
    latency_at: str = "upper"
    energy_mj: Given[float] | None = None
    energy_time_ms: Computed[float] | None = None

    def __post_init__(self) -> None:
        for name in ("flash_bytes", "ram_bytes", "latency_ms", "energy_mj", "energy_time_ms"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"bad budget: expected {name} > 0, received {value!r}")
        if self.latency_at not in LATENCY_AT:
            expected = " or ".join(map(repr, LATENCY_AT))
            raise ConfigError(f"bad budget: expected latency_at {expected}, received {self.latency_at!r}")

    @property
    def latency_figure(self) -> str:
        """The field of a `Cost` that a search holds against the limit of the latency."""
        return "latency_high_ms" if self.latency_at == "upper" else "latency_ms"

    @property
    def times_ms(self) -> dict[str, float]:
        """The limits that a search holds against `latency_figure`, by their names."""
        limits = {"latency_ms": self.latency_ms, "energy_mj": self.energy_time_ms}
        return {name: limit for name, limit in limits.items() if limit is not None}

    @classmethod
    def of(
        cls,
        device: DeviceProfile,
        *,
        flash_bytes: int | None = None,
        ram_bytes: int | None = None,
        latency_ms: float | None = None,
        latency_at: str = "upper",
        energy_mj: float | None = None,
    ) -> "Budget":
        """Return the given limits, and what the device leaves a model where no limit is given.

        Args:
            device: The board. It leaves its flash and RAM less what runtime and application reserve.
            flash_bytes: Largest size of the `.tflite` file, in bytes.
            ram_bytes: Largest tensor arena, in bytes.
            latency_ms: Longest time of one inference, in milliseconds; no limit by default.
            latency_at: What a search holds against it, `"upper"` or `"expected"`.
            energy_mj: Largest energy of one inference, in millijoules; no limit by default.

        Raises:
            ConfigError: A limit is not positive, or larger than the device's whole flash or RAM; or an energy is
                limited, and nobody knows the power of the device.
        """
        free_flash = device.flash_bytes - device.reserved_flash_bytes
        free_ram = device.ram_bytes - device.reserved_ram_bytes
        for name, limit, whole in (("flash", flash_bytes, device.flash_bytes), ("ram", ram_bytes, device.ram_bytes)):
            if limit is not None and limit > whole:
                raise ConfigError(
                    f"bad budget: expected {name} within the {whole} B that {device.name} has, received {limit} B; "
                    "ask for less or choose another device"
                )
        flash_bytes = free_flash if flash_bytes is None else flash_bytes
        time_ms = None if energy_mj is None else _longest_ms(energy_mj, device, latency_at)
        ram_bytes = free_ram if ram_bytes is None else ram_bytes
        return cls(flash_bytes, ram_bytes, latency_ms, latency_at, energy_mj, time_ms)


def _longest_ms(energy_mj: float, device: DeviceProfile, latency_at: str) -> float:
    if device.power is None:
        raise ConfigError(
            f"cannot limit the energy: the power of {device.name} is not known, expected a table [power] with "
            "active_mw and source in a profile of your own"
        )
    _, most_mw = device.power.interval_mw
    return 1e3 * energy_mj / (most_mw if latency_at == "upper" else device.power.active_mw)
