"""Data sets: a built-in one, an `.npz` file, or the user's own function."""

import importlib
import importlib.util
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.errors import DataError, MissingDependencyError, nearest

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL_ARRAYS = ("x_val", "y_val", "class_names")
_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

# People of the watch recordings; the teacher and every student are judged on people that none has seen.
_WATCH_TRAIN = (1, 2, 3, 4, 5, 6)
_WATCH_VAL = (7, 8)
_WATCH_TEST = (9, 10)
_WATCH_WINDOW = 128
_WATCH_HOPS = {"train": 32, "val": 64, "test": 64}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples and labels of a classification task, checked.

    Attributes:
        name: What the data set is called in reports.
        x_train: Training samples, float32, shape `(samples, ...)`.
        y_train: Labels, int64, shape `(samples,)`, from 0 to `num_classes - 1`.
        x_val: Validation samples.
        y_val: Their labels.
        x_test: Test samples.
        y_test: Their labels.
        class_names: One name per class.
        scale: Mean and standard deviation per channel that were applied to the raw values, `None` where none were.
        description: Where the samples come from and how they were split.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    scale: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    description: str = ""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x_train.shape[1:])


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
        data = _check(_load_watch())
        return data if normalize is False else _normalized_by_sensor(data)
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
    dataset = _check(_with_validation(name, arrays, seed))
    return _normalized(dataset) if (integers if normalize is None else normalize) else dataset


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


def _load_watch() -> Dataset:
    spec = importlib.util.find_spec("seglearn")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "the data set 'watch' is a file of the package seglearn: pip install 'kd-edge[train]'"
        )
    path = Path(spec.origin).parent / "data" / "watch_dataset.npy"
    # Pickled by an installed package, trusted like that package's code; files of the user are never unpickled.
    recordings = np.load(path, allow_pickle=True).item()
    arrays: dict[str, Any] = {}
    for split, people in (("train", _WATCH_TRAIN), ("val", _WATCH_VAL), ("test", _WATCH_TEST)):
        windows, labels = [], []
        for signal, label, person in zip(recordings["X"], recordings["y"], recordings["subject"], strict=True):
            if person in people:
                cut = _windows(np.asarray(signal, np.float32), _WATCH_WINDOW, _WATCH_HOPS[split])
                windows.append(cut)
                labels.append(np.full(len(cut), label))
        arrays[f"x_{split}"], arrays[f"y_{split}"] = np.concatenate(windows), np.concatenate(labels)
    description = (
        f"smartwatch recordings of the package seglearn, windows of {_WATCH_WINDOW} samples at 50 Hz; "
        f"people {_WATCH_TRAIN} train, {_WATCH_VAL} validate, {_WATCH_TEST} test"
    )
    return Dataset("watch", class_names=tuple(recordings["y_labels"]), description=description, **arrays)


def _normalized_by_sensor(data: Dataset) -> Dataset:
    """Divide by one deviation per sensor and keep the mean, so that a rotated watch still is a rotation of its data."""
    deviations = [data.x_train[..., :3].std(dtype=np.float64)] * 3 + [data.x_train[..., 3:].std(dtype=np.float64)] * 3
    return _scaled(data, np.zeros(6), np.array(deviations))


def _windows(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    return np.stack([signal[start : start + size] for start in range(0, len(signal) - size + 1, hop)])


def _with_validation(name: str, arrays: dict[str, Any], seed: int) -> Dataset:
    known: dict[str, Any] = {
        key: np.asarray(arrays[key]) for key in (*_ARRAYS, *_OPTIONAL_ARRAYS) if arrays.get(key) is not None
    }
    names = known.pop("class_names", None)
    description = f"{name}, split as given"
    _check_counts(known["x_train"], known["y_train"], "train", name)
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


def _check(data: Dataset) -> Dataset:
    fixed: dict[str, Any] = {}
    for split in ("train", "val", "test"):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        fixed[f"x_{split}"] = _check_samples(x, f"x_{split}", data)
        fixed[f"y_{split}"] = _check_labels(y, f"y_{split}", data)
        _check_counts(x, y, split, data.name)
        if split == "train":
            _check_classes(fixed["y_train"], data)
    return replace(data, **fixed)


def _check_counts(x: np.ndarray, y: np.ndarray, split: str, name: str) -> None:
    num_samples, num_labels = len(np.atleast_1d(x)), len(np.atleast_1d(y))
    if num_samples != num_labels:
        raise DataError(
            f"bad data in {name}: expected as many samples as labels, "
            f"received {num_samples} in x_{split} and {num_labels} in y_{split}"
        )


def _check_classes(labels: np.ndarray, data: Dataset) -> None:
    seen = set(labels.tolist())
    if len(seen) < 2:
        raise DataError(f"bad data in {data.name}: expected at least 2 classes in y_train, received {len(seen)}")
    absent = sorted(set(range(data.num_classes)) - seen)
    if absent:
        raise DataError(
            f"bad data in {data.name}: expected training samples of all {data.num_classes} classes, received none of "
            f"class {absent[0]}; number the classes from 0 without gaps"
        )


def _check_samples(x: np.ndarray, name: str, data: Dataset) -> np.ndarray:
    if x.dtype.kind not in "fiu":
        raise DataError(f"bad data in {data.name}: expected numbers in {name}, received dtype {x.dtype}")
    if x.ndim < 2 or not x.size:
        raise DataError(f"bad data in {data.name}: expected {name} of shape (samples, ...), received {x.shape}")
    if x.shape[1:] != data.x_train.shape[1:]:
        raise DataError(
            f"bad data in {data.name}: expected samples of shape {data.x_train.shape[1:]} as in x_train, "
            f"received {x.shape[1:]} in {name}"
        )
    bad = len(x) - int(np.isfinite(x.reshape(len(x), -1)).all(axis=1).sum())
    if bad:
        raise DataError(
            f"bad data in {data.name}: expected finite numbers, received NaN or infinity in {bad} of {len(x)} "
            f"samples of {name}; drop or repair them"
        )
    return x.astype(np.float32)


def _check_labels(y: np.ndarray, name: str, data: Dataset) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"bad data in {data.name}: expected integer labels of shape (samples,) in {name}, received {y.dtype} of "
            f"shape {y.shape}; one-hot labels: pass y.argmax(axis=1)"
        )
    if not y.size:
        raise DataError(f"bad data in {data.name}: expected labels in {name}, received none")
    outside = y[(y < 0) | (y >= data.num_classes)]
    if outside.size:
        raise DataError(
            f"bad data in {data.name}: expected labels from 0 to {data.num_classes - 1} in {name}, "
            f"received {int(outside[0])}"
        )
    return y.astype(np.int64)


def _normalized(data: Dataset) -> Dataset:
    axes = tuple(range(data.x_train.ndim - 1))
    return _scaled(data, data.x_train.mean(axes, np.float64), data.x_train.std(axes, np.float64))


def _scaled(data: Dataset, mean: np.ndarray, deviation: np.ndarray) -> Dataset:
    deviation = np.where(deviation > 1e-8, deviation, 1.0)
    samples = {
        name: ((getattr(data, name) - mean) / deviation).astype(np.float32) for name in ("x_train", "x_val", "x_test")
    }
    return replace(data, **samples, scale=(tuple(mean.tolist()), tuple(deviation.tolist())))
