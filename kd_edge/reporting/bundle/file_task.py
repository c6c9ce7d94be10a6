"""What a `.tflite` file says of its outputs and its input."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kd_edge.data.front_end import FrontEnd
from kd_edge.data.options import SEVERAL
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, ModelError
from kd_edge.reporting.bundle.settings import Scale
from kd_edge.reporting.bundle.sources.output_sources import whole_output
from tflite_bench.model.info import ModelInfo, TensorInfo

_FIELDS = {"names": str, "units": str, "mean": float, "deviation": float}


def file_task(said: Mapping[str, Any], info: ModelInfo, *, probabilities: bool) -> Task:
    """Return what a file was made for, by its metadata; without them outputs are numbered.

    Args:
        said: The metadata, from `read_metadata`.
        info: The file, read.
        probabilities: Whether its outputs are probabilities; see `numbers_classes`.

    Raises:
        ModelError: The metadata do not fit the output, or are damaged.
    """
    source, target = info.input_tensors[0], whole_output(info)
    try:
        task = _said_task(said) or _numbered(target, probabilities)
    except (ConfigError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise ModelError(f"cannot bundle: expected metadata of kd_edge, received damaged ones: {error}") from error
    expected = task.num_outputs(source.shape)
    if expected != target.num_elements:
        raise ModelError(
            f"cannot bundle: expected an output of {expected} numbers as the file's metadata say, received "
            f"{target.num_elements}"
        )
    return task


def names_outputs(said: Mapping[str, Any]) -> bool:
    """Return whether a file's metadata say what its outputs mean."""
    return bool(said.get("outputs") or said.get("output") or said.get("class_names"))


def numbers_classes(target: TensorInfo, probabilities: bool) -> bool:
    """Return whether an output without names tells one of several classes, a single number the second of two.

    Probabilities along more than the last dimension answer more than once: at each place of an image, say.

    Args:
        target: The output.
        probabilities: Whether it holds probabilities.
    """
    return probabilities and target.num_elements == (target.shape or (1,))[-1]


def file_scale(said: Mapping[str, Any], info: ModelInfo) -> Scale | None:
    """Return mean and deviation that a file's metadata give for its input: one for all values, or one per channel.

    Args:
        said: The metadata, from `read_metadata`.
        info: The file, read.

    Raises:
        ModelError: There are others.
    """
    read = said.get("input")
    if not isinstance(read, Mapping) or "mean" not in read:
        return None
    shape, count = info.input_tensors[0].shape, len(read["mean"])
    if count not in (1, *shape[-1:]):
        raise ModelError(
            f"cannot scale samples as the file's metadata say: expected 1 mean, or one for each channel of an input of "
            f"shape {shape}, received {count}"
        )
    return tuple(map(float, read["mean"])), tuple(map(float, read["deviation"]))


def file_front_end(said: Mapping[str, Any]) -> FrontEnd | None:
    """Return what computes the samples of a file from sound, as its metadata say; `None` where they say nothing of it.

    Args:
        said: The metadata, from `read_metadata`.
    """
    told = (said.get("input") or {}).get("front_end")
    return None if told is None else FrontEnd(**{setting.name: told[setting.name] for setting in fields(FrontEnd)})


def _said_task(said: Mapping[str, Any]) -> Task | None:
    if several := said.get("outputs"):
        parts = tuple(_output_task(output) for output in several)
        return Task(SEVERAL, tuple(str(output["name"]) for output in several), parts=parts)
    output = said.get("output")
    if output:
        return _output_task(output)
    names = said.get("class_names")
    return Task("multiclass", tuple(map(str, names))) if names else None


def _output_task(output: Mapping[str, Any]) -> Task:
    if output["task"] == "reconstruction":
        return Task("reconstruction", ("normal", "anomaly"))
    given = {name: tuple(map(kind, output.get(name) or ())) for name, kind in _FIELDS.items()}
    return Task(output["task"], **given, threshold=output.get("threshold", 0.5))


def _numbered(target: TensorInfo, probabilities: bool) -> Task:
    count = target.num_elements
    if numbers_classes(target, probabilities):
        names = tuple(f"class {number}" for number in range(max(count, 2)))
        return Task("binary" if count == 1 else "multiclass", names)
    return Task("regression", tuple(f"output {number}" for number in range(count)))
