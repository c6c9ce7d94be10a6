"""Data from a function of the user, named as `module:function`."""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kd_edge.data.arrays import ARRAYS, dataset_as_given, dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources import DataSource
from kd_edge.data.streams import arrays_of, streams_in
from kd_edge.errors import DataError, KdEdgeError, reason_in

_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _call_entry_point(text: str) -> Any:
    """Return what the function does, streams read."""
    module, name = text.split(":")
    with _importable(os.getcwd()):
        function = _found(text, module, name)
        try:
            result = function()
            streams = streams_in(result)
            return result if streams is None else arrays_of(streams, text)
        except KdEdgeError:
            raise
        except (Exception, SystemExit) as error:
            raise DataError(f"the data function {text!r} raised {_told(error)}") from error


def _arrays_in(result: Any, text: str) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return dict(result)
    try:
        (x_train, y_train), (x_test, y_test) = result
    except (TypeError, ValueError) as error:
        raise DataError(
            f"bad data from {text!r}: expected a Dataset, a mapping with {', '.join(ARRAYS)}, "
            "((x_train, y_train), (x_test, y_test)), or tf.data.Dataset or PyDataset as train and test; received "
            f"{type(result).__name__}"
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _found(text: str, module: str, name: str) -> Callable[[], Any]:
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"no data function {text!r}: {error}; the module must be importable from here") from error
    except (Exception, SystemExit) as error:
        raise DataError(f"the module of the data function {text!r} raised {_told(error)}") from error
    if not callable(function):
        raise DataError(f"no data function {text!r}: expected a function, received {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def _told(error: BaseException) -> str:
    """Return an error of the user's code in a line, with the place where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if "site-packages" not in frame.filename]
    place = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})"
    said = f": {reason_in(error)}" if str(error).strip() else ""
    return f"{type(error).__name__}{said}{place}; --debug shows the traceback"


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


def _load(text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
    result = _call_entry_point(text)
    if isinstance(result, Dataset):
        return dataset_as_given(result, normalize)
    return dataset_of(text, _arrays_in(result, text), text, normalize, seed, ignore=options.ignore or ())


SOURCE = DataSource(
    "'module:function'", lambda text: _ENTRY_POINT.fullmatch(text) is not None, _load, options=("ignore",)
)
