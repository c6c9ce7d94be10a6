"""What a `.tflite` file says about itself: its classes, what its input and output mean, where it comes from."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ai_edge_litert import schema_py_generated as schema

from kd_edge.conversion.metadata_checks import check_fits, check_form
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from tflite_bench.model.info import ModelInfo, TensorInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import is_window
from tflite_bench.model.writer import has_all_constants, pack, unpack

if TYPE_CHECKING:
    import keras

NAME = "KD_EDGE_METADATA"
MEANINGS = {True: "probability", False: "logit"}
"""What numbers for classes and labels are, by whether they are probabilities."""
# What is written for every data set: provenance, the words around it, the flatbuffer's tables.
_FRAME_BYTES = 700


def describe(
    content: bytes,
    data: Dataset | None,
    *,
    provenance: Mapping[str, Any],
    classifies: bool = True,
    outputs: Sequence[str] = (),
    probabilities: Any = None,
) -> dict[str, Any]:
    """Return what `add_metadata` should write into a file; the same input gives the same description.

    Args:
        content: Bytes of the `.tflite` file, for the scales of its inputs; one `input`, or several `inputs` in the
            file's order.
        data: The samples that it is for; without them the description names no classes, no task and no meaning of the
            input. What does not describe the file is left out, see `unlike`.
        provenance: Plain data on how the file was made.
        classifies: Whether its outputs are classes of the data, where there are as many.
        outputs: Names of the file's outputs in its order, for data of several.
        probabilities: Whether its answers for classes and labels are probabilities; of several outputs a mapping of
            their names to that. By default its operators tell.
    """
    info = read_model(content)
    sources = info.input_tensors
    if len(sources) > 1:
        inputs: dict[str, Any] = {"inputs": [{"name": source.name, **_input(source, None)} for source in sources]}
    else:
        reads = data is not None and _reads(info, data)
        inputs = {"input": _input(sources[0], data if reads else None)}
    if data is None:
        return {**inputs, "provenance": dict(provenance)}
    said = _said(info, data, outputs, probabilities) if classifies and _answers(info, data, outputs) else {}
    return {**said, **inputs, "provenance": {"data": data.name, **provenance}}


def unlike(content: bytes, data: Dataset, *, outputs: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what of a data set does not describe a file, so that its metadata leave it out: a sentence each.

    Args:
        content: Bytes of the `.tflite` file.
        data: The samples that it was converted with.
        outputs: As for `describe`.
    """
    info, said = read_model(content), []
    if data.task.parts and not _answers(info, data, outputs):
        said.append(
            f"the tasks are left out of the metadata: expected the outputs {', '.join(data.task.names)} of "
            f"{data.name}, received {', '.join(outputs)}"
        )
    elif not _answers(info, data, outputs):
        shapes = ", ".join(str(info.tensors[index].shape) for index in info.outputs)
        is_multiclass = data.task.kind == "multiclass"
        what = "class names are" if is_multiclass else f"the task {data.task.kind!r} is"
        wanted = f"{data.num_classes} classes" if is_multiclass else f"{data.num_outputs} numbers"
        said.append(
            f"{what} left out of the metadata: expected one output of {wanted} as in {data.name}, received {shapes}"
        )
    if len(info.inputs) == 1 and not _reads(info, data):
        said.append(
            f"the meaning of the input is left out of the metadata: expected samples of shape {data.input_shape} as in "
            f"{data.name}, received {info.input_tensors[0].shape[1:]}"
        )
    return tuple(said)


def _answers(info: ModelInfo, data: Dataset, outputs: Sequence[str]) -> bool:
    """Return whether the file has outputs with as many numbers as the task of the data needs, of several by name."""
    shapes = [info.tensors[index].shape for index in info.outputs]
    if data.task.parts:
        wanted = {name: part.num_outputs for name, part in data.by_output.items()}
        return len(outputs) == len(shapes) and wanted == dict(zip(outputs, map(math.prod, shapes), strict=True))
    if len(shapes) != 1 or math.prod(shapes[0]) != data.num_outputs:
        return False
    return data.task.kind == "reconstruction" or shapes[0][-1] == data.num_outputs


def _said(info: ModelInfo, data: Dataset, outputs: Sequence[str], probabilities: Any) -> dict[str, Any]:
    """Return the names of classes, or the task with what its answers mean, of several outputs for each."""
    if data.task.parts:
        parts = data.task.by_output
        known = [(probabilities or {}).get(name) for name in outputs]
        described = [_output(info, parts[name], i, known[i]) for i, name in enumerate(outputs)]
        return {"outputs": [{"name": name, **output} for name, output in zip(outputs, described, strict=True)]}
    if data.task.kind == "multiclass":
        return {"class_names": data.class_names}
    return {"output": _output(info, data.task, 0, probabilities)}


def _output(info: ModelInfo, task: Task, place: int, probabilities: bool | None) -> dict[str, Any]:
    target = info.output_tensors[place]
    said: dict[str, Any] = {"task": task.kind, "dtype": target.dtype, "shape": target.shape}
    if target.scales:
        said |= {"scale": target.scales[0], "zero_point": target.zero_points[0]}
    if task.classifies or task.kind == "multilabel":
        known = file_answers_probabilities(info, place) if probabilities is None else probabilities
        said |= {"meaning": MEANINGS[known], "names": task.names, "threshold": task.threshold}
    elif task.kind == "regression":
        meaning = "(value - mean) / deviation" if task.mean else "the values as they are"
        said |= {"meaning": meaning, "names": task.names, "units": task.units}
        said |= {"mean": task.mean, "deviation": task.deviation} if task.mean else {}
    else:
        said |= {"meaning": "the input, reconstructed", "score": "mean square of output - input, of real numbers"}
    return said


def _reads(info: ModelInfo, data: Dataset) -> bool:
    return info.input_tensors[0].shape[1:] == data.input_shape or is_window(info, data.input_shape)


def _input(source: TensorInfo, data: Dataset | None) -> dict[str, Any]:
    given: dict[str, Any] = {"dtype": source.dtype, "shape": source.shape}
    if source.scales:
        given |= {"scale": source.scales[0], "zero_point": source.zero_points[0]}
    if data is not None:
        given |= _meaning(data)
        if source.scales:
            given["meaning"] += "; raw = round(that / scale) + zero_point"
    return given


def _meaning(data: Dataset) -> dict[str, Any]:
    sound = {} if data.front_end is None else {"front_end": asdict(data.front_end)}
    values, value = ("the features of sound", "feature") if sound else ("the values", "value")
    if data.scale is None:
        return {"meaning": f"{values} as they are"} | sound
    mean, deviation = data.scale
    return {"meaning": f"({value} - mean) / deviation, per channel", "mean": mean, "deviation": deviation} | sound


def add_metadata(content: bytes, description: Mapping[str, Any]) -> bytes:
    """Return a `.tflite` file with a metadata entry of JSON; runtimes do not read it, the file grows by it.

    Args:
        content: Bytes of the file.
        description: Plain data, from `describe` or of your own.

    Raises:
        ModelFileError: The bytes are no usable model.
        ModelError: The file keeps its constants outside the flatbuffer, as only files over 2 GB do.
    """
    read_model(content)
    model = unpack(content)
    if not has_all_constants(model):
        raise ModelError("cannot add metadata: expected constants inside the flatbuffer, received a file beyond 2 GB")
    buffer = schema.BufferT()
    buffer.data = list(json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode())
    entry = schema.MetadataT()
    entry.name, entry.buffer = NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return pack(model)


def weights_sha256(model: "keras.Model") -> str:
    """Return the SHA-256 of a network's weights, which the provenance of its files has."""
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


def check_origin(content: bytes, student: "keras.Model") -> None:
    """Check that a file was made of a student, as far as the file tells: one of a compressed student does not.

    Args:
        content: Bytes of the file.
        student: The float student.

    Raises:
        ModelError: The file was made of another one.
    """
    made = (read_metadata(content) or {}).get("provenance", {})
    expected = made.get("weights_sha256") if made.get("compress", "none") == "none" else None
    if expected is not None and (received := weights_sha256(student)) != expected:
        raise ModelError(
            f"the file was not made of student {student.name!r}: expected weights of SHA-256 {expected[:8]}, received "
            f"{received[:8]}; give the student that was converted, or convert this one"
        )


def is_described(info: ModelInfo) -> bool:
    """Return whether a file has what `add_metadata` writes."""
    return NAME in info.metadata


def metadata_bytes(data: Dataset) -> int:
    """Return how many bytes the description of a data set takes in a file, or a few more, before there is one.

    Args:
        data: The samples that the file will be for.
    """
    said = [data.name, asdict(data.task), data.scale]
    said += [] if data.front_end is None else [asdict(data.front_end)]
    return _FRAME_BYTES + len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())


def reads_raw_values(content: bytes) -> bool | None:
    """Return whether a `.tflite` file says that it reads values as they are, `None` where it says nothing of them."""
    source = read_model(content).input_tensors[0]
    if not source.scales and "int" in source.dtype:
        return True
    read = (read_metadata(content) or {}).get("input")
    if not isinstance(read, Mapping) or not {"meaning", "mean"} & set(read):
        return None
    return "mean" not in read


def read_metadata(content: bytes) -> dict[str, Any] | None:
    """Return what `add_metadata` wrote into a `.tflite` file, `None` where there is nothing of it.

    Raises:
        ModelFileError: The bytes are no usable model.
        ModelError: The entry is damaged, or describes another output than the file has.
    """
    info = read_model(content)
    if not is_described(info):
        return None
    root = schema.Model.GetRootAs(content)
    entries = [root.Metadata(index) for index in range(root.MetadataLength())]
    index = next(entry.Buffer() for entry in entries if entry.Name() == NAME.encode())
    try:
        found = json.loads(root.Buffers(index).DataAsNumpy().tobytes() if index < root.BuffersLength() else b"")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"bad metadata {NAME}: expected JSON, received {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"bad metadata {NAME}: expected a JSON object, received {type(found).__name__}")
    check_form(found, NAME)
    check_fits(found, NAME, info)
    return found
