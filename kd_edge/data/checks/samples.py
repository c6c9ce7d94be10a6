"""Whether samples are numbers that a network can read in 32 bits."""

from collections.abc import Mapping

import numpy as np

from kd_edge.data.checks.rounding import is_rounded, lost_channels
from kd_edge.data.storage import chunks
from kd_edge.errors import DataError


def check_samples(samples: Mapping[str, np.ndarray], source: str) -> None:
    """Refuse samples that are no finite numbers, are not alike, or that 32 bits do not tell apart.

    Args:
        samples: By the arrays' names, `x_train` among them.
        source: What error messages name.

    Raises:
        DataError: One is not such.
    """
    first = samples["x_train"]
    for name, x in samples.items():
        _check_form(x, name, source)
        _check_alike(x, first, name, source)
        _check_finite(x, name, source)
    for name, x in samples.items():
        if is_rounded(x, np.float32) and (lost := lost_channels(x, first, np.float32)).size:
            values = x[..., lost[0]]
            raise DataError(
                f"bad data in {source}: expected samples that 32 bits tell apart in {name}, received some from "
                f"{values.min()} to {values.max()} in channel {lost[0]}; subtract a constant first"
            )


def _check_form(x: np.ndarray, name: str, source: str) -> None:
    if x.dtype.kind not in "fiu":
        raise DataError(f"bad data in {source}: expected numbers in {name}, received dtype {x.dtype}")
    if x.ndim < 2 or not x.size:
        raise DataError(f"bad data in {source}: expected {name} of shape (samples, ...), received {x.shape}")


def _check_alike(x: np.ndarray, first: np.ndarray, name: str, source: str) -> None:
    if x.shape[1:] != first.shape[1:]:
        raise DataError(
            f"bad data in {source}: expected samples of shape {first.shape[1:]} as in x_train, "
            f"received {x.shape[1:]} in {name}"
        )
    if (x.dtype.kind == "f") != (first.dtype.kind == "f"):
        raise DataError(
            f"bad data in {source}: expected all samples as whole numbers or all as floats, received "
            f"{first.dtype} in x_train and {x.dtype} in {name}, maybe of another scale; convert them alike"
        )


def _check_finite(x: np.ndarray, name: str, source: str) -> None:
    bad = 0 if x.dtype.kind in "iu" else sum(_num_bad(x[rows]) for rows in chunks(x))
    if bad:
        raise DataError(
            f"bad data in {source}: expected finite numbers that 32 bits hold, received NaN or infinity in {bad} "
            f"of {len(x)} samples of {name}; drop or repair them"
        )


def _num_bad(x: np.ndarray) -> int:
    with np.errstate(over="ignore"):
        return len(x) - int(np.isfinite(x.reshape(len(x), -1).astype(np.float32)).all(axis=1).sum())
