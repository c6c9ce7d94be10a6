"""Tables in `.csv` files: numbers by columns, and what each row is, belongs to and is for."""

import contextlib
import csv
import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.options import SourceOptions
from kd_edge.errors import DataError, nearest

# Columns that count rows or tell the time say nothing of a class that a new recording could use.
_NO_VALUES = ("", "time", "timestamp", "date", "datetime", "index", "id", "unnamed: 0")
_MISSING = ("", "na", "n/a", "nan", "null", "none")


@dataclass(frozen=True)
class Table:
    """A table's rows by what they mean.

    Attributes:
        values: Numbers, shape `(rows, columns)`: int64 where all are written as whole numbers, else float64; 0 where
            one is missing.
        missing: Where that is so.
        labels: Class of each row, as text.
        groups: What each row belongs to, as text; `None` without such a column.
        splits: `train`, `val` or `test` of each row; `None` without such a column.
        recordings: The recording of each row; `None` without such a column.
        lines: Number of each row's line in the file.
        columns: Names of the values.
    """

    values: np.ndarray
    missing: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None
    splits: np.ndarray | None
    recordings: np.ndarray | None
    lines: np.ndarray
    columns: tuple[str, ...]


def read_table(path: Path, options: SourceOptions) -> Table:
    """Return a table.

    Raises:
        DataError: The file is missing or no table, a column is missing or holds no numbers, or a class is missing.
    """
    header, rows, lines = _read(path)
    special = _special_columns(header, options, path)
    ignored = set(options.ignore or ())
    if unknown := sorted(ignored - set(header)):
        raise DataError(f"bad data in {path}: no column {unknown[0]!r} to ignore: {nearest(unknown[0], header)}")
    columns = [name for name in header if name not in ignored and name not in special.values()]
    _check_columns(columns, path)
    texts = dict(zip(header, np.array(rows, dtype=str).T, strict=True))
    marks = {role: texts[name] for role, name in special.items()}
    _check_marks(marks, special, lines, path)
    _check_labels(marks["label"], special["label"], path, options.task == "regression")
    missing = np.stack([_are_missing(texts[name]) for name in columns], axis=1)
    values = np.stack([_numbers(texts[name], name, lines, path) for name in columns], axis=1)
    groups, splits, recordings = (marks.get(role) for role in ("group", "split", "recording"))
    return Table(values, missing, marks["label"], groups, splits, recordings, lines, tuple(columns))


def _read(path: Path) -> tuple[list[str], list[list[str]], np.ndarray]:
    """Return the header, the rows and the numbers of their lines."""
    rows, lines = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_separator(header, path)
            for row in reader:
                if len(row) != len(header) and row:
                    raise DataError(
                        f"bad data in {path}: expected {len(header)} columns as in the first line, received "
                        f"{len(row)} in line {reader.line_num}"
                    )
                if row:
                    rows.append([text.strip() for text in row])
                    lines.append(reader.line_num)
    except DataError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"bad data in {path}: expected a table of comma-separated values, received {error}") from error
    if not rows:
        raise DataError(f"bad data in {path}: expected a line of column names and rows below, received no rows")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"bad data in {path}: expected columns of different names, received {twice!r} twice")
    return header, rows, np.array(lines)


def _check_separator(header: list[str], path: Path) -> None:
    """Raise where the first line is one cell that something else parts."""
    if len(header) == 1 and any(sign in header[0] for sign in ";\t|,"):
        raise DataError(
            f"bad data in {path}: expected columns between commas, in a .tsv file between tabs, received the first "
            f"line {header[0]!r}; write the table so"
        )


def _special_columns(header: list[str], options: SourceOptions, path: Path) -> dict[str, str]:
    """Return the columns that are no values, by what they say; those that were named have to be there."""
    usual, found = SourceOptions(), {}
    for role in ("label", "group", "split", "recording"):
        name = getattr(options, role)
        if name in header:
            found[role] = name
        elif role == "label" or name != getattr(usual, role):
            raise DataError(
                f"bad data in {path}: no column {name!r} for the option {role}: {nearest(name, header)}; "
                f"name it, such as {role}={header[-1]}"
            )
    return found


def _check_columns(columns: list[str], path: Path) -> None:
    for name in columns:
        if name.lower() in _NO_VALUES:
            raise DataError(
                f"bad data in {path}: received a column {name!r}, which looks like a count or a time and no "
                "measurement; leave it out with the option ignore, or give it another name"
            )
    if not columns:
        raise DataError(f"bad data in {path}: expected columns of numbers beside the label, received none")


def _check_marks(marks: dict[str, np.ndarray], special: dict[str, str], lines: np.ndarray, path: Path) -> None:
    for role, texts in marks.items():
        empty = lines[_are_missing(texts)]
        if empty.size:
            raise DataError(
                f"bad data in {path}: expected a {role} in each row of column {special[role]!r}, received none in "
                f"{empty.size} rows, the first in line {empty[0]}{_hint(texts, role)}"
            )


def _hint(texts: np.ndarray, role: str) -> str:
    words = [word for word in np.unique(texts[_are_missing(texts)]).tolist() if word]
    called = f"; if one is called {words[0]!r}, rename it" if words else ""
    return f"{called}; fill in the {role}, or remove such rows"


def _check_labels(texts: np.ndarray, name: str, path: Path, measured: bool) -> None:
    """Raise where labels are measurements or dates, or are no measurements where these were asked for."""
    if name in texts:
        raise DataError(
            f"bad data in {path}: expected the names of the columns in the first line, received {name!r} as that of "
            "the classes, which is a class below; put a line of names first"
        )
    seen = np.unique(texts).tolist()
    if measured:
        if bad := [text for text in seen if not _is(float, text)]:
            raise DataError(
                f"bad data in {path}: expected numbers in column {name!r} for the task 'regression', received "
                f"{bad[0]!r}"
            )
        return
    if all(_is(int, text) for text in seen):
        return
    if all(_is(float, text) for text in seen):
        raise DataError(
            f"bad data in {path}: expected classes in column {name!r}, received numbers such as {seen[0]}; write "
            "classes as integers or names; measurements, the targets of a regression, are no classes: the option "
            "task=regression"
        )
    if all(_is(datetime.datetime.fromisoformat, text) for text in seen):
        raise DataError(
            f"bad data in {path}: expected classes in column {name!r}, received dates such as {seen[0]}; name the "
            "classes that they stand for, or another column with the option label"
        )


def _is(kind: object, text: str) -> bool:
    try:
        kind(text)  # type: ignore[operator]
    except ValueError:
        return False
    return True


def _numbers(texts: np.ndarray, name: str, lines: np.ndarray, path: Path) -> np.ndarray:
    """Return a column as whole numbers where all are written so, else as floats; 0 where one is missing."""
    filled = np.where(_are_missing(texts), "0", texts)
    for kind in (np.int64, np.float64):
        with contextlib.suppress(ValueError, OverflowError):
            return filled.astype(kind)
    bad = next(i for i, text in enumerate(filled.tolist()) if not _is(float, text))
    raise DataError(
        f"bad data in {path}: expected numbers in column {name!r}, received {str(texts[bad])!r} in line {lines[bad]}; "
        "leave the column out with the option ignore"
    )


def _are_missing(texts: np.ndarray) -> np.ndarray:
    return np.isin(np.char.lower(texts), _MISSING)


def without_missing(table: Table, skip_bad: bool, path: Path) -> tuple[Table, str]:
    """Return a table without rows, or whole recordings, in which numbers are missing, and a note on them.

    Args:
        table: Any.
        skip_bad: Whether they may be left out.
        path: What error messages name.

    Raises:
        DataError: It was not asked for, or nothing is left.
    """
    with np.errstate(over="ignore"):  # what 32 bits do not hold is no finite number either
        missing = table.missing | ~np.isfinite(table.values.astype(np.float32))
    if not missing.any():
        return table, ""
    bad, what = missing.any(axis=1), "rows"
    if table.recordings is not None:
        bad, what = np.isin(table.recordings, table.recordings[bad]), "recordings"
    row, column = np.argwhere(missing)[0]
    where = f"the first in column {table.columns[column]!r}, line {table.lines[row]}"
    if not skip_bad:
        raise DataError(
            f"bad data in {path}: expected finite numbers, received none in {int(missing.any(axis=1).sum())} of "
            f"{len(missing)} rows, {where}; fill them, or leave such {what} out with the option skip_bad"
        )
    if bad.all():
        raise DataError(f"bad data in {path}: expected {what} without missing numbers, received none; {where}")
    kept: dict[str, Any] = {name: value[~bad] for name, value in vars(table).items() if isinstance(value, np.ndarray)}
    return replace(table, **kept), f", without {int(bad.sum())} rows: {what} with missing numbers"
