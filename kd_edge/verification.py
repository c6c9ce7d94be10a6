"""Checks a `.tflite` file in the real runtimes against its budget, its float student and what was predicted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kd_edge.budget import Budget
from kd_edge.conversion import convert
from kd_edge.cost import Cost, CostModel
from kd_edge.data import Dataset
from kd_edge.devices import DeviceProfile
from kd_edge.errors import ModelError
from kd_edge.lowering import lower
from kd_edge.memory import arena_bytes
from tflite_bench import litert, tflm
from tflite_bench.errors import RuntimeMissingError
from tflite_bench.model import ModelInfo, TensorInfo, read_model

if TYPE_CHECKING:
    import keras

HOST_POINTER_BYTES = 8
# LiteRT's reference kernels round dense layers in float, TFLM in integers: a logit may differ by one step.
MAX_DISAGREEMENT = 0.01

_ARENA_FIGURES = ("arena_bytes", "arena_persistent_bytes", "arena_nonpersistent_bytes", "arena_minimum_bytes")


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: `passed` is `None` where it could not be made."""

    passed: bool | None
    measured: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of test samples classified right, 0 to 1; `None` where the model was not run.

    Attributes:
        float_keras: The float student in Keras.
        float_tflite: The float student as a `.tflite` file in LiteRT.
        int8_litert: The file in LiteRT.
        int8_tflm: The file in TFLM.
    """

    float_keras: float | None
    float_tflite: float | None
    int8_litert: float
    int8_tflm: float | None


@dataclass(frozen=True, slots=True)
class Parity:
    """How LiteRT (reference kernels) and TFLM agree on the test samples.

    Attributes:
        num_samples: Samples compared.
        num_identical: Samples with bit for bit the same outputs.
        max_difference: Largest difference of one output, in steps of the output's quantization.
        agreement: Share of samples for which both name the same class.
    """

    num_samples: int
    num_identical: int
    max_difference: int
    agreement: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What the real file and the real TFLM interpreter need on a 64-bit host; a board's pointers are half as large.

    Attributes:
        flash_bytes: Size of the file.
        arena_bytes: What TFLM's arena holds after one inference: the sum of the next two.
        arena_persistent_bytes: TFLM's structures.
        arena_nonpersistent_bytes: Activations.
        arena_minimum_bytes: Smallest arena in which the model really starts and runs; it may need more to start.
    """

    flash_bytes: int
    arena_bytes: int | None
    arena_persistent_bytes: int | None
    arena_nonpersistent_bytes: int | None
    arena_minimum_bytes: int | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What the runtimes said about a `.tflite` file.

    Attributes:
        passed: Whether no gate failed.
        gates: The checks by name.
        accuracy: Of the float and the quantized student.
        parity: LiteRT against TFLM, `None` without TFLM.
        predicted: The cost model's figures for the device.
        predicted_host_arena_bytes: Its arena for a 64-bit host, comparable with `measured`.
        measured: Bytes of the file and of the arena.
        confusion: Test samples per true class (rows) and class named by the int8 file in LiteRT (columns).
        unavailable_reason: Why a figure is `None`, by the figure's name.
    """

    passed: bool
    gates: Mapping[str, Gate]
    accuracy: Accuracy
    parity: Parity | None
    predicted: Cost
    predicted_host_arena_bytes: int
    measured: Measured
    confusion: tuple[tuple[int, ...], ...]
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)


def verify(
    model: bytes,
    data: Dataset,
    *,
    device: DeviceProfile,
    budget: Budget,
    student: "keras.Model | None" = None,
    max_accuracy_loss: float = 0.02,
) -> Verification:
    """Run a quantized classifier in LiteRT and TFLM, and compare with budget, float student and prediction.

    Args:
        model: Bytes of the `.tflite` file: one input, logits or probabilities as its only output.
        data: Its test samples are run.
        device: The board that costs are predicted for.
        budget: The limits.
        student: The float student, for its accuracy and for a prediction that has not seen the file.
        max_accuracy_loss: Largest accepted difference of the float student's and the file's accuracy.

    Raises:
        ModelError: The file's input or output does not belong to the data.
        ModelFileError: The bytes are no `.tflite` model.
        RunnerError: A runtime refuses the file.
    """
    info = read_model(model)
    _check_signature(info, data)
    reasons: dict[str, str] = {}
    samples = quantize(data.x_test, info.tensors[info.inputs[0]])
    outputs = litert.run_outputs(model, samples, reference_kernels=True)
    tflm_outputs, measured = _run_tflm(model, samples, reasons)
    accuracy = _accuracies(data, outputs, tflm_outputs, student, reasons)
    graph = lower(student) if student is not None else lower(model)
    predicted = CostModel(device).estimate(graph)
    parity = None if tflm_outputs is None else _compare(outputs, tflm_outputs)
    gates = _gates(budget, predicted, measured, accuracy, parity, max_accuracy_loss)
    return Verification(
        passed=all(gate.passed is not False for gate in gates.values()),
        gates=gates,
        accuracy=accuracy,
        parity=parity,
        predicted=predicted,
        predicted_host_arena_bytes=arena_bytes(graph, pointer_bytes=HOST_POINTER_BYTES).arena_bytes,
        measured=measured,
        confusion=_confusion(data, outputs),
        unavailable_reason=reasons,
    )


def quantize(samples: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """Return samples in the type, scale and zero point of a model's input.

    The formula is TensorFlow Lite's 8-bit quantization specification: `real = scale * (quantized - zero point)`.
    """
    if not tensor.scales:
        return samples.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(samples / np.float32(tensor.scales[0])) + tensor.zero_points[0]
    return np.clip(steps, limits.min, limits.max).astype(tensor.dtype)


def _check_signature(info: ModelInfo, data: Dataset) -> None:
    if len(info.inputs) != 1 or len(info.outputs) != 1:
        raise ModelError(
            f"cannot verify: expected one input and one output, received {len(info.inputs)} and {len(info.outputs)}"
        )
    shape = info.tensors[info.inputs[0]].shape[1:]
    if shape != data.input_shape:
        raise ModelError(f"cannot verify: the model reads samples of shape {shape}, {data.name} has {data.input_shape}")
    classes = info.tensors[info.outputs[0]].shape[-1]
    if classes != data.num_classes:
        raise ModelError(f"cannot verify: the model has {classes} outputs, {data.name} has {data.num_classes} classes")


def _run_tflm(model: bytes, samples: np.ndarray, reasons: dict[str, str]) -> tuple[np.ndarray | None, Measured]:
    try:
        outputs = tflm.run_outputs(model, samples)
        arena = tflm.measure_arena(model, minimum=True)
    except RuntimeMissingError as error:
        reasons |= dict.fromkeys(("int8_tflm", "parity", *_ARENA_FIGURES), str(error))
        return None, Measured(len(model), **dict.fromkeys(_ARENA_FIGURES))
    sizes = (arena.arena_bytes, arena.persistent_bytes, arena.nonpersistent_bytes, arena.minimum_bytes)
    return outputs, Measured(len(model), **dict(zip(_ARENA_FIGURES, sizes, strict=True)))


def _accuracies(
    data: Dataset,
    outputs: np.ndarray,
    tflm_outputs: np.ndarray | None,
    student: "keras.Model | None",
    reasons: dict[str, str],
) -> Accuracy:
    def share(scores: np.ndarray) -> float:
        return float(np.mean(scores.reshape(len(scores), -1).argmax(axis=1) == data.y_test))

    float_keras = float_tflite = None
    if student is None:
        reasons["float_keras"] = reasons["float_tflite"] = "no float student was given (--student)"
    else:
        float_keras = share(student.predict(data.x_test, batch_size=256, verbose=0))
        float_tflite = share(litert.run_outputs(convert(student, quantize="none"), data.x_test))
    int8_tflm = None if tflm_outputs is None else share(tflm_outputs)
    return Accuracy(float_keras, float_tflite, share(outputs), int8_tflm)


def _compare(outputs: np.ndarray, tflm_outputs: np.ndarray) -> Parity:
    one, other = (scores.reshape(len(scores), -1).astype(np.int64) for scores in (outputs, tflm_outputs))
    difference = np.abs(one - other).max(axis=1)
    return Parity(
        num_samples=len(one),
        num_identical=int((difference == 0).sum()),
        max_difference=int(difference.max()),
        agreement=float(np.mean(one.argmax(axis=1) == other.argmax(axis=1))),
    )


def _gates(
    budget: Budget,
    predicted: Cost,
    measured: Measured,
    accuracy: Accuracy,
    parity: Parity | None,
    max_accuracy_loss: float,
) -> dict[str, Gate]:
    loss = None if accuracy.float_keras is None else accuracy.float_keras - accuracy.int8_litert
    return {
        "flash_bytes": _at_most(measured.flash_bytes, budget.flash_bytes),
        "ram_bytes": _at_most(_needed_arena_bytes(measured), budget.ram_bytes),
        "latency_ms": _at_most(predicted.latency_ms, budget.latency_ms),
        "accuracy_loss": _at_most(loss, max_accuracy_loss),
        "runtime_disagreement": _at_most(None if parity is None else 1 - parity.agreement, MAX_DISAGREEMENT),
    }


def _needed_arena_bytes(measured: Measured) -> int | None:
    sizes = [size for size in (measured.arena_bytes, measured.arena_minimum_bytes) if size is not None]
    return max(sizes, default=None)


def _at_most(measured: float | None, limit: float | None) -> Gate:
    passed = None if measured is None or limit is None else measured <= limit
    return Gate(passed, measured, limit)


def _confusion(data: Dataset, outputs: np.ndarray) -> tuple[tuple[int, ...], ...]:
    named = outputs.reshape(len(outputs), -1).argmax(axis=1)
    table = np.zeros((data.num_classes, data.num_classes), np.int64)
    np.add.at(table, (data.y_test, named), 1)
    return tuple(map(tuple, table.tolist()))
