"""The test vectors of a bundle: which samples, and what the model's outputs for them say."""

from dataclasses import dataclass

import numpy as np

from kd_edge.conversion.file_outputs import micro_outputs, reference_outputs
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.anomaly import anomaly_scores
from kd_edge.data.metrics.regression import in_units
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.tolerance import one_answer_passes
from tflite_bench.errors import RuntimeMissingError
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import has_resources, in_steps, is_window

NUM_VECTORS = 10
_SEED = 0
_PROVES_LITTLE = "; one answer passes for all, so that the check proves little: take samples of other answers by --data"


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Samples with what the model has to answer.

    Attributes:
        inputs: In the type of the model's input, shape `(vectors, ...)`.
        outputs: What the model answers, raw.
        answers: What these say where they are no scores of classes, shape `(vectors, answers)`.
        vectors_of: What the samples are.
        vectors_from: The runtime that answered.
        in_order: Whether they are the first steps of a stream, each answered with what it keeps of those before.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    answers: np.ndarray | None = None
    vectors_of: str = "Test samples"
    vectors_from: str = ""
    in_order: bool = False


def sample_vectors(model: bytes, data: Dataset, settings: Settings) -> Vectors:
    """Return test samples with what a model answers; of a stream the first steps of one, in order.

    Args:
        model: Bytes of the `.tflite` file.
        data: The samples, as the model reads them.
        settings: What its outputs mean.

    Raises:
        ModelError: Outputs, or what they say, are no finite numbers.
    """
    info = read_model(model)
    inputs = quantize(data.x_test[vector_rows(data)], info.input_tensors[0])
    if not is_window(info, data.input_shape):
        return _vectors(model, inputs, settings, f"{len(inputs)} test samples of {data.name}")
    steps = np.concatenate(list(in_steps(inputs[:1], info.input_tensors[0].shape[1])))[:NUM_VECTORS]
    return _vectors(model, steps, settings, f"{len(steps)} steps of a test sample of {data.name}", in_order=True)


def random_vectors(model: bytes, settings: Settings) -> Vectors:
    """Return random inputs with what a model answers, a stream in order: they check the kernels without samples.

    Args:
        model: Bytes of the `.tflite` file.
        settings: What its outputs mean.

    Raises:
        ModelError: Outputs, or what they say, are no finite numbers.
    """
    info = read_model(model)
    source = info.input_tensors[0]
    in_order = has_resources(info) and len(source.shape) > 1
    return _vectors(model, _random_inputs(source), settings, f"{NUM_VECTORS} random inputs", in_order=in_order)


def _random_inputs(tensor: TensorInfo) -> np.ndarray:
    rng = np.random.default_rng(_SEED)
    shape = (NUM_VECTORS, *tensor.shape[1:])
    if not np.issubdtype(np.dtype(tensor.dtype), np.integer):
        return rng.normal(size=shape).astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    # Whole numbers without a scale are the positions of something, of which the first two are always there.
    low, high = (limits.min, limits.max) if tensor.scales else (0, 1)
    return rng.integers(low, high, shape, endpoint=True).astype(tensor.dtype)


def _vectors(
    model: bytes, inputs: np.ndarray, settings: Settings, vectors_of: str, *, in_order: bool = False
) -> Vectors:
    info = read_model(model)
    _check_finite("inputs", inputs, vectors_of)
    outputs, vectors_from = _answered(model, inputs, in_order)
    _check_finite("outputs", outputs, vectors_of)
    answers = None
    if not settings.parts:
        real = dequantize(inputs, info.input_tensors[0]), dequantize(outputs, info.output_tensors[0])
        answers = vector_answers(settings.task, *real, probabilities=settings.probabilities)
    _check_finite("answers", answers, vectors_of)
    if one_answer_passes(outputs, info):
        vectors_of += _PROVES_LITTLE
    return Vectors(inputs, outputs, answers, vectors_of, vectors_from, in_order)


def _check_finite(what: str, values: np.ndarray | None, vectors_of: str) -> None:
    if values is not None and not np.isfinite(values).all():
        raise ModelError(
            f"cannot bundle: expected finite {what} of {vectors_of}, received NaN or infinity; pass --data with others"
        )


def _answered(model: bytes, inputs: np.ndarray, in_order: bool) -> tuple[np.ndarray, str]:
    """Return what a model answers, raw, and the runtime that ran it: TFLM, without it LiteRT."""
    asked = _windows_so_far(inputs) if in_order else [inputs]
    try:
        return np.concatenate([micro_outputs(model, samples) for samples in asked]), "TFLM, reference kernels"
    except RuntimeMissingError:
        outputs, lacks = zip(*(reference_outputs(model, samples) for samples in asked), strict=True)
        return np.concatenate(outputs), f"LiteRT, {'optimised' if any(lacks) else 'reference'} kernels"


def _windows_so_far(steps: np.ndarray) -> list[np.ndarray]:
    """Return for each step of a stream the window of it and those before, after which a run gives its answer."""
    return [steps[: count + 1].reshape(1, -1, *steps.shape[2:]) for count in range(len(steps))]


def vector_rows(data: Dataset) -> np.ndarray:
    """Return the positions of the test samples that are vectors.

    Of classes, sets of labels and anomalies of each in turn; of measured values from the smallest first one to the
    largest; of several outputs as they come.

    Args:
        data: The test samples.
    """
    if data.task.parts:
        return np.linspace(0, len(data.x_test) - 1, min(len(data.x_test), NUM_VECTORS)).astype(int)
    if data.task.kind == "regression":
        order = np.argsort(data.y_test[:, 0], kind="stable")
        return np.asarray(order[np.linspace(0, len(order) - 1, min(len(order), NUM_VECTORS)).astype(int)])
    kinds = data.y_test
    if kinds.ndim > 1:
        kinds = np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1)
    by_kind = [np.flatnonzero(kinds == kind).tolist() for kind in np.unique(kinds)]
    chosen: list[int] = []
    while len(chosen) < NUM_VECTORS and any(by_kind):
        chosen += [samples.pop(0) for samples in by_kind if samples]
    return np.asarray(chosen[:NUM_VECTORS])


def vector_answers(task: Task, inputs: np.ndarray, outputs: np.ndarray, *, probabilities: bool) -> np.ndarray | None:
    """Return what outputs say, as the functions of `model_settings.h` compute it; `None` of classes.

    Args:
        task: What the model was asked.
        inputs: The vectors in real numbers, as the model reads them.
        outputs: Its answers in real numbers.
        probabilities: Whether outputs are probabilities, not logits.

    Returns:
        1 or 0 for a yes and each label, the measured values in their units, the score of an anomaly: shape
        `(vectors, answers)`.
    """
    if task.kind == "multiclass":
        return None
    decisions = task.decisions(outputs, probabilities=probabilities)
    if task.kind == "regression":
        return in_units(decisions, task)
    if task.kind == "reconstruction":
        return anomaly_scores(decisions, inputs)[:, None]
    return decisions.reshape(len(decisions), -1).astype(np.float64)
