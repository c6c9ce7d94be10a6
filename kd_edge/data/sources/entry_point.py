"""Data from a function of the user, named as `module:function`, or as `folder/module:function`."""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kd_edge.data.arrays import ARRAY_OPTIONS, ARRAYS, dataset_as_given, dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources.registry import DataSource
from kd_edge.data.sources.streams import arrays_of, streams_in
from kd_edge.errors import ConfigError, DataError, KdEdgeError, reason_in

_ENTRY_POINT = re.compile(r"(?:.*/)?[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _call_entry_point(text: str) -> Any:
    """Return what the function does, streams read."""
    folder, named = os.path.split(text)
    module, name = named.split(":")
    with _importable(os.path.abspath(folder)):
        function = _found(text, module, name)
        if folder:
            _check_folder(text, module, folder)
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


def _check_folder(text: str, module: str, folder: str) -> None:
    """Raise where Python has a module of the same name from elsewhere."""
    file = Path(getattr(sys.modules[module], "__file__", None) or "")
    wanted = Path(folder, *module.split(".")).resolve()
    if wanted not in (file.resolve().with_suffix(""), file.resolve().parent):
        raise DataError(
            f"no data function {text!r}: expected the module {module!r} in {folder}, received the one in "
            f"{file.parent}, which is imported already; give it another name"
        )


def _told(error: BaseException) -> str:
    """Return an error of the user's code in a line, with the place where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if "site-packages" not in frame.filename] or frames
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
        _check_task(result, text, options)
        options.check_known(("task",), text)
        return dataset_as_given(result, normalize)
    arrays = _arrays_in(result, text)
    return dataset_of(os.path.basename(text), arrays, text, normalize, seed, options)


def _check_task(data: Dataset, text: str, options: SourceOptions) -> None:
    known = {name: task.kind for name, task in data.task.by_output.items()}
    fits = options.tasks.items() <= known.items() if options.tasks else options.task == data.task.kind
    if options.task is not None and not fits:
        said = ",".join(f"{name}:{kind}" for name, kind in known.items()) or data.task.kind
        raise ConfigError(
            f"bad option 'task' of the data {text!r}: expected that of its Dataset, {said!r}, received "
            f"{options.task!r}; let the function return Dataset(..., task=Task(...))"
        )


SOURCE = DataSource(
    "'module:function'", lambda text: _ENTRY_POINT.fullmatch(text) is not None, _load, options=ARRAY_OPTIONS
)
