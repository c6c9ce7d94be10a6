"""A data set, its arrays checked against each other."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kd_edge.data.checks.labels import check_labels
from kd_edge.data.checks.samples import check_samples
from kd_edge.data.front_end import FrontEnd
from kd_edge.data.given_arrays import as_array, as_arrays
from kd_edge.data.labels import word
from kd_edge.data.options import SEVERAL
from kd_edge.data.records import as_records
from kd_edge.data.splits.groups import GROUPS, check_groups, numbered_groups
from kd_edge.data.storage import chunks, is_mapped, release, room_for
from kd_edge.data.task import Task
from kd_edge.errors import DataError

_SAMPLES = ("x_train", "x_val", "x_test", "x_unlabeled")
_ARRAYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "x_unlabeled", *GROUPS)
_CLASSES = Task("multiclass", ())


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and what a network is asked to say of them, checked.

    Attributes:
        name: What the data set is called in reports.
        x_train: Training samples, shape `(samples, ...)`: float32, or uint8 where those were not scaled.
        y_train: Labels, int64, shape `(samples,)`, from 0 to `num_classes - 1`. Of several labels at once, 0 or 1
            each, shape `(samples, labels)`; measured values, float32, shape `(samples, values)`; of a reconstruction 0
            for a normal sample, 1 for an anomaly. Of several outputs a mapping of their names to such arrays, which
            becomes an array of records, see `as_records`.
        x_val: Validation samples.
        y_val: Their labels.
        x_test: Test samples.
        y_test: Their labels.
        class_names: One name per class.
        scale: Mean and standard deviation per channel that were applied to the raw values, `None` where none were.
        description: Where the samples come from and how they were split.
        x_unlabeled: Further training samples, without labels; a teacher labels them. `None` where there are none.
        group_train: A number per training sample, the same for samples that belong together, such as those of one
            person, patient or device: int64, shape `(samples,)`. `None` where nothing is known.
        group_val: The same of the validation samples.
        group_test: The same of the test samples: the intervals of what is measured on them draw whole groups.
        class_weight: Weight of each class in a training; `None` where all count alike. See `with_class_weight`.
        integers: Whether the raw values are integers.
        front_end: What computed the samples from sound; `None` where nothing did.
        task: What a network is asked for. Defaults to `"multiclass"`, the classes named by `class_names`; of any other
            task those are its own names.
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
    x_unlabeled: np.ndarray | None = None
    group_train: np.ndarray | None = None
    group_val: np.ndarray | None = None
    group_test: np.ndarray | None = None
    class_weight: tuple[float, ...] | None = None
    integers: bool = False
    front_end: FrontEnd | None = None
    task: Task = _CLASSES

    def __post_init__(self) -> None:
        if self.task.kind == "multiclass":
            object.__setattr__(self, "class_names", _as_names(self.class_names, self.name))
            object.__setattr__(self, "task", Task("multiclass", self.class_names))
        else:
            object.__setattr__(self, "class_names", self.task.names)
        for name in _ARRAYS:
            if (values := getattr(self, name)) is not None:
                array = as_arrays(values, name, self.name)
                array = as_records(array, f"{self.name}, {name}") if isinstance(array, Mapping) else array
                object.__setattr__(self, name, array)

    @property
    def num_outputs(self) -> int:
        """How many numbers a network answers with."""
        return self.task.num_outputs(self.input_shape)

    @property
    def by_output(self) -> "dict[str, Dataset]":
        """The samples with what each of several outputs should say of them, by its name; of one output none."""
        return {name: self._of_output(name, task) for name, task in self.task.by_output.items()}

    @property
    def heads(self) -> dict[str, int]:
        """How many numbers each of several outputs has, by its name; of one output none."""
        return {name: part.num_outputs(self.input_shape) for name, part in self.task.by_output.items()}

    def _of_output(self, name: str, task: Task) -> "Dataset":
        labels: dict[str, Any] = {split: getattr(self, split)[name] for split in ("y_train", "y_val", "y_test")}
        return replace(self, **labels, name=f"{self.name}, output {name!r}", task=task, class_names=task.names)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x_train.shape[1:])

    def targets(self, split: str) -> np.ndarray:
        """Return what a network should answer for the samples of `"train"`, `"val"` or `"test"`.

        Labels, measured values, or of a reconstruction the samples.
        """
        array: np.ndarray = getattr(self, f"{'x' if self.task.kind == 'reconstruction' else 'y'}_{split}")
        return array

    def weights_of(self, labels: np.ndarray) -> np.ndarray | None:
        """Return the weight of each sample in a training, that of its class: float32; `None` where all count alike."""
        return None if self.class_weight is None else np.asarray(self.class_weight, np.float32)[labels]

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the shape, type and values of each array that there is, by its name; computed once."""
        return {name: _digest(array) for name in _ARRAYS if (array := getattr(self, name)) is not None}

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of everything: arrays, names, scale, description, weights."""
        task = None if self.task.kind == "multiclass" else self.task
        more = [fact for fact in (self.class_weight, self.front_end, task) if fact is not None]
        facts = (self.name, self.description, self.class_names, self.scale, self.digests, *more)
        return hashlib.sha256(repr(facts).encode()).hexdigest()


def _as_names(names: Any, source: str) -> tuple[str, ...]:
    if isinstance(names, tuple):
        return names
    listed: Any = [] if names is None or isinstance(names, str) else as_array(names, "class_names", source)
    if np.ndim(listed) != 1 or not len(listed):
        raise DataError(f"bad data in {source}: expected a name for each class as class_names, received {names!r}")
    return tuple(map(word, listed))


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.shape} {array.dtype} ".encode())
    for chunk in chunks(array):
        digest.update(np.ascontiguousarray(array[chunk]).reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def checked(data: Dataset) -> Dataset:
    """Return the data set with float32 samples, or uint8 where they are that, and int64 labels or float32 values.

    Raises:
        DataError: The arrays do not fit together.
    """
    fixed: dict[str, Any] = {}
    _check_names(data)
    groups = {name: array for name in GROUPS if (array := getattr(data, name)) is not None}
    numbered = numbered_groups(groups, data.name)
    samples = {name: array for name in _SAMPLES if (array := getattr(data, name)) is not None}
    check_samples(samples, data.name)
    for split in ("train", "val", "test"):
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        check_counts(x, y, split, data.name)
        fixed[f"y_{split}"] = check_labels(y, f"y_{split}", data.task, data.name)
        if (group := f"group_{split}") in numbered:
            fixed[group] = check_groups(numbered[group], len(y), data.name, group)
    if data.x_unlabeled is not None and data.task.kind == "reconstruction":
        raise DataError(
            f"bad data in {data.name}: expected no x_unlabeled, since a reconstruction needs no labels, received "
            "some; add the normal ones to x_train"
        )
    fixed |= {name: x if x.dtype == np.uint8 else _as_floats(x) for name, x in samples.items()}
    return replace(data, **fixed)


def _check_names(data: Dataset) -> None:
    """Raise where an array is missing, classes or the like share a name, or weights are not those of the classes."""
    if missing := [name for name in _ARRAYS[:6] if getattr(data, name) is None]:
        raise DataError(f"bad data in {data.name}: expected an array as {missing[0]}, received none")
    for task in (data.task, *data.task.parts):
        if twice := [name for name in dict.fromkeys(task.names) if task.names.count(name) > 1]:
            raise DataError(f"bad data in {data.name}: expected class_names that differ, received {twice[0]!r} twice")
        if ending := [name for name in task.names if "\0" in name]:
            raise DataError(
                f"bad data in {data.name}: expected class_names without NUL, which ends text in C, received "
                f"{ending[0]!r}; rename it"
            )
    wanted = data.num_classes if data.task.classifies else 0
    if data.class_weight is not None and len(data.class_weight) != wanted:
        raise DataError(
            f"bad data in {data.name}: expected a class_weight for each of {wanted} classes, received "
            f"{len(data.class_weight)}"
        )


def joined(data: Dataset, parts: Mapping[str, Dataset]) -> Dataset:
    """Return a data set of several outputs with labels and tasks of changed `by_output`."""
    labels: dict[str, Any] = {
        split: as_records({name: getattr(part, split) for name, part in parts.items()})
        for split in ("y_train", "y_val", "y_test")
    }
    return replace(data, **labels, task=Task(SEVERAL, tuple(parts), parts=tuple(part.task for part in parts.values())))


def check_single(data: Dataset, what: str) -> None:
    """Refuse data of several outputs where they are not known yet.

    Args:
        data: The data.
        what: Where.

    Raises:
        DataError: There are several.
    """
    if data.task.parts:
        raise DataError(
            f"{what} knows one output: expected data of one task, received {data.name} with "
            f"{', '.join(data.task.names)}; leave it out"
        )


def check_counts(x: np.ndarray, y: np.ndarray, split: str, name: str) -> None:
    """Raise unless there are as many samples as labels."""
    num_samples, num_labels = len(np.atleast_1d(x)), len(np.atleast_1d(y))
    if num_samples != num_labels:
        raise DataError(
            f"bad data in {name}: expected as many samples as labels, "
            f"received {num_samples} in x_{split} and {num_labels} in y_{split}"
        )


def _as_floats(x: np.ndarray) -> np.ndarray:
    if not is_mapped(x):
        return x.astype(np.float32)
    return x if x.dtype == np.float32 else _filled(x, lambda rows: rows)


def _filled(x: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return changed samples as float32, chunk by chunk."""
    filled = room_for(x.shape, np.float32, mapped=is_mapped(x) or None)
    for rows in chunks(x):
        filled[rows] = change(x[rows])
        release(filled)
    return filled


def standardized(data: Dataset) -> Dataset:
    """Return the samples less the training samples' mean per channel, divided by their standard deviation."""
    axes = tuple(range(data.x_train.ndim - 1))
    x = data.x_train
    if not is_mapped(x):
        return scaled(data, x.mean(axes, np.float64), x.std(axes, np.float64))
    count = x.size / x.shape[-1]
    mean = sum(x[rows].sum(axes, np.float64) for rows in chunks(x)) / count
    squares = sum(np.square(x[rows] - mean).sum(axes) for rows in chunks(x))
    return scaled(data, mean, np.sqrt(squares / count))


# Of the mean: what 32 bits cannot tell from a constant, in whatever unit.
_LEAST_SPREAD = 1e-8


def scaled(data: Dataset, mean: np.ndarray, deviation: np.ndarray) -> Dataset:
    """Return the samples less `mean`, divided by `deviation` where they vary; both have a number per channel."""
    deviation = np.where(deviation > _LEAST_SPREAD * np.abs(mean), deviation, 1.0)
    changed = _changed(data, lambda rows: (rows - mean) / deviation)
    return replace(changed, scale=(tuple(mean.tolist()), tuple(deviation.tolist())))


def unscaled(data: Dataset) -> Dataset:
    """Return the raw values of samples that are integers.

    They are exact where they differ from their mean by less than 2**23 and are no larger than 2**24, the whole numbers
    that 32 bits hold; of larger ones the leading 24 bits are right.
    """
    if data.scale is None or not data.integers:
        return data
    mean, deviation = np.asarray(data.scale)
    return replace(_changed(data, lambda rows: np.rint(rows * deviation + mean)), scale=None)


def _changed(data: Dataset, change: Callable[[np.ndarray], np.ndarray]) -> Dataset:
    samples: dict[str, Any] = {
        name: _filled(array, change) for name in _SAMPLES if (array := getattr(data, name)) is not None
    }
    return replace(data, **samples)
