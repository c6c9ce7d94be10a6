"""A measured series of time and current, as power profilers export it, and the energy that it holds."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.provenance import Computed, Given, Measured

Series = np.ndarray[Any, np.dtype[np.float64]]

_TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_CURRENTS = {"a": 1e3, "ma": 1.0, "ua": 1e-3, "na": 1e-6}  # in mA
_VOLTAGES = {"v": 1.0, "mv": 1e-3}
_COLUMN = re.compile(r"\s*([a-z ]+?)(?:[\s_/]*[(\[]|[\s_/]+)\s*([munµμ]?[sav])\s*[)\]]?\s*", re.IGNORECASE)
_GAP = 5.0


@dataclass(frozen=True)
class Energy:
    """What a series of time and current says.

    Attributes:
        num_samples: Its samples.
        duration_s: From the first to the last, in seconds.
        voltage: Mean voltage; given where the series has none.
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
    mean_ma: Measured[float]
    max_ma: Measured[float]
    charge_mc: Computed[float]
    energy_mj: Computed[float]
    mean_mw: Computed[float]
    num_inferences: Given[int | None]
    idle_mw: Given[float]
    energy_per_inference_mj: Computed[float | None]
    unavailable_reason: dict[str, str]


def read_energy(
    path: Path,
    *,
    voltage: float | None = None,
    num_inferences: int | None = None,
    idle_mw: float = 0.0,
) -> Energy:
    """Return the energy of a series in a CSV file.

    Its first line names the columns with their units, such as `Timestamp(ms),Current(uA)`; a column of the voltage is
    used where there is one.

    Args:
        path: The file.
        voltage: Voltage in V, for a series without.
        num_inferences: How many inferences it holds.
        idle_mw: Power that the board takes without them.

    Raises:
        ConfigError: The file is no such series, has gaps, or no voltage is known.
    """
    for option, number in (("--voltage", voltage), ("--idle", idle_mw)):
        if number is not None and not math.isfinite(number):
            raise ConfigError(f"bad {option}: expected a number, received {number}")
    time_s, current_ma, volts = _read(path)
    _check_times(path, time_s)
    if volts is None and voltage is None:
        raise ConfigError(f"{path} has no column of the voltage: expected --voltage, e.g. --voltage 3.0")
    if volts is not None and voltage is not None:
        raise ConfigError(f"{path} has a column of the voltage: expected no --voltage, received {voltage:g} V")
    power_mw = current_ma * (volts if volts is not None else float(voltage or 0))
    duration_s = float(time_s[-1] - time_s[0])
    energy_mj = _area(power_mw, time_s)
    if energy_mj <= 0:
        raise ConfigError(
            f"{path} holds {energy_mj:.4g} mJ: expected more than 0; is the current probe the wrong way round?"
        )
    left_mj = energy_mj - idle_mw * duration_s
    if left_mj < 0:
        raise ConfigError(
            f"bad --idle: {idle_mw:g} mW over {duration_s:g} s are more than the {energy_mj:.4g} mJ of the series"
        )
    charge_mc = _area(current_ma, time_s)
    return Energy(
        num_samples=len(time_s),
        duration_s=duration_s,
        voltage=float(np.mean(volts)) if volts is not None else float(voltage or 0),
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


def _area(values: Series, time_s: Series) -> float:
    """Return the integral over time, by trapezoids."""
    return float(((values[1:] + values[:-1]) / 2 * np.diff(time_s)).sum())


def _read(path: Path) -> tuple[Series, Series, Series | None]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    mark = next((mark for mark in ";\t" if lines and mark in lines[0]), ",")
    try:
        rows = [row for row in csv.reader(lines, delimiter=mark) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ConfigError(
            f"cannot read {path}: expected a CSV file, received {error}; is a quote left open?"
        ) from error
    if len(rows) < 3:
        raise ConfigError(f"{path} is no series: expected a line of names and two samples or more")
    time = _column(path, rows, ("time", "timestamp", "t"), _TIMES)
    current = _column(path, rows, ("current", "i", "main current"), _CURRENTS)
    if time is None or current is None:
        raise ConfigError(
            f"{path} is no series: expected columns such as Timestamp(ms) and Current(uA), received "
            f"{', '.join(cell.strip() for cell in rows[0])[:80]}"
        )
    return time, current, _column(path, rows, ("voltage", "v", "main voltage"), _VOLTAGES)


def _column(
    path: Path, rows: Sequence[Sequence[str]], names: tuple[str, ...], units: dict[str, float]
) -> Series | None:
    """Return a column of a table in its base unit; None where there is none."""
    for place, cell in enumerate(rows[0]):
        match = _COLUMN.fullmatch(cell)
        unit = match[2].lower().replace("µ", "u").replace("μ", "u") if match else ""
        if match and match[1].strip().lower() in names and unit in units:
            return np.array([_number(path, number, row, place) for number, row in enumerate(rows[1:], 2)]) * units[unit]
    return None


def _number(path: Path, line: int, row: Sequence[str], place: int) -> float:
    text = row[place].strip() if place < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"{path}, sample {line - 1}: expected a number, received {text!r}; the series has a gap there"
        )
    return value


def _check_times(path: Path, time_s: Series) -> None:
    steps = np.diff(time_s)
    if (steps <= 0).any():
        place = int(np.argmax(steps <= 0)) + 2
        raise ConfigError(f"{path}, sample {place}: its time is not after that of the one before; expected a series")
    usual = float(np.median(steps))
    if steps.max() > _GAP * usual:
        place = int(steps.argmax())
        raise ConfigError(
            f"{path} has a gap of {steps[place]:.3g} s after {time_s[place] - time_s[0]:.6g} s, where samples are "
            f"{usual:.3g} s apart: the energy in it is not known; export it without gaps, or a part without one"
        )
