"""What the real runtimes say about a `.tflite` file, whatever the board and its budget."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kd_edge.clone.layer_names import LayerNames, layer_of, names_of
from kd_edge.conversion.answer_reader import AnswerReader, OutputsReader, anomaly_threshold, reader_of, scores_as_read
from kd_edge.conversion.converter import convert
from kd_edge.conversion.file_outputs import fast_outputs, reference_outputs
from kd_edge.conversion.metadata import check_origin
from kd_edge.conversion.told_task import as_file_answers, as_told, check_task_told, on_scale
from kd_edge.cost.refusals import find_refusals
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.outputs.decisions import answers_probabilities, decisions_of
from kd_edge.distillation.outputs.names import check_outputs
from kd_edge.errors import ModelError, RefusedError
from kd_edge.ir.graph import Graph
from kd_edge.ir.lowering import lower, lower_step
from kd_edge.ir.output_names import output_names
from kd_edge.verification.accuracy import Answers
from kd_edge.verification.parity import Parity, compare
from kd_edge.verification.quantization_noise import OpNoise, measure_noise
from kd_edge.verification.tflm_run import Micro, run_micro
from tflite_bench.errors import RunnerError
from tflite_bench.model.info import ModelInfo, TensorInfo
from tflite_bench.model.precision import precision_of
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import is_window

if TYPE_CHECKING:
    import keras

_NUM_NOISE_SAMPLES = 32
_OPS_OF_A_DYNAMIC_BATCH = ("SHAPE", "STRIDED_SLICE", "PACK")


@dataclass(frozen=True, eq=False)
class Observation:
    """A file that was run, and what is known of it on any board.

    Attributes:
        model: Bytes of the file.
        info: Its content.
        data: The samples, with the task that the file tells.
        micro: What TFLM said.
        answers: What file, float student and teacher answer for the test samples.
        parity: LiteRT against TFLM, `None` without TFLM.
        noise: What quantization adds to the output of each op.
        threshold: From which reconstruction error on a sample is an anomaly; `None` of other tasks.
        graph: What costs are predicted from.
        predicted_from: `"student"` or `"file"`.
        precision: In which numbers the file computes.
        warnings: What a conversion would better have avoided.
        unavailable_reason: Why figures are `None` or estimates, by their names.
    """

    model: bytes
    info: ModelInfo
    data: Dataset
    micro: Micro
    answers: Answers
    parity: Parity | None
    noise: tuple[OpNoise, ...]
    threshold: float | None
    graph: Graph
    predicted_from: str
    precision: str
    warnings: tuple[str, ...]
    unavailable_reason: Mapping[str, str]


def observe(
    model: bytes, data: Dataset, *, student: "keras.Model | None" = None, teacher: "keras.Model | None" = None
) -> Observation:
    """Run a file on the test samples in LiteRT and TFLM, beside its float student and the teacher.

    Args:
        model: As for `verify`, like the others, and with the same errors.
        data: Its test samples are run.
        student: The float student.
        teacher: The trained teacher.
    """
    info, given = read_model(model), data
    data = as_told(model, given)
    check_signature(info, data)
    check_task_told(model, data)
    names = names_of(student)
    if student is not None:
        check_origin(model, student)
    for network in (student, teacher):
        if network is not None:
            check_outputs(network, data)
    reader_of(model, data.task)  # before it is run: does the file name several outputs?
    source = info.input_tensors[0]
    samples = quantize(data.x_test, source)
    (outputs, lack), micro = _run_both(model, info, samples, names)
    reasons = dict(micro.unavailable_reason)
    frames = frames_of(info, data)
    float_model = None if student is None else convert(student, quantize="none", stream=frames)
    data = as_file_answers(model, outputs, data)
    reader, threshold = reader_of(model, data.task), anomaly_threshold(model, data)
    decisions, networks = reader.decisions(outputs), _float_answers(data, student, float_model, reasons)
    if teacher is not None:
        networks["teacher"] = decisions_of(teacher, data, "test")
    answers = Answers(
        int8_litert=decisions,
        int8_tflm=None if micro.outputs is None else reader.decisions(micro.outputs),
        **{name: on_scale(said, given, data.task) for name, said in networks.items()},
        scores=None if threshold is None else scores_as_read(decisions, data.x_test, source),
    )
    says = _says(reader, data, threshold, source)
    parity = None if micro.outputs is None else compare(model, samples, outputs, micro.outputs, names=names, says=says)
    precision = precision_of(info)
    graph, predicted_from = _graph(model, precision, student, reasons, frames)
    return Observation(
        model=model,
        info=info,
        data=data,
        micro=micro,
        answers=answers,
        parity=parity,
        noise=_noise(model, float_model, data, names),
        threshold=threshold,
        graph=graph,
        predicted_from=predicted_from,
        precision=precision,
        warnings=(*_warnings(info, names), *_says_step(frames, data), *filter(None, [lack])),
        unavailable_reason=reasons,
    )


def check_signature(info: ModelInfo, data: Dataset, *, refusal: str = "cannot verify") -> None:
    """Refuse a file whose input or outputs do not belong to the data; `refusal` begins the message.

    Raises:
        ModelError: They do not.
    """
    wanted = len(data.task.parts) or 1
    if len(info.inputs) != 1 or len(info.outputs) != wanted:
        raise ModelError(
            f"{refusal}: expected one input and {'one output' if wanted == 1 else f'{wanted} outputs'}, received "
            f"{len(info.inputs)} and {len(info.outputs)}"
        )
    shape = info.tensors[info.inputs[0]].shape[1:]
    if shape != data.input_shape and not is_window(info, data.input_shape):
        raise ModelError(f"{refusal}: the model reads samples of shape {shape}, {data.name} has {data.input_shape}")
    if data.task.parts:
        return
    shape = info.tensors[info.outputs[0]].shape
    if math.prod(shape) != data.num_outputs:
        raise ModelError(
            f"{refusal}: the model has {math.prod(shape)} outputs per sample (shape {shape}), {data.name} has "
            f"{_asked(data)}"
        )


def _asked(data: Dataset) -> str:
    if data.task.kind == "multiclass":
        return f"{data.num_classes} classes"
    return f"the task {data.task.kind!r}, which needs {data.num_outputs}"


def _says(
    reader: AnswerReader | OutputsReader, data: Dataset, threshold: float | None, source: TensorInfo
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what tells of raw outputs what they say; `None` of measured values, which say no more than they are."""
    if threshold is not None:
        return lambda outputs: scores_as_read(reader.decisions(outputs), data.x_test, source) > threshold
    if not data.task.parts:
        return None if data.task.kind == "regression" else reader.decisions
    deciding = [name for name, part in data.task.by_output.items() if part.decides]
    return (lambda outputs: reader.decisions(outputs)[deciding]) if deciding else None


def _run_both(
    model: bytes, info: ModelInfo, samples: np.ndarray, names: LayerNames
) -> tuple[tuple[np.ndarray, str | None], Micro]:
    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(run_micro, model, info, samples, names=names)
        return _run_litert(model, info, samples, names), other.result()


def _run_litert(model: bytes, info: ModelInfo, samples: np.ndarray, names: LayerNames) -> tuple[np.ndarray, str | None]:
    try:
        return reference_outputs(model, samples)
    except RunnerError as error:
        refusals = find_refusals(model, info=info)
        if not refusals:
            raise
        custom = {op.name: layer_of(info, op, names) for op in reversed(info.ops) if op.custom}
        listed = ", ".join(f"{op} (layer {layer!r})" for op, layer in custom.items())
        told = f"the file has custom operators, {listed}; " if custom else ""
        raise RefusedError(f"broken: {told}no runtime here runs it: {refusals[0]}; {error}") from error


def _warnings(info: ModelInfo, names: LayerNames) -> tuple[str, ...]:
    dynamic = sum(-1 in tensor.shape_signature for tensor in info.tensors)
    ops = {op.name: layer_of(info, op, names) for op in reversed(info.ops) if op.name in _OPS_OF_A_DYNAMIC_BATCH}
    if not dynamic:
        return ()
    listed = "".join(f", {op} (layer {layer!r})" for op, layer in ops.items())
    return (f"{dynamic} tensors have a size that may change{listed}; `kd-edge convert` fixes the batch to 1",)


def _says_step(frames: int | None, data: Dataset) -> tuple[str, ...]:
    if frames is None:
        return ()
    window = data.input_shape[0]
    return (
        f"a stream: {frames} of a window's {window} frames at a step; MACs, latency and arena are those of a step, the "
        "answers those after a window's last step",
    )


def frames_of(info: ModelInfo, data: Dataset) -> int | None:
    """Return how many frames of a window a file reads at a step; `None` of one that reads the samples whole."""
    return info.input_tensors[0].shape[1] if is_window(info, data.input_shape) else None


def _graph(
    model: bytes, precision: str, student: "keras.Model | None", reasons: dict[str, str], frames: int | None
) -> tuple[Graph, str]:
    """Return what costs are predicted from: a student is lowered as int8, so it says nothing of another file."""
    if student is not None and precision != "int8":
        reasons["predicted_from"] = f"a student predicts an int8 file, this one is {precision}"
    elif student is not None:
        try:
            return (lower(student) if frames is None else lower_step(student, frames)), "student"
        except ModelError as error:
            reasons["predicted_from"] = str(error)
    return lower(model), "file"


def _float_answers(
    data: Dataset, student: "keras.Model | None", float_model: bytes | None, reasons: dict[str, str]
) -> dict[str, np.ndarray]:
    if student is None or float_model is None:
        names = ("float_keras", "float_tflite", "noise", "accuracy_loss")
        reasons |= dict.fromkeys(names, "no float student was given (--student)")
        return {}
    samples = quantize(data.x_test, read_model(float_model).input_tensors[0])
    named = output_names(student) if data.task.parts else ()
    reader = reader_of(float_model, data.task, outputs=named, probabilities=answers_probabilities(student, data))
    decisions = reader.decisions(fast_outputs(float_model, samples))
    return {"float_keras": decisions_of(student, data, "test"), "float_tflite": decisions}


def _noise(model: bytes, float_model: bytes | None, data: Dataset, names: LayerNames) -> tuple[OpNoise, ...]:
    if float_model is None:
        return ()
    return measure_noise(model, float_model, data.x_test[:_NUM_NOISE_SAMPLES], names=names)
