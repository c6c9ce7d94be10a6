"""Data from `.csv` files: one row a sample, or one row a time step of a recording."""

from pathlib import Path

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.labelled import labelled_dataset
from kd_edge.data.sources.registry import DataSource
from kd_edge.data.sources.table import read_table, without_missing
from kd_edge.data.sources.windows import windows_of
from kd_edge.data.splits.drawing import SPLITS, first_few, splits_of
from kd_edge.errors import DataError

_OPTIONS = (
    *("label", "group", "split", "recording", "window", "hop", "ignore", "skip_bad", "test_share"),
    *("task", "units"),
)


def _load(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    path = Path(text)
    table, left_out = without_missing(read_table(path, options), options.skip_bad, path)
    if table.recordings is None:
        _check_no_windows(options, path)
        x, labels, groups, given, note = table.values, table.labels, table.groups, table.splits, "one row a sample"
    else:
        cut = windows_of(table, options, path)
        x, labels, groups, given, note = cut.x, cut.labels, cut.groups, cut.splits, cut.note
    if options.task == "regression":
        labels = np.asarray(labels, np.float64)
    drawn_by = np.zeros(len(labels)) if options.task == "regression" else labels
    splits, how = splits_of(
        drawn_by, groups, given, test_share=options.test_share, seed=seed, source=text, task=options.task
    )
    return labelled_dataset(
        path.stem,
        {split: x[splits == split] for split in SPLITS},
        labels,
        splits,
        groups=groups,
        description=f"columns {first_few(table.columns, 12)}; {note}{left_out}; {how}",
        source=text,
        normalize=normalize,
        seed=seed,
        options=options,
        by_number=True,
    )


def _check_no_windows(options: SourceOptions, path: Path) -> None:
    if options.window or options.hop:
        raise DataError(
            f"bad data in {path}: no column {options.recording!r}, so a row is a sample and has no windows; name the "
            "column of the recordings with the option recording"
        )


SOURCE = DataSource(
    "a .csv or .tsv file", lambda text: text.lower().endswith((".csv", ".tsv")), _load, options=_OPTIONS
)
