"""Room for samples: in memory, or beyond a size in a file that is mapped into it."""

import ctypes
import functools
import math
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator

import numpy as np

from kd_edge.errors import DataError

# Larger arrays are kept in a file.
MAPPED_BYTES = 2**28
_CHUNK_BYTES = 2**23
# macOS has no such call.
_reserve = getattr(os, "posix_fallocate", lambda file, _, size: os.ftruncate(file, size))
# In GNU's malloc.h.
_M_ARENA_MAX = -8
# Of what a network is shown at once of a mapped array: bytes become floats, and layers hold several copies of them.
_SHOWN_BYTES = 2**21


def room_for(shape: tuple[int, ...], dtype: np.typing.DTypeLike, *, mapped: bool | None = None) -> np.ndarray:
    """Return an array to be filled: in memory, or a mapped file, which is gone with the array.

    The file has no name and lies in the folder that the environment variable `TMPDIR` names.

    Args:
        shape: Of the array.
        dtype: Of its values.
        mapped: Whether it is a file. By default that is so for more than 256 MB.

    Raises:
        DataError: There is no space for the file.
    """
    if mapped is None:
        mapped = num_bytes(shape, dtype) > MAPPED_BYTES
    if not mapped or 0 in shape:
        return np.empty(shape, dtype)
    share_heaps()
    size = num_bytes(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            # A mapped file that is only told its size kills the process where the disk is full.
            _reserve(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"no room for {size:,} bytes of samples in {tempfile.gettempdir()}: {reason}; name a "
            "folder with more space in the environment variable TMPDIR"
        ) from error


@functools.cache
def share_heaps() -> None:
    """Let all threads share two heaps where GNU's C library would give each its own, of which free parts stay there.

    TensorFlow's threads decode and compute in turn: for samples that do not fit into memory theirs are too many. The
    environment variable `MALLOC_ARENA_MAX` decides where it is set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 2)


def num_bytes(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> int:
    """Return the size of an array."""
    return math.prod(map(int, shape)) * np.dtype(dtype).itemsize


def is_mapped(array: np.ndarray) -> bool:
    """Return whether an array lies in a file."""
    return isinstance(array, np.memmap)


def release(array: np.ndarray) -> None:
    """Take the pages of a mapped array out of the process; the system reads them again when they are needed.

    Without it a process seems to hold all that it has ever touched of a file. Nothing happens to other arrays.
    """
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def chunks(array: np.ndarray) -> Iterator[slice]:
    """Yield slices of an array's rows, each of about 8 MB, and release each behind it."""
    rows = chunk_rows(array)
    for start in range(0, len(array), rows):
        yield slice(start, min(start + rows, len(array)))
        release(array)


def chunk_rows(array: np.ndarray) -> int:
    """Return how many rows a chunk has."""
    return max(1, _CHUNK_BYTES * len(array) // max(array.nbytes, 1))


def shown_rows(array: np.ndarray, most: int = 256) -> int:
    """Return how many rows a network is shown at once: of a mapped array no more than 2 MB."""
    if not is_mapped(array):
        return most
    return max(1, min(most, _SHOWN_BYTES * len(array) // max(array.nbytes, 1)))


def taken(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the rows at places or where booleans are true; those of a mapped array are mapped, too."""
    if not is_mapped(array):
        return np.asarray(array[places])
    rows = np.flatnonzero(places) if places.dtype == bool else places
    kept = room_for((len(rows), *array.shape[1:]), array.dtype, mapped=True)
    for chunk in chunks(kept):
        kept[chunk] = array[rows[chunk]]
        release(array)
    return kept
