"""Data from a function of the user, named as `module:function`."""

import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kd_edge.data.arrays import ARRAYS, dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.sources import DataSource
from kd_edge.errors import DataError

_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _call_entry_point(text: str) -> dict[str, Any]:
    module, function = text.split(":")
    with _importable(os.getcwd()):
        try:
            loaded = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise DataError(f"no data function {text!r}: {error}; the module must be importable from here") from error
        result = loaded()
    if isinstance(result, Mapping):
        return dict(result)
    try:
        (x_train, y_train), (x_test, y_test) = result
    except (TypeError, ValueError) as error:
        raise DataError(
            f"bad data from {text!r}: expected a mapping with {', '.join(ARRAYS)}, or "
            f"((x_train, y_train), (x_test, y_test)); received {type(result).__name__}"
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Let modules of a folder be imported meanwhile."""
    added = folder not in sys.path
    if added:
        sys.path.insert(0, folder)
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)


def _load(text: str, normalize: bool | None, seed: int) -> Dataset:
    return dataset_of(text, _call_entry_point(text), text, normalize, seed)


SOURCE = DataSource("'module:function'", lambda text: _ENTRY_POINT.fullmatch(text) is not None, _load)
