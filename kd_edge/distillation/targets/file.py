"""The file of soft targets: an `.npy` of the rows, followed by what they mean."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.errors import DataError
from kd_edge.files import write_file

_MAGIC = b"kd_edge targets\n"


def write_targets(path: str | Path, rows: np.ndarray, header: Mapping[str, Any]) -> Path:
    """Write rows and header, whole or not at all.

    Args:
        path: Ends in `.npy`.
        rows: One record per sample.
        header: What the rows mean.
    """
    footer = json.dumps(header).encode()

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.save(file, np.asarray(rows), allow_pickle=False)
            file.write(footer + len(footer).to_bytes(8, "little") + _MAGIC)

    return write_file(path, write)


def read_rows(path: str | Path) -> np.ndarray:
    """Return the rows of a file; they stay on disk until they are needed."""
    rows: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return rows


def read_header(path: Path) -> dict[str, Any]:
    """Return what the rows of a file mean.

    Raises:
        DataError: The file is missing, truncated, or of another kind.
    """
    if not path.is_file():
        raise DataError(f"no soft targets at {path}: expected an .npy file; make it with soft_targets(teacher, x)")
    content_end = path.stat().st_size - len(_MAGIC) - 8
    with path.open("rb") as file:
        file.seek(max(content_end, 0))
        tail = file.read()
        if not tail.endswith(_MAGIC) or content_end < 0:
            raise DataError(f"{path} is truncated or no file of soft targets; make it again with soft_targets")
        file.seek(max(content_end - int.from_bytes(tail[:8], "little"), 0))
        return dict(json.loads(file.read(int.from_bytes(tail[:8], "little"))))
