"""The CSV file of time and current that a power profiler exports."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.numbers import read_number

Values = np.ndarray[Any, np.dtype[np.float64]]

_TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_CURRENTS = {"a": 1e3, "ma": 1.0, "ua": 1e-3, "na": 1e-6}  # in mA
_VOLTAGES = {"v": 1.0, "mv": 1e-3}
_NAME = re.compile(r"\s*([a-z ]+?)(?:[\s_/]*[(\[]|[\s_/]+)\s*([munµμ]?[sav])\s*[)\]]?\s*", re.IGNORECASE)
_NO_VALUE = {"", "nan", "+nan", "-nan", "inf", "+inf", "-inf"}
_WHOLE, _DIGITS = re.compile(r"\s*[+-]?[0-9]+\s*"), re.compile(r"\s*[0-9]+\s*")
_GAP = 5.0


class Series(NamedTuple):
    """A series of samples.

    Attributes:
        time_s: When each was taken.
        current_ma: Its current.
        volts: Its voltage; None where the file has no column of it.
    """

    time_s: Values
    current_ma: Values
    volts: Values | None


class _Column(NamedTuple):
    place: int
    scale: float  # of its unit


def read_series(path: Path) -> Series:
    """Return the series in a file.

    Samples may be up to five times as far apart as usual: the current between them counts as a straight line.

    Args:
        path: A CSV file in UTF-8, whose first line names the columns with their units.

    Raises:
        ConfigError: It is no such file, a column is there twice, a cell holds no number, or samples are missing.
    """
    separator, (names, *samples) = _rows(path)
    time = _find(path, names, "time", ("time", "timestamp", "t"), _TIMES)
    current = _find(path, names, "current", ("current", "i", "main current"), _CURRENTS)
    if time is None or current is None:
        raise ConfigError(
            f"{path} is no series: expected columns such as Timestamp(ms) and Current(uA), received "
            f"{', '.join(cell.strip() for cell in names)[:80]}"
        )
    voltage = _find(path, names, "voltage", ("voltage", "v", "main voltage"), _VOLTAGES)
    _check_widths(path, names, samples)
    known = [column for column in (time, current, voltage) if column is not None]
    for column in known[1:] if separator == "," else ():
        _check_mark(path, names, samples, column.place, known=[column.place for column in known])
    series = Series(
        _values(path, samples, time),
        _values(path, samples, current),
        None if voltage is None else _values(path, samples, voltage),
    )
    _check_times(path, series.time_s)
    return series


def _rows(path: Path) -> tuple[str, list[list[str]]]:
    """Return what separates the cells, and the lines that are not empty."""
    lines = _text(path).splitlines()
    mark = next((mark for mark in ";\t" if lines and mark in lines[0]), ",")
    try:
        rows = [row for row in csv.reader(lines, delimiter=mark) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ConfigError(
            f"cannot read {path}: expected a CSV file, received {error}; is a quote left open?"
        ) from error
    if len(rows) < 3:
        raise ConfigError(f"{path} is no series: expected a line of names and two samples or more")
    return mark, rows


def _text(path: Path) -> str:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigError(f"cannot read {path}: expected text in UTF-8, received other bytes; save it as UTF-8")
    return text


def _find(
    path: Path, header: Sequence[str], quantity: str, names: tuple[str, ...], units: dict[str, float]
) -> _Column | None:
    found = []
    for place, cell in enumerate(header):
        match = _NAME.fullmatch(cell)
        unit = match[2].lower().replace("µ", "u").replace("μ", "u") if match else ""
        if match and match[1].strip().lower() in names and unit in units:
            found.append(_Column(place, units[unit]))
    if len(found) > 1:
        received = " and ".join(header[column.place].strip() for column in found)
        raise ConfigError(f"{path} is ambiguous: expected one column of the {quantity}, received {received}; keep one")
    return found[0] if found else None


def _check_widths(path: Path, header: Sequence[str], samples: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(samples, 1):
        if _width(row) > _width(header):
            raise ConfigError(
                f"{path}, sample {number}: expected {_width(header)} cells as in the line of names, received "
                f"{_width(row)}; is the decimal mark a comma? Export numbers with a decimal point"
            )


def _check_mark(
    path: Path, header: Sequence[str], samples: Sequence[Sequence[str]], place: int, *, known: Sequence[int]
) -> None:
    """Refuse whole numbers beside a column of digits that is not read: they may be one number, torn at a comma."""
    after = place + 1
    if after in known or after >= len(header):
        return
    if all(len(row) > after and _WHOLE.fullmatch(row[place]) and _DIGITS.fullmatch(row[after]) for row in samples):
        raise ConfigError(
            f"{path} is ambiguous: {header[place].strip()} has whole numbers alone, and digits beside them as if a "
            "comma were the decimal mark; export numbers with a decimal point, or without the column "
            f"{header[after].strip() or after + 1}"
        )


def _width(row: Sequence[str]) -> int:
    """Return the number of cells up to the last that is not empty: a line may end with a separator."""
    return max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)


def _values(path: Path, samples: Sequence[Sequence[str]], column: _Column) -> Values:
    numbers = [_number(path, number, row, column.place) for number, row in enumerate(samples, 1)]
    return np.array([number * column.scale for number in numbers])


def _number(path: Path, sample: int, row: Sequence[str], place: int) -> float:
    text = row[place].strip() if place < len(row) else ""
    try:
        return read_number(text)
    except ValueError:
        raise ConfigError(f"{path}, sample {sample}: expected a number, received {text!r}; {_way_out(text)}") from None


def _way_out(text: str) -> str:
    if text.lower() in _NO_VALUE:
        return "the series has a gap there"
    if "," in text:
        return "export numbers with a decimal point, and nothing between thousands"
    if ":" in text:
        return "export the time as a number in the unit that its column names, such as seconds since the start"
    return "export bare numbers: the line of names has the units"


def _check_times(path: Path, time_s: Values) -> None:
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
