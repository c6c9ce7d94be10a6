"""The task that a `.tflite` file tells of itself, and data read as that asks."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kd_edge.conversion.metadata import MEANINGS, read_metadata
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.data.dataset import Dataset, joined
from kd_edge.data.metrics.regression import from_units, in_units
from kd_edge.data.options import SEVERAL
from kd_edge.data.records import as_records
from kd_edge.data.targets import are_raw, as_binary
from kd_edge.data.task import Task
from kd_edge.errors import DataError
from tflite_bench.model.quantized_values import dequantize
from tflite_bench.model.reader import read_model


def task_told(content: bytes) -> str | None:
    """Return the kind of task that a file's metadata tell, `None` where they tell of none but classes."""
    return SEVERAL if outputs_told(content) else _output(content).get("task")


def outputs_told(content: bytes) -> dict[str, Mapping[str, Any]]:
    """Return what a file's metadata tell of each of several outputs, by its name in the file's order; else nothing."""
    found = (read_metadata(content) or {}).get("outputs")
    return {str(output["name"]): output for output in found} if isinstance(found, list) else {}


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
    deviation its values are to be read, is judged by those; units that the data do not know are the file's.

    Args:
        content: Bytes of the `.tflite` file.
        data: What it is verified with.

    Raises:
        DataError: The data have the names of the file's classes, labels or values in another order.
    """
    info, told, several = read_model(content), _output(content), outputs_told(content)
    _check_order((read_metadata(content) or {}).get("class_names"), data)
    if data.task.parts:
        return joined(data, {name: _told(several.get(name, {}), part) for name, part in data.by_output.items()})
    if data.task.kind == "multiclass" and data.num_classes == 2 and len(info.outputs) == 1:
        data = as_binary(data) if math.prod(info.output_tensors[0].shape) == 1 else data
    return _told(told, data)


def _check_order(names: object, data: Dataset) -> None:
    """Refuse data in which the names of a file mean other outputs: its firmware would name the wrong ones."""
    own = list(data.class_names)
    if isinstance(names, list) and names != own and sorted(map(str, names)) == sorted(own):
        raise DataError(
            f"bad order of names in {data.name}: expected that of the file, {', '.join(map(str, names))}, "
            f"received {', '.join(own)}; number the labels as for its training"
        )


def _told(told: Mapping[str, Any], data: Dataset) -> Dataset:
    """Return the data of one output as its description in a file has them."""
    if told.get("task") != data.task.kind:
        return data
    _check_order(told.get("names"), data)
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
