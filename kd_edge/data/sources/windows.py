"""Windows of recordings, from a table that has a row for each time step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.table import Table
from kd_edge.errors import DataError


@dataclass(frozen=True)
class Windows:
    """Samples that were cut from recordings.

    Attributes:
        x: Numbers as in the table, shape `(windows, rows, columns)`.
        labels: Class of each.
        groups: What each belongs to: the group of its recording, or the recording.
        splits: Of each; `None` where the table has none.
        note: How they were cut.
    """

    x: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    splits: np.ndarray | None
    note: str


def windows_of(table: Table, options: SourceOptions, path: Path) -> Windows:
    """Return the windows of all recordings; one holds rows of one recording and of one class.

    Args:
        table: With recordings.
        options: `window` and `hop`.
        path: What error messages name.

    Raises:
        DataError: No recording is long enough, they differ in length and no window is given, or the rows of one
            belong to several groups or splits.
    """
    stretches = _stretches(table, path)
    window = options.window or _common_length(stretches, path)
    hop = options.hop or window
    cut = [rows[start : start + window] for rows in stretches for start in range(0, len(rows) - window + 1, hop)]
    if not cut:
        longest = max(map(len, stretches))
        raise DataError(
            f"bad data in {path}: expected a stretch of {window} rows of one recording and one class, received "
            f"{longest} at most; choose a smaller window"
        )
    rows = np.stack(cut)
    first = rows[:, 0]
    groups = table.recordings if table.groups is None else table.groups
    assert groups is not None
    lost = sum(len(stretch) < window for stretch in stretches)
    note = f"windows of {window} rows, one every {hop}, from {len(np.unique(groups[first]))} groups"
    note += f"; {lost} stretches of one class are shorter" if lost else ""
    splits = None if table.splits is None else table.splits[first]
    return Windows(table.values[rows], table.labels[first], groups[first], splits, note)


def _stretches(table: Table, path: Path) -> list[np.ndarray]:
    """Return the rows of each stretch of one class in one recording, in their order."""
    assert table.recordings is not None
    stretches = []
    for recording in np.unique(table.recordings):
        rows = np.flatnonzero(table.recordings == recording)
        for what, marks in (("groups", table.groups), ("splits", table.splits)):
            if marks is not None and len(set(marks[rows].tolist())) > 1:
                raise DataError(
                    f"bad data in {path}: expected all rows of recording {str(recording)!r} to be of one of the "
                    f"{what}, received {', '.join(sorted(set(marks[rows].tolist())))}"
                )
        changes = np.flatnonzero(table.labels[rows][1:] != table.labels[rows][:-1]) + 1
        stretches += np.split(rows, changes)
    return stretches


def _common_length(stretches: list[np.ndarray], path: Path) -> int:
    lengths = sorted({len(stretch) for stretch in stretches})
    if len(lengths) > 1:
        raise DataError(
            f"bad data in {path}: expected recordings of one class and of one length, received stretches of "
            f"{lengths[0]} to {lengths[-1]} rows; say how many rows a sample has with the option window"
        )
    return lengths[0]
