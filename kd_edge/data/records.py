"""What belongs to samples for several outputs, in one array: a record a sample, with a field for each output."""

from collections.abc import Mapping

import numpy as np

from kd_edge.errors import DataError


def as_records(columns: Mapping[str, np.ndarray], source: str = "outputs") -> np.ndarray:
    """Return arrays of as many rows as one array of records, which is indexed, counted and drawn from like any other.

    Args:
        columns: By the outputs' names, each of shape `(samples, ...)`.
        source: What error messages name.

    Returns:
        Shape `(samples,)`; `array["speed"]` is the column of that output again.

    Raises:
        DataError: There are no columns, or they differ in length.
    """
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    counts = {name: len(np.atleast_1d(array)) for name, array in arrays.items()}
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{count} as {name!r}" for name, count in counts.items()) or "none"
        raise DataError(f"bad data in {source}: expected as many rows for each output, received {listed}")
    fields = [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]
    records = np.empty(next(iter(counts.values())), fields)
    for name, array in arrays.items():
        records[name] = array
    return records
