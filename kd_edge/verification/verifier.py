"""Checks a `.tflite` file in the real runtimes against its budget, its float student and what was predicted."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from kd_edge.config import MAX_ACCURACY_LOSS
from kd_edge.conversion.answer_reader import AnswerReader, anomaly_threshold, reader_of
from kd_edge.conversion.clone.layer_names import LayerNames, layer_of, names_of
from kd_edge.conversion.converter import convert
from kd_edge.conversion.told_task import as_answered, as_told, task_told
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.energy import Battery, energy_of, no_power
from kd_edge.cost.fit import energy_gates, latency_gate
from kd_edge.cost.gate import HOLDS, verdict_of
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.cost.memory.firmware_ram import reserved_bytes
from kd_edge.cost.model import CostModel, Sizes
from kd_edge.cost.refusals import find_refusals
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.anomaly import anomaly_scores
from kd_edge.distillation.by_task import decisions_of
from kd_edge.errors import ConfigError, ModelError, RefusedError
from kd_edge.ir.graph import Graph
from kd_edge.ir.lowering import lower, lower_step
from kd_edge.verification.accuracy import Answers, accuracy_gates, accuracy_intervals, accuracy_of, classification
from kd_edge.verification.gates import gates_of
from kd_edge.verification.parity import compare
from kd_edge.verification.quantization_noise import OpNoise, measure_noise
from kd_edge.verification.results import Verification
from kd_edge.verification.task_metrics import task_intervals, task_metrics
from kd_edge.verification.tflm_run import MeasuredSizes, Micro, run_micro
from tflite_bench.errors import RunnerError
from tflite_bench.model.precision import precision_of
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import ModelInfo, read_model
from tflite_bench.model.streams import is_window
from tflite_bench.runners import litert

if TYPE_CHECKING:
    import keras

HOST_POINTER_BYTES = 8
_NUM_NOISE_SAMPLES = 32
_OPS_OF_A_DYNAMIC_BATCH = ("SHAPE", "STRIDED_SLICE", "PACK")


def verify(
    model: bytes,
    data: Dataset,
    *,
    device: DeviceProfile,
    budget: Budget,
    student: "keras.Model | None" = None,
    teacher: "keras.Model | None" = None,
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    max_teacher_loss: float | None = None,
    battery: Battery | None = None,
) -> Verification:
    """Run a quantized network in LiteRT and TFLM, and compare with budget, float student and prediction.

    Both runtimes work in child processes at the same time, sample by sample: a crash of theirs is an error here.

    Args:
        model: Bytes of the `.tflite` file: one input, and one output as the data's task has it; logits or probabilities
            of classes and labels. What it tells of its task counts (`as_told`).
        data: Its test samples are run, by a stream step by step from empty buffers, where the last answer counts; of a
            reconstruction training samples, too, for the threshold of anomalies.
        device: The board that costs are predicted for. Where its runtime is not TFLM, TFLM may refuse the file, and
            the arena that TFLM needs is an estimate.
        budget: The limits.
        student: The float student, for its accuracy, the noise of each op, and a prediction that has not seen the file
            where that is int8.
        teacher: The trained teacher, for its accuracy.
        max_accuracy_loss: Largest accepted difference of the float student's and the file's accuracy, or what the
            task's metric is.
        max_teacher_loss: The same of the teacher's and the file's; no limit by default.
        battery: A battery that pays for inferences on the device.

    Raises:
        ConfigError: A loss against the teacher has a limit, and there is no teacher.
        ModelError: The file's input or output does not belong to the data.
        ModelFileError: The bytes are no `.tflite` model.
        RefusedError: LiteRT refuses the file or crashes on it, and so does the device's runtime: it is broken.
        RunnerError: LiteRT alone does.
    """
    if max_teacher_loss is not None and teacher is None:
        raise ConfigError("a loss against the teacher has a limit: expected the teacher, received none; pass teacher=")
    info, data = read_model(model), as_told(model, data)
    _check_signature(info, data)
    names = names_of(student)
    samples = quantize(data.x_test, info.tensors[info.inputs[0]])
    (outputs, lack), micro = _run_both(model, info, samples, names)
    reasons = _estimates(device, micro) | micro.unavailable_reason
    frames = frames_of(info, data)
    float_model = None if student is None else convert(student, quantize="none", stream=frames)
    if task_told(model) is None:
        data = as_answered(dequantize(outputs, info.output_tensors[0]), data, "test")
    reader, threshold = reader_of(model, data.task), anomaly_threshold(model, data)
    answers = Answers(
        int8_litert=reader.decisions(outputs),
        int8_tflm=None if micro.outputs is None else reader.decisions(micro.outputs),
        **_float_answers(data, student, float_model, reasons),
        teacher=None if teacher is None else decisions_of(teacher, data, "test"),
    )
    says = _says(reader, data, threshold)
    parity = None if micro.outputs is None else compare(model, samples, outputs, micro.outputs, names=names, says=says)
    precision = precision_of(info)
    graph, predicted_from = _graph(model, precision, student, reasons, frames)
    predicted, unknown = CostModel(device).estimate_known(graph)
    reasons |= unknown
    host_arena_bytes = arena_bytes(graph, pointer_bytes=HOST_POINTER_BYTES).arena_bytes
    ram_bytes = firmware_bytes(lower(model), device, micro.measured.needed_arena_bytes)
    gates = gates_of(
        info,
        budget,
        latency=latency_gate(predicted, budget, device, unknown=unknown.get("latency_ms", "")),
        micro=micro,
        parity=parity,
        runs_tflm=device.runs_tflm,
        ram_bytes=ram_bytes,
    )
    gates |= energy_gates(predicted, budget, device, unknown=unknown.get("latency_ms", ""))
    gates |= accuracy_gates(answers, data, max_accuracy_loss=max_accuracy_loss, max_teacher_loss=max_teacher_loss)
    energy = energy_of(predicted, device, battery=battery)
    if energy is None:
        reasons["energy"] = unknown.get("latency_ms") or no_power(device)
    verdict = verdict_of(gates.values())
    classified, classified_ci95 = classification(answers, data)
    reasons |= _lacking(data)
    return Verification(
        verdict=verdict,
        passed=verdict == HOLDS,
        gates=gates,
        accuracy=accuracy_of(answers, data),
        accuracy_ci95=accuracy_intervals(answers, data),
        classification=classified,
        classification_ci95=classified_ci95,
        parity=parity,
        noise=_noise(model, float_model, data, names),
        missing_ops=micro.missing_ops,
        warnings=(*_warnings(info, names), *_says_step(frames, data), *filter(None, [lack])),
        predicted=predicted,
        predicted_from=predicted_from,
        precision=precision,
        ram_bytes=ram_bytes,
        predicted_host_arena_bytes=host_arena_bytes,
        prediction_error_percent=_errors(predicted, host_arena_bytes, micro.measured),
        measured=micro.measured,
        confusion=None if classified is None else classified.confusion,
        unavailable_reason=reasons,
        task=data.task.kind,
        task_metrics=task_metrics(answers.int8_litert, data, threshold=threshold),
        task_metrics_ci95=task_intervals(answers.int8_litert, data),
        energy=energy,
    )


def firmware_bytes(graph: Graph, device: DeviceProfile, measured: int | None) -> int:
    """Return the RAM that a firmware reserves for a file.

    Args:
        graph: The file.
        device: The board.
        measured: The smallest arena that TFLM ran it in on this 64-bit PC: what exceeds the computed one is added.
    """
    model = CostModel(device)
    host = arena_bytes(graph, pointer_bytes=HOST_POINTER_BYTES).needed_bytes
    return reserved_bytes(model.needed_arena_bytes(graph) + max(0, (measured or 0) - host))


def _check_signature(info: ModelInfo, data: Dataset) -> None:
    if len(info.inputs) != 1 or len(info.outputs) != 1:
        raise ModelError(
            f"cannot verify: expected one input and one output, received {len(info.inputs)} and {len(info.outputs)}"
        )
    shape = info.tensors[info.inputs[0]].shape[1:]
    if shape != data.input_shape and not is_window(info, data.input_shape):
        raise ModelError(f"cannot verify: the model reads samples of shape {shape}, {data.name} has {data.input_shape}")
    shape = info.tensors[info.outputs[0]].shape
    if math.prod(shape) != data.num_outputs:
        raise ModelError(
            f"cannot verify: the model has {math.prod(shape)} outputs per sample (shape {shape}), {data.name} has "
            f"{_asked(data)}"
        )


def _asked(data: Dataset) -> str:
    if data.task.kind == "multiclass":
        return f"{data.num_classes} classes"
    return f"the task {data.task.kind!r}, which needs {data.num_outputs}"


def _says(reader: AnswerReader, data: Dataset, threshold: float | None) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what tells of raw outputs what they say; `None` of measured values, which say no more than they are."""
    if threshold is not None:
        return lambda outputs: anomaly_scores(reader.decisions(outputs), data.x_test) > threshold
    return None if data.task.kind == "regression" else reader.decisions


def _lacking(data: Dataset) -> dict[str, str]:
    """Return what a task has no figures of, and why."""
    if data.task.classifies:
        return {"task_metrics": f"a {data.task.kind} task is judged class by class: classification"}
    reasons = dict.fromkeys(("classification", "confusion"), f"the task {data.task.kind!r} has no classes")
    if data.task.kind == "regression":
        reasons["agreement"] = "measured values say no more than the outputs, whose largest difference is known"
    if data.task.kind == "reconstruction" and data.y_test.min() == data.y_test.max():
        reasons |= dict.fromkeys(("auc", "partial_auc"), "the test samples are all normal")
    return reasons


def _run_both(
    model: bytes, info: ModelInfo, samples: np.ndarray, names: LayerNames
) -> tuple[tuple[np.ndarray, str | None], Micro]:
    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(run_micro, model, info, samples, names=names)
        return _run_litert(model, info, samples, names), other.result()


def _run_litert(model: bytes, info: ModelInfo, samples: np.ndarray, names: LayerNames) -> tuple[np.ndarray, str | None]:
    try:
        return litert.run_reference(model, samples)
    except RunnerError as error:
        refusals = find_refusals(model, info=info)
        if not refusals:
            raise
        custom = {op.name: layer_of(info, op, names) for op in reversed(info.ops) if op.custom}
        listed = ", ".join(f"{op} (layer {layer!r})" for op, layer in custom.items())
        told = f"the file has custom operators, {listed}; " if custom else ""
        raise RefusedError(f"broken: {told}no runtime here runs it: {refusals[0]}; LiteRT says: {error}") from error


def _estimates(device: DeviceProfile, micro: Micro) -> dict[str, str]:
    """Return why figures of the device are estimates, by their names."""
    reasons = {"latency_ms": f"latency on {device.name} is computed; measuring it needs the board"}
    if not device.runs_tflm and micro.outputs is not None:
        reasons["ram_bytes"] = (
            f"{device.runtime_title} on {device.name} plans memory itself; TFLM's arena is an estimate"
        )
    return reasons


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
    float_tflite = litert.run_outputs(float_model, samples)
    decisions = reader_of(float_model, data.task).decisions(float_tflite)
    return {"float_keras": decisions_of(student, data, "test"), "float_tflite": decisions}


def _noise(model: bytes, float_model: bytes | None, data: Dataset, names: LayerNames) -> tuple[OpNoise, ...]:
    if float_model is None:
        return ()
    return measure_noise(model, float_model, data.x_test[:_NUM_NOISE_SAMPLES], names=names)


def _errors(predicted: Sizes, host_arena_bytes: int, measured: MeasuredSizes) -> dict[str, float]:
    pairs = {
        "flash_bytes": (predicted.flash_bytes, measured.flash_bytes),
        "arena_bytes": (host_arena_bytes, measured.arena_bytes),
    }
    return {name: 100 * (guess / real - 1) for name, (guess, real) in pairs.items() if real}
