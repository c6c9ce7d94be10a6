"""The task that a `.tflite` file tells of itself, and data read as that asks."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kd_edge.conversion.metadata import MEANINGS, read_metadata
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.data.dataset import Dataset, joined
from kd_edge.data.metrics.regression import from_units, in_units
from kd_edge.data.options import SEVERAL
from kd_edge.data.records import as_records
from kd_edge.data.targets import are_numbers, are_raw, as_binary
from kd_edge.data.task import Task
from kd_edge.errors import DataError, DataWarning, ModelError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.quantized_values import dequantize
from tflite_bench.model.reader import read_model


def task_told(content: bytes) -> str | None:
    """Return the kind of task that a file's metadata tell, `None` where they tell of none but classes."""
    return SEVERAL if outputs_told(content) else _output(content).get("task")


def kind_told(content: bytes) -> str | None:
    """Return the same, and `"multiclass"` where they tell of classes; `None` where they tell nothing."""
    return task_told(content) or ("multiclass" if (read_metadata(content) or {}).get("class_names") else None)


def outputs_told(content: bytes) -> dict[str, Mapping[str, Any]]:
    """Return what a file's metadata tell of each of several outputs, by its name in the file's order; else nothing."""
    found = (read_metadata(content) or {}).get("outputs")
    return {str(output["name"]): output for output in found} if isinstance(found, list) else {}


def check_outputs_told(names: Sequence[str], tasks: Mapping[str, Task], info: ModelInfo) -> None:
    """Refuse a file one of whose outputs is not as large as its task needs.

    Args:
        names: Of the outputs, in the file's order.
        tasks: Of each by its name.
        info: The file, read.

    Raises:
        ModelError: The outputs are named in another order, or are others.
    """
    wanted = [tasks[name].num_outputs(()) for name in names]
    sizes = [tensor.num_elements for tensor in info.output_tensors]
    if wanted != sizes:
        listed = ", ".join(f"{name} ({count})" for name, count in zip(names, wanted, strict=True))
        raise ModelError(
            f"cannot read the file's outputs: expected those that it names with as many numbers as their tasks need, "
            f"{listed}, received {', '.join(map(str, sizes))}; `kd-edge convert --data` writes their names in order"
        )


def probabilities_told(content: bytes, output: int = 0) -> bool:
    """Return whether a file's output holds probabilities: as its metadata say, or else as its operators tell.

    Args:
        content: Bytes of the `.tflite` file.
        output: Its place. Defaults to 0.
    """
    told = [*outputs_told(content).values()] or [_output(content)]
    meaning: Any = told[output].get("meaning") if output < len(told) else None
    known = {said: probabilities for probabilities, said in MEANINGS.items()}.get(meaning)
    return file_answers_probabilities(read_model(content), output) if known is None else known


def as_told(content: bytes, data: Dataset) -> Dataset:
    """Return a data set whose task is that of a file, as far as the file tells it.

    Two classes become `"binary"` for a file with one output. A file that tells a threshold, or by which mean and
    deviation its values are to be read, is judged by those; units that the data do not know are the file's. So are
    the names of classes, labels and values.

    Args:
        content: Bytes of the `.tflite` file.
        data: What it is verified with.

    Raises:
        DataError: The data have a name of the file's classes, labels or values in another place.

    Warns:
        DataWarning: They have other names.
    """
    info, told, several = read_model(content), _output(content), outputs_told(content)
    names: Sequence[str] = (read_metadata(content) or {}).get("class_names", ())
    _check_order(names, data)
    if data.task.classifies:
        data = _named(names, data)
    if data.task.parts:
        return joined(data, {name: _told(several.get(name, {}), part) for name, part in data.by_output.items()})
    if data.task.kind == "multiclass" and data.num_classes == 2 and len(info.outputs) == 1:
        data = as_binary(data) if math.prod(info.output_tensors[0].shape) == 1 else data
    return _told(told, data)


def check_task_told(content: bytes, data: Dataset) -> None:
    """Refuse data of another task than a file tells: what it answers would be read as something else.

    Args:
        content: Bytes of the `.tflite` file.
        data: From `as_told`.

    Raises:
        DataError: They are, at one of several outputs or all.
    """
    told = {name: output["task"] for name, output in outputs_told(content).items()}
    kinds = [(told.get(name), part) for name, part in data.by_output.items()]
    if not data.task.parts:
        kinds = [(kind_told(content), data)]
    for kind, part in kinds:
        if kind not in (None, part.task.kind):
            raise DataError(
                f"bad data in {part.name}: expected the task {kind!r}, as the file tells, received {part.task.kind!r}; "
                f"--data-option task={kind} may read them so"
            )


def _check_order(names: Sequence[str], data: Dataset) -> None:
    """Refuse data in which a name of a file means another output: its firmware would name the wrong one."""
    own = list(data.class_names)
    if len(names) == len(own) and any(name in names for name, told in zip(own, names, strict=True) if name != told):
        raise DataError(
            f"bad order of names in {data.name}: expected that of the file, {', '.join(names)}, "
            f"received {', '.join(own)}; number the labels as for its training"
        )


def _named(names: Sequence[str], data: Dataset) -> Dataset:
    """Return data whose classes, labels or values are called as in a file, where both have names for as many."""
    own = data.class_names
    if len(names) != len(own) or tuple(names) == own or are_numbers(names):
        return data
    if not are_numbers(own):
        warnings.warn(
            f"{data.name} has the names {', '.join(own)}, the file {', '.join(names)}: those of the file are taken, "
            "in the order of the numbers",
            DataWarning,
            stacklevel=4,
        )
    return replace(data, class_names=tuple(names), task=replace(data.task, names=tuple(names)))


def _told(told: Mapping[str, Any], data: Dataset) -> Dataset:
    """Return the data of one output as its description in a file has them."""
    if told.get("task") != data.task.kind:
        return data
    names: Sequence[str] = told.get("names", ())
    _check_order(names, data)
    data = _named(names, data)
    if data.task.kind in ("binary", "multilabel"):
        return replace(data, task=replace(data.task, threshold=float(told["threshold"])))
    if data.task.kind != "regression" or len(told["names"]) != len(data.task.names):
        return data
    data = replace(data, task=replace(data.task, units=data.task.units or tuple(told["units"])))
    return _scaled(data, tuple(told.get("mean", ())), tuple(told.get("deviation", ())))


def as_answered(outputs: np.ndarray, data: Dataset, split: str = "train") -> Dataset:
    """Return a data set with measured values in their units where a network answers those.

    Args:
        outputs: What it answers for the first samples of the split, in real numbers.
        data: Of any task; values that were standardized are what may have to be changed.
        split: `"train"`, `"val"` or `"test"`.
    """
    if data.task.kind != "regression" or not data.task.mean:
        return data
    asked = replace(data, y_train=data.targets(split))
    return _scaled(data, (), ()) if are_raw(outputs, asked) else data


def as_file_answers(content: bytes, outputs: np.ndarray, data: Dataset) -> Dataset:
    """Return a data set with measured values in their units where a file that tells no task answers those.

    Args:
        content: Bytes of the `.tflite` file.
        outputs: What it answers for the first test samples, raw.
        data: From `as_told`.
    """
    if task_told(content) is not None or data.task.kind != "regression":
        return data
    return as_answered(dequantize(outputs, read_model(content).output_tensors[0]), data, "test")


def on_scale(decisions: np.ndarray, data: Dataset, task: Task) -> np.ndarray:
    """Return what a network says of the test samples with measured values on the scale of a task, whatever its own is.

    Args:
        decisions: What it says; see `Task.decisions`.
        data: The samples as they were read: the scale that a network has which does not answer in units, unless the
            task tells another one.
        task: That of a file.
    """
    if task.parts:
        parts = data.by_output.items()
        return as_records({name: on_scale(decisions[name], part, task.by_output[name]) for name, part in parts})
    if task.kind != "regression":
        return decisions
    known = _scaled(data, task.mean, task.deviation) if task.mean else data
    own = as_answered(decisions, known, "test").task
    if (own.mean, own.deviation) == (task.mean, task.deviation):
        return decisions
    return from_units(in_units(decisions, own), task)


def _scaled(data: Dataset, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Dataset:
    """Return a regression with values less a mean, divided by a deviation; in their units where there are none."""
    if (mean, deviation) == (data.task.mean, data.task.deviation):
        return data
    task = replace(data.task, mean=mean, deviation=deviation)
    values: dict[str, Any] = {}
    for name in ("y_train", "y_val", "y_test"):
        values[name] = from_units(in_units(getattr(data, name), data.task), task).astype(np.float32)
    return replace(data, task=task, **values)


def _output(content: bytes) -> Mapping[str, Any]:
    found = (read_metadata(content) or {}).get("output")
    return found if isinstance(found, Mapping) else {}
