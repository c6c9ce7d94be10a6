"""The energy that a measured series of time and current holds."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.numbers import finite_number, whole_number
from tflite_bench.measurement.series_file import Series, Values, read_series
from tflite_bench.provenance import Computed, Given, Measured


@dataclass(frozen=True)
class Energy:
    """What a series of time and current says.

    Attributes:
        num_samples: Its samples.
        duration_s: From the first to the last, in seconds.
        voltage: The given voltage.
        mean_ma: Mean current.
        max_ma: Largest current.
        charge_mc: Charge, in millicoulombs: the integral of the current (trapezoids).
        energy_mj: Energy: that of current times voltage.
        mean_mw: Mean power.
        num_inferences: Inferences in it, as given.
        idle_mw: Power between them that is not theirs, as given.
        energy_per_inference_mj: Energy beyond the idle power per inference; None without their number.
        unavailable_reason: Why a figure is None.
    """

    num_samples: Measured[int]
    duration_s: Measured[float]
    voltage: Given[float]
    mean_ma: Computed[float]
    max_ma: Measured[float]
    charge_mc: Computed[float]
    energy_mj: Computed[float]
    mean_mw: Computed[float]
    num_inferences: Given[int | None]
    idle_mw: Given[float]
    energy_per_inference_mj: Computed[float | None]
    unavailable_reason: dict[str, str]


@dataclass(frozen=True)
class PowerEnergy(Energy):
    """What a series says that has the voltage, too.

    Attributes:
        voltage: Mean of the measured voltage.
    """

    voltage: Measured[float]


def read_energy(
    path: str | Path,
    *,
    voltage: float | None = None,
    num_inferences: int | None = None,
    idle_mw: float = 0.0,
) -> Energy:
    """Return the energy of a series in a CSV file.

    Its first line names the columns with their units, such as `Timestamp(ms),Current(uA)`; a column of the voltage is
    used where there is one. Samples may be up to five times as far apart as usual: the current between them counts as
    a straight line. Larger gaps are refused.

    Args:
        path: The file.
        voltage: Voltage in V, for a series without.
        num_inferences: How many inferences it holds.
        idle_mw: Power that the board takes without them.

    Raises:
        ConfigError: An argument is out of its range, the file is no such series, has gaps, or no voltage is known.
    """
    path = Path(path)
    if voltage is not None:
        voltage = _positive("--voltage", voltage)
    idle_mw = _positive("--idle", idle_mw, zero=True)
    if num_inferences is not None:
        received, num_inferences = num_inferences, whole_number(num_inferences)
        if num_inferences is None or num_inferences < 1 or finite_number(num_inferences) is None:
            raise ConfigError(f"bad --inferences: expected a whole number of 1 or more, received {received!r}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large for a number is refused below
        series = read_series(path)
        energy = _energy(path, series, voltage, num_inferences, idle_mw)
    _check(path, energy)
    return energy


def _energy(path: Path, series: Series, voltage: float | None, num_inferences: int | None, idle_mw: float) -> Energy:
    time_s, current_ma, volts = series
    if volts is None and voltage is None:
        raise ConfigError(f"{path} has no column of the voltage: expected --voltage, e.g. --voltage 3.0")
    if volts is not None and voltage is not None:
        raise ConfigError(f"{path} has a column of the voltage: expected no --voltage, received {voltage:g} V")
    if volts is not None and (volts < 0).any():
        sample = int(np.argmax(volts < 0))
        raise ConfigError(
            f"{path}, sample {sample + 1}: expected a voltage of 0 or more, received {volts[sample]:g} V; is the probe "
            "the wrong way round?"
        )
    duration_s = float(time_s[-1] - time_s[0])
    charge_mc = _area(current_ma, time_s)
    mean_volts = float(voltage or 0) if volts is None else float(np.mean(volts))
    energy_mj = _area(current_ma * (mean_volts if volts is None else volts), time_s)
    left_mj = energy_mj - idle_mw * duration_s
    return (Energy if volts is None else PowerEnergy)(
        num_samples=len(time_s),
        duration_s=duration_s,
        voltage=mean_volts,
        mean_ma=charge_mc / duration_s,
        max_ma=float(current_ma.max()),
        charge_mc=charge_mc,
        energy_mj=energy_mj,
        mean_mw=energy_mj / duration_s,
        num_inferences=num_inferences,
        idle_mw=idle_mw,
        energy_per_inference_mj=left_mj / num_inferences if num_inferences else None,
        unavailable_reason={} if num_inferences else {"energy_per_inference_mj": "their number is not known"},
    )


def _check(path: Path, energy: Energy) -> None:
    """Refuse what no board takes."""
    for part in fields(energy):
        value = getattr(energy, part.name)
        if isinstance(value, float) and finite_number(value) is None:
            raise ConfigError(
                f"{path} is no series: its {part.name} is too large for a number; are the units in its line of names "
                "those of the numbers?"
            )
    if energy.energy_mj <= 0:
        raise ConfigError(
            f"{path} holds {energy.energy_mj:.4g} mJ: expected more than 0; is the current probe the wrong way round?"
        )
    if energy.energy_mj < energy.idle_mw * energy.duration_s:
        raise ConfigError(
            f"bad --idle: {energy.idle_mw:g} mW over {energy.duration_s:g} s are more than the "
            f"{energy.energy_mj:.4g} mJ of the series"
        )


def _positive(option: str, value: float, *, zero: bool = False) -> float:
    number = finite_number(value)
    if number is None:
        raise ConfigError(f"bad {option}: expected a number, received {value!r}")
    if number < 0 or (number == 0 and not zero):
        raise ConfigError(f"bad {option}: expected {'0 or more' if zero else 'more than 0'}, received {number:g}")
    return number


def _area(values: Values, time_s: Values) -> float:
    """Return the integral over time, by trapezoids."""
    return float(((values[1:] + values[:-1]) / 2 * np.diff(time_s)).sum())
