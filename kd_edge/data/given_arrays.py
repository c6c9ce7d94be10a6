"""Arrays as users give them: lists, tensors, masked arrays, strings of any kind."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kd_edge.errors import DataError


def as_array(values: Any, name: str, source: str) -> np.ndarray:
    """Return values as a plain array, one that is mapped into memory as it is.

    Args:
        values: What the user gave.
        name: What it is called, such as `x_train`.
        source: What error messages name.

    Raises:
        DataError: Rows differ in shape, or values are masked.
    """
    try:
        array = np.asanyarray(values)
    except ValueError as error:
        raise DataError(
            f"bad data in {source}: expected an array as {name}, received rows that differ in shape ({error})"
        ) from error
    if np.ma.is_masked(array):
        raise DataError(
            f"bad data in {source}: expected values without a mask in {name}, received "
            f"{int(np.ma.getmaskarray(array).sum())} masked ones; fill or drop them"
        )
    if array.dtype.kind == "T":  # strings of NumPy 2, of which some may be missing
        array = array.astype(object)
    return array if isinstance(array, np.memmap) else np.asarray(array)


def as_arrays(values: Any, name: str, source: str) -> Any:
    """Return values as an array; of several outputs a mapping of their names to arrays; see `as_array`."""
    if isinstance(values, Mapping):
        return {key: as_array(column, f"{name}, output {key!r}", source) for key, column in values.items()}
    return as_array(values, name, source)
