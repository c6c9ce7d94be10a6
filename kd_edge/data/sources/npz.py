"""Data from `.npz` archives of plain arrays."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.arrays import ARRAY_OPTIONS, dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.registry import DataSource
from kd_edge.errors import UNREADABLE, DataError


def read_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of an archive; Python objects in it are never unpickled.

    Raises:
        DataError: There is no such file, or it is no archive of arrays.
    """
    if not os.path.isfile(path):
        raise DataError(f"no data: expected an .npz file, found nothing at {path}")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"bad data in {path}: expected an .npz archive, received a single .npy array")
        with archive:
            return {name: archive[name] for name in archive.files}
    except DataError:
        raise
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"bad data in {path}: it is no .npz file or holds Python objects, which are never unpickled; "
                "save plain arrays with numpy.savez, or give a .csv file, a folder or module:function"
            ) from error
        raise DataError(f"bad data in {path}: expected an .npz archive of arrays, received {error}") from error
    except UNREADABLE as error:
        raise DataError(f"bad data in {path}: the file is truncated or no .npz archive ({error})") from error


def _load(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    arrays = read_npz(Path(text))
    return dataset_of(Path(text).stem, arrays, text, normalize, seed, options)


def _accepts(text: str) -> bool:
    return text.endswith(".npz") or os.path.isfile(text)


SOURCE = DataSource("the path of an .npz file", _accepts, _load, options=ARRAY_OPTIONS)
