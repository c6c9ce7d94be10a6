"""What a network is asked for, found from the labels or given, and the labels in the form of that task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kd_edge.data.checks.labels import check_labels
from kd_edge.data.dataset import Dataset, joined
from kd_edge.data.labels import as_text, numbered, word
from kd_edge.data.options import SEVERAL, SourceOptions
from kd_edge.data.records import as_records
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, DataError

# Of the error of a constant answer: a network with more may be untrained, so that its scale says nothing.
_TRAINED = 0.9
_ANOMALIES = ("normal", "anomaly")
# What labels and measured values are called that have no names.
_WORDS = {"multilabel": "label", "regression": "value"}
# Of their mean: measured values that differ by less may be a constant that was computed.
_LEAST_DEVIATION = 1e-8


def targets_of(
    labels: Mapping[str, Any],
    names: Sequence[str] | None,
    *,
    task: str | None,
    units: Sequence[str] | None,
    source: str,
) -> tuple[dict[str, np.ndarray], Task | None]:
    """Return labels, or measured values, as a task has them, and the task; `None` of one of several classes.

    Rows of 0 and 1, of which not every one has exactly one 1, are labels that may hold together. Everything else that
    is no class has to be said by `task`.

    Args:
        labels: By the arrays' names; `y_train` may be missing of a reconstruction alone. Of several outputs mappings of
            their names to labels.
        names: Of the classes, the labels or the measured values; or `None`. Of several outputs a mapping.
        task: What was asked for, as in `SourceOptions`; or `None`.
        units: Of the measured values, one each; or `None`.
        source: What error messages name.

    Raises:
        DataError: The labels are not such as the task has them.
    """
    if any(isinstance(values, Mapping) for values in labels.values()):
        return _of_outputs(labels, names, task=task, source=source)
    if asked := SourceOptions(task=task).tasks:
        first = next(iter(asked))
        raise DataError(
            f"bad data in {source}: expected labels for each of the outputs {', '.join(asked)}, such as "
            f"y_train_{first}, received one array of labels, y_train"
        )
    arrays = {name: np.asarray(values) for name, values in labels.items()}
    names = None if names is None else list(map(word, names))
    listed = names or []
    if twice := [name for name in dict.fromkeys(listed) if listed.count(name) > 1]:
        raise DataError(f"bad data in {source}: expected class_names that differ, received {twice[0]!r} twice")
    kind = task or ("multilabel" if _hold_together(arrays["y_train"]) else "multiclass")
    if kind == "multilabel":
        return arrays, Task(kind, _names(arrays["y_train"], names, source, _WORDS[kind]))
    if kind == "regression":
        found = _names(arrays["y_train"], names, source, _WORDS[kind])
        if units is not None and len(units) != len(found):
            raise DataError(
                f"bad data in {source}: expected {len(found)} units, one for each measured value, received {len(units)}"
            )
        return arrays, Task(kind, found, tuple(units or ()))
    if kind == "reconstruction":
        return _anomalies(arrays, source), Task(kind, _ANOMALIES)
    if kind == "binary":
        arrays = {name: _whole(array) for name, array in arrays.items()}
    numbers, known = numbered(arrays, names, source)
    if kind == "multiclass":
        return numbers, None if known is None else Task(kind, tuple(map(word, known)))
    known = tuple(map(word, ("0", "1") if known is None else known))
    if len(known) != 2:
        raise DataError(
            f"bad data in {source}: expected two classes for the task 'binary', received {', '.join(known)}"
        )
    return numbers, Task(kind, known)


def standardized_values(data: Dataset) -> Dataset:
    """Return a regression whose values are less the training samples' mean, divided by their standard deviation.

    The task holds both, so that what a network answers can be told in the units that were measured. Another task is
    left as it is.

    A value that is the same for all training samples is less that value, divided by 1, beside others that differ.

    Raises:
        DataError: They are no numbers, are the same for all training samples, or differ by less or more than their
            deviation can say.
    """
    if data.task.parts:
        return joined(data, {name: standardized_values(part) for name, part in data.by_output.items()})
    if data.task.kind != "regression":
        return data
    values = check_labels(data.y_train, "y_train", data.task, data.name, precise=True)
    mean, deviation = _mean_and_deviation(values, data)
    changed: dict[str, Any] = {}
    for name in ("y_train", "y_val", "y_test"):
        rows = check_labels(getattr(data, name), name, data.task, data.name, precise=True)
        with np.errstate(over="ignore"):  # infinity is refused as such
            changed[name] = ((rows - mean) / deviation).astype(np.float32)
    task = replace(data.task, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))
    return replace(data, **changed, task=task)


def _mean_and_deviation(values: np.ndarray, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return those of each measured value of the training samples; the value itself and 1 of one that is constant."""
    constant = (values == values[0]).all(axis=0)
    if constant.all():
        raise DataError(
            f"bad data in {data.name}: expected measured values that differ in y_train, received "
            f"{', '.join(f'{value:g}' for value in values[0, :10])} for all {len(values)} samples"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = values.mean(axis=0), values.std(axis=0)
    if not np.isfinite(deviation).all():
        raise DataError(
            f"bad data in {data.name}: expected measured values of which 64 bits hold the deviation in y_train, "
            f"received {np.abs(values).max():g}; choose another unit"
        )
    if (lost := np.flatnonzero(~constant & (deviation <= _LEAST_DEVIATION * np.abs(mean)))).size:
        column = values[:, lost[0]].tolist()
        raise DataError(
            f"bad data in {data.name}: expected measured values that differ in y_train, received some from "
            f"{min(column)!r} to {max(column)!r}; subtract a constant from them"
        )
    return np.where(constant, values[0], mean), np.where(constant, 1.0, deviation)


def as_binary(data: Dataset) -> Dataset:
    """Return a data set of two classes as one that asks for one logit, that of the second class."""
    return replace(data, task=Task("binary", data.class_names))


def are_raw(outputs: np.ndarray, data: Dataset) -> bool:
    """Return whether answers for the first training samples are nearer to the values in their units.

    Args:
        outputs: Shape `(samples, values)`.
        data: A regression whose values were standardized.
    """
    return _scale_of(outputs, data) == "units"


def are_standardized(outputs: np.ndarray, data: Dataset) -> bool:
    """Return whether they are nearer to the standardized values, and nearer to these than one answer for all."""
    return _scale_of(outputs, data) == "standardized"


def _scale_of(outputs: np.ndarray, data: Dataset) -> str:
    """Return on which scale answers are, `"units"` or `"standardized"`; `""` where they are no better than constant."""
    standardized = data.y_train[: len(outputs)]
    told = (outputs.reshape(standardized.shape) - data.task.mean) / data.task.deviation
    guess = np.median(standardized, axis=0) * np.ones_like(standardized)
    answers = told, outputs.reshape(standardized.shape), guess
    error, other, constant = (float(np.abs(answer - standardized).mean()) for answer in answers)
    if min(error, other) >= _TRAINED * constant:
        return ""
    return "units" if error < other else "standardized"


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether classes, labels or values are called as those are that nobody named."""
    count = len(names)
    return tuple(names) in (_numbers(count), *(_counted_words(word, count) for word in _WORDS.values()))


def counted(labels: np.ndarray) -> Task:
    """Return the task of several classes that have no names."""
    count = int(labels.max()) + 1 if labels.dtype.kind in "iu" and labels.size else 0
    return Task("multiclass", _numbers(count))


def _of_outputs(
    labels: Mapping[str, Any], names: Any, *, task: str | None, source: str
) -> tuple[dict[str, np.ndarray], Task]:
    """Return records of labels, and the task of all outputs."""
    outputs = {name: list(values) if isinstance(values, Mapping) else [] for name, values in labels.items()}
    first = outputs["y_train"]
    if not first or any(set(found) != set(first) for found in outputs.values()):
        listed = ", ".join(f"{', '.join(found) or 'one array'} in {name}" for name, found in outputs.items())
        raise DataError(f"bad data in {source}: expected labels for the same outputs in each split, received {listed}")
    said = SourceOptions(task=task).tasks
    if strange := (set(said) - set(first) or ({task} if task and not said else set())):
        raise ConfigError(
            f"bad option 'task' of the data {source!r}: expected tasks of the outputs {', '.join(first)}, such as "
            f"'{first[0]}:regression', received {sorted(map(str, strange))[0]!r}"
        )
    if names is not None and (not isinstance(names, Mapping) or set(names) - set(first)):
        wrong = ", ".join(sorted(set(names) - set(first))) if isinstance(names, Mapping) else "one list"
        raise DataError(
            f"bad data in {source}: expected class_names of the outputs {', '.join(first)}, received {wrong}"
        )
    tasks, columns = [], {}
    for name in first:
        own = {split: values[name] for split, values in labels.items()}
        known = names.get(name) if isinstance(names, Mapping) else None
        place = f"{source}, output {name!r}"
        columns[name], found = targets_of(own, known, task=said.get(name), units=None, source=place)
        found = counted(columns[name]["y_train"]) if found is None else found
        tasks.append(replace(found, names=(name,)) if found.kind == "regression" and len(found.names) == 1 else found)
    records = {
        split: as_records({name: columns[name][split] for name in first}, f"{source}, {split}") for split in labels
    }
    return records, Task(SEVERAL, tuple(first), parts=tuple(tasks))


def _hold_together(y: np.ndarray) -> bool:
    """Return whether rows are labels that may hold together; rows with one 1 each are classes."""
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
        return False
    return bool((y.sum(axis=1) != 1).any())


def _names(y: np.ndarray, given: Sequence[str] | None, source: str, word: str) -> tuple[str, ...]:
    count = y.shape[1] if y.ndim == 2 else 1
    if given is None:
        return _counted_words(word, count)
    if len(given) != count:
        raise DataError(
            f"bad data in {source}: expected {count} class_names, one for each {word}, received {len(given)}"
        )
    return tuple(given)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _counted_words(word: str, count: int) -> tuple[str, ...]:
    return (word,) if count == 1 else tuple(f"{word} {i}" for i in range(count))


def _whole(array: np.ndarray) -> np.ndarray:
    """Return floats that are 0 or 1 as integers."""
    return array.astype(np.int64) if array.dtype.kind == "f" and np.isin(array, (0, 1)).all() else array


def _anomalies(arrays: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Return 0 for each normal sample, 1 for an anomaly; samples that train are of one class, which is normal."""
    arrays = {name: as_text(array, name, source) for name, array in arrays.items()}
    if "y_train" not in arrays:
        normal = _normal_of(arrays, source)
    else:
        classes = np.unique(arrays["y_train"])
        if len(classes) != 1:
            raise DataError(
                f"bad data in {source}: expected training samples of one class, of which a network learns what is "
                f"normal, received {', '.join(map(str, classes[:10]))}; move the anomalies to the test samples"
            )
        normal = classes[0]
    return {name: (array.ravel() != normal).astype(np.int64) for name, array in arrays.items()}


def _normal_of(arrays: Mapping[str, np.ndarray], source: str) -> Any:
    """Return what normal samples are called where no training sample says it."""
    for name, array in arrays.items():
        said = np.unique(array).tolist()
        known = ("0", "1", "False", "True", "0.0", "1.0") if array.dtype.kind in "biuf" else _ANOMALIES
        if strange := [value for value in said if str(value) not in known]:
            raise DataError(
                f"bad data in {source}: expected 0 for a normal sample and 1 for an anomaly in {name}, or these words, "
                f"received {strange[0]!r}; or say what is normal by y_train"
            )
    words = any(array.dtype.kind not in "biuf" for array in arrays.values())
    return _ANOMALIES[0] if words else 0
