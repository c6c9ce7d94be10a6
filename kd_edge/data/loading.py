"""Data sets by name: a built-in one, a file, or a Python function."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.arrays import ARRAYS
from kd_edge.data.dataset import Dataset
from kd_edge.data.model_inputs import answers_one_number, integer_reader
from kd_edge.data.options import SourceOptions
from kd_edge.data.overlaps import with_overlaps_told
from kd_edge.data.sources import csv_file, entry_point, folder, npz, smartwatch
from kd_edge.data.sources.npz import read_npz
from kd_edge.data.sources.registry import DataSource, registered_sources
from kd_edge.data.targets import as_binary
from kd_edge.errors import ConfigError, DataError, nearest

# Asked in this order.
_BUILT_IN = (smartwatch.SOURCE, folder.SOURCE, csv_file.SOURCE, npz.SOURCE, entry_point.SOURCE)
# What they read as floats is the same whether or not it may be scaled.
_SCALE_INTEGERS_ALONE = (folder.SOURCE, csv_file.SOURCE, npz.SOURCE, entry_point.SOURCE)


def load_data(
    source: str | Path,
    *,
    normalize: bool | None = None,
    seed: int = 0,
    models: Iterable[Any] = (),
    options: SourceOptions | None = None,
    told_task: str | None = None,
) -> Dataset:
    """Load a data set and check it.

    Args:
        source: `"watch"`; a folder of images or `.wav` files by class, or of the arrays below as `.npy` files, which
            are mapped into memory; a `.csv` file; an `.npz` with `x_train, y_train, x_test, y_test` and optionally
            `x_val, y_val`, `x_unlabeled` (samples without labels), `group_train`, `group_val`, `group_test` (an integer
            or a name per sample, such as its person) and `class_names`; or `"module:function"`, a function without
            arguments that returns a `Dataset`, a mapping with these names, `((x_train, y_train), (x_test, y_test))` as
            `keras.datasets` do, or a mapping of `train, test` and maybe `val` to a `tf.data.Dataset` or a
            `keras.utils.PyDataset` of batches. See docs/data.md.
        normalize: Whether to subtract the training samples' mean per channel (the last axis) and divide by their
            standard deviation. By default float samples are taken as they are, and integer samples are normalised
            unless one of `models` makes sense of integers itself.
        seed: Chooses the 15 % of the training samples that become validation samples where the source has none; whole
            groups where it names groups.
        models: Keras models, or paths of `.keras` or `.h5` files, that will read the samples; see `integer_reader`.
            Where one answers with one number, two classes are a `"binary"` task.
        options: How it is read.
        told_task: What else says the task, as in `SourceOptions`, such as the metadata of a file. It counts where
            `options` say none and the source can be asked for one.

    Raises:
        ConfigError: An option means nothing to this source, or `normalize` or `seed` is none.
        DataError: The source is missing, cannot be read without unpickling, or its arrays do not fit together.
        MissingDependencyError: The package that holds the built-in data set is not installed.

    Warns:
        DataWarning: Splits share samples or groups; the description of the data says it, too.
    """
    text = str(source)
    _check_given(normalize, seed)
    sources = (*registered_sources(), *_BUILT_IN)
    for known in sources:
        if known.accepts(text):
            options, models = options or SourceOptions(), list(models)
            if options.task is None and "task" in known.options:
                options = replace(options, task=told_task)
            data = _read(known, text, normalize, seed, models, options)
            two = options.task is None and data.task.kind == "multiclass" and data.num_classes == 2
            return with_overlaps_told(as_binary(data) if two and any(map(answers_one_number, models)) else data)
    *others, last = (known.expected for known in sources)
    hint = nearest(text, [known.word for known in sources if known.word])
    raise DataError(f"unknown data {text!r}: expected {', '.join(others)}, or {last}; {hint}")


def load_calibration(
    source: str | Path,
    *,
    normalize: bool | None = None,
    seed: int = 0,
    models: Iterable[Any] = (),
    options: SourceOptions | None = None,
) -> Dataset | dict[str, np.ndarray]:
    """Load what calibrates a model: a data set, or samples without labels for a model of several inputs.

    Args:
        source: As for `load_data`; or an `.npz` with one array of samples per input of the model, by the input's name.
        normalize: As for `load_data`; samples without labels are taken as they are.
        seed: As for `load_data`.
        models: As for `load_data`.
        options: As for `load_data`.

    Raises:
        DataError: As for `load_data`; or an array does not hold samples of numbers.
    """
    path = Path(source)
    if path.suffix != ".npz":
        return load_data(source, normalize=normalize, seed=seed, models=models, options=options)
    arrays = read_npz(path)
    if not arrays or not arrays.keys().isdisjoint(ARRAYS):
        return load_data(source, normalize=normalize, seed=seed, models=models, options=options)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not array.ndim:
            raise DataError(
                f"bad data in {path}: expected numbers of shape (samples, ...) in {name}, "
                f"received {array.dtype} of shape {array.shape}"
            )
    return arrays


def _check_given(normalize: object, seed: object) -> None:
    if normalize is not None and not isinstance(normalize, bool | np.bool_):
        raise ConfigError(f"bad normalize: expected True, False or None, received {normalize!r}")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"bad seed: expected a whole number of 0 or more, received {seed!r}")


def _read(
    source: DataSource,
    text: str,
    normalize: bool | None,
    seed: int,
    models: Iterable[Any],
    options: SourceOptions,
) -> Dataset:
    """Return the data; raw integers where a model makes sense of them itself and nobody decided otherwise."""
    if normalize is None and any(map(integer_reader, models)):
        raw = source.read(text, False, seed, options)
        if raw.integers or source in _SCALE_INTEGERS_ALONE:
            return raw
    return source.read(text, normalize, seed, options)
