"""Data sets by name: a built-in one, a file, or a Python function."""

import importlib
import importlib.util
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset, check_counts, checked, standardized
from kd_edge.data.smartwatch import load_watch
from kd_edge.errors import DataError, nearest

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL_ARRAYS = ("x_val", "y_val", "class_names")
_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def load_data(source: str | Path, *, normalize: bool | None = None, seed: int = 0) -> Dataset:
    """Load a data set and check it.

    Args:
        source: `"watch"`; the path of an `.npz` with `x_train, y_train, x_test, y_test` and optionally
            `x_val, y_val, class_names`; or `"module:function"`, a function without arguments that returns a mapping
            with these names or `((x_train, y_train), (x_test, y_test))` as `keras.datasets` do.
        normalize: Whether to subtract the training samples' mean per channel (the last axis) and divide by their
            standard deviation. By default integer samples are normalised and float samples are taken as they are.
        seed: Chooses the 15 % of the training samples that become validation samples where the source has none.

    Raises:
        DataError: The source is missing, cannot be read without unpickling, or its arrays do not fit together.
        MissingDependencyError: The package that holds the built-in data set is not installed.
    """
    text = str(source)
    if text == "watch":
        return load_watch(normalize=normalize is not False)
    if text.endswith(".npz") or Path(text).is_file():
        name, arrays = Path(text).stem, _load_npz(Path(text))
    elif _ENTRY_POINT.fullmatch(text):
        name, arrays = text, _call_entry_point(text)
    else:
        raise DataError(
            f"unknown data {text!r}: expected 'watch', the path of an .npz file, or 'module:function'; "
            f"{nearest(text, ['watch'])}"
        )
    return _dataset(name, arrays, text, normalize, seed)


def load_calibration(
    source: str | Path, *, normalize: bool | None = None, seed: int = 0
) -> Dataset | dict[str, np.ndarray]:
    """Load what calibrates a model: a data set, or samples without labels for a model of several inputs.

    Args:
        source: As for `load_data`; or an `.npz` with one array of samples per input of the model, by the input's name.
        normalize: As for `load_data`; samples without labels are taken as they are.
        seed: As for `load_data`.

    Raises:
        DataError: As for `load_data`; or an array does not hold samples of numbers.
    """
    path = Path(source)
    if path.suffix != ".npz":
        return load_data(source, normalize=normalize, seed=seed)
    arrays = _load_npz(path)
    if not arrays or not arrays.keys().isdisjoint(_ARRAYS):
        return _dataset(path.stem, arrays, str(source), normalize, seed)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not array.ndim:
            raise DataError(
                f"bad data in {path}: expected numbers of shape (samples, ...) in {name}, "
                f"received {array.dtype} of shape {array.shape}"
            )
    return arrays


def _dataset(name: str, arrays: dict[str, Any], source: str, normalize: bool | None, seed: int) -> Dataset:
    _check_names(list(arrays), source)
    integers = np.asarray(arrays["x_train"]).dtype.kind in "iu"
    dataset = checked(_with_validation(name, arrays, seed))
    return standardized(dataset) if (integers if normalize is None else normalize) else dataset


def _load_npz(path: Path) -> dict[str, Any]:
    if not path.is_file():
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
                "save plain arrays with numpy.savez"
            ) from error
        raise DataError(f"bad data in {path}: expected an .npz archive of arrays, received {error}") from error
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.error, KeyError) as error:
        raise DataError(f"bad data in {path}: the file is truncated or no .npz archive ({error})") from error


def _call_entry_point(text: str) -> dict[str, Any]:
    module, function = text.split(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
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
            f"bad data from {text!r}: expected a mapping with {', '.join(_ARRAYS)}, or "
            f"((x_train, y_train), (x_test, y_test)); received {type(result).__name__}"
        ) from error
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _check_names(names: list[str], source: str) -> None:
    missing = [name for name in _ARRAYS if name not in names]
    if "x_val" in names and "y_val" not in names:
        missing.append("y_val")
    if missing:
        raise DataError(
            f"bad data in {source}: expected arrays {', '.join(_ARRAYS)}, missing {', '.join(missing)}; "
            f"received {', '.join(sorted(names)) or 'none'}"
        )


def _with_validation(name: str, arrays: dict[str, Any], seed: int) -> Dataset:
    known: dict[str, Any] = {
        key: np.asarray(arrays[key]) for key in (*_ARRAYS, *_OPTIONAL_ARRAYS) if arrays.get(key) is not None
    }
    names = known.pop("class_names", None)
    description = f"{name}, split as given"
    check_counts(known["x_train"], known["y_train"], "train", name)
    if "x_val" not in known:
        chosen = np.random.default_rng(seed).permutation(len(known["y_train"])) < 0.15 * len(known["y_train"])
        known["x_val"], known["y_val"] = known["x_train"][chosen], known["y_train"][chosen]
        known["x_train"], known["y_train"] = known["x_train"][~chosen], known["y_train"][~chosen]
        description = f"{name}, 15 % of the training samples drawn for validation with seed {seed}"
    if names is None:
        labels = known["y_train"]
        count = int(labels.max()) + 1 if labels.dtype.kind in "iu" and labels.size else 0
        names = [str(i) for i in range(count)]
    return Dataset(name, class_names=tuple(map(str, names)), description=description, **known)
