"""What rounding takes of numbers, channel by channel (the last axis)."""

import numpy as np

from kd_edge.data.storage import chunks

# Of the range of values: by which rounding may change them.
LARGEST_ROUNDING = 0.01
# Of the largest value of a channel: floats that differ by less are a constant with the rounding noise of 64 bits.
_NOISE = 4e-15


def lost_channels(x: np.ndarray, reference: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Return the channels that vary, and of which a type rounds some value by more than 1 % of their range.

    Args:
        x: Finite numbers, shape `(..., channels)`.
        reference: Those that say the range.
        dtype: The type to which `x` will be rounded.
    """
    low, high = _extremes(reference)
    ranges = np.asarray(high.astype(object) - low.astype(object), np.float64)
    largest = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    varies = ranges > (_NOISE * largest if reference.dtype.kind == "f" else 0)
    return np.flatnonzero(varies & (_errors(x, dtype) > LARGEST_ROUNDING * ranges))


def is_rounded(x: np.ndarray, dtype: type[np.floating]) -> bool:
    """Return whether a type may round numbers of an array."""
    return not np.can_cast(x.dtype, dtype, "safe")


def _extremes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = tuple(range(x.ndim - 1))
    lows, highs = zip(*((x[rows].min(axes), x[rows].max(axes)) for rows in chunks(x)), strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _errors(x: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """Return the largest error of each channel."""
    axes = tuple(range(x.ndim - 1))
    found = [np.abs(x[rows].astype(dtype) - x[rows].astype(np.float64)).max(axes) for rows in chunks(x)]
    errors: np.ndarray = np.max(found, axis=0)
    return errors if x.dtype.kind == "f" else errors + _of_64_bits(x)


def _of_64_bits(x: np.ndarray) -> np.ndarray:
    """Return by how much 64-bit floats may be from whole numbers; they hold those up to 2**53."""
    largest = np.max(np.abs([extreme.astype(np.float64) for extreme in _extremes(x)]), axis=0)
    return np.asarray(np.where(largest > 2.0**53, np.spacing(largest) / 2, 0.0))
