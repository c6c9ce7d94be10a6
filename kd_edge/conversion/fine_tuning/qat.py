"""Quantization-aware training with distillation: a student learns to bear int8 before it is converted."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.clone.conversion_errors import reason_of
from kd_edge.clone.layer_names import layer_of, names_of
from kd_edge.clone.short_names import with_short_names
from kd_edge.clone.tflm_operators import with_tflm_operators
from kd_edge.compat.tfmot import quantize_configs, quantize_registry, reset_running_numbers
from kd_edge.conversion.fine_tuning.qat_layers import hard_silu, to_tunable
from kd_edge.conversion.fine_tuning.tf_keras_copy import FineTuning, check_copy, load_optimization, train_copy
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ModelError
from kd_edge.ir.layers import Activation, BatchNormalization, InputLayer, Simulation, kind_of
from kd_edge.silence import quiet
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model

_NUM_COMPARED = 32
_NUM_RANGED = 256
# Where tensorflow-model-optimization's moving averages of ranges begin; a thousand steps later a third of it is left.
_FIRST_RANGE = 6.0
# The converter has no int8 ELU, with or without fine-tuning.
_MAY_BE_FLOAT = ("ELU", "DEQUANTIZE", "QUANTIZE")
# All other activations stay float in the file.
_ACTIVATIONS = ("linear", "relu", "softmax", "sigmoid", "tanh", "gelu")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A student after quantization-aware training.

    Attributes:
        content: The int8 `.tflite` file, int8 from input to output.
        losses: Mean training loss per epoch.
        seconds: Wall-clock time of the training.
    """

    content: bytes = field(repr=False)
    losses: tuple[float, ...]
    seconds: float


def fine_tune(
    student: keras.Model,
    data: Dataset,
    recipe: FineTuning | None = None,
    *,
    teacher: keras.Model | None = None,
) -> Tuned:
    """Fine-tune a copy of a student with simulated int8 arithmetic, and convert it.

    The loss is that of the distillation, on the teacher's outputs, computed once. The student itself is not changed.

    Args:
        student: A trained network whose layers tensorflow-model-optimization supports.
        data: Its training samples are learnt from.
        recipe: How; by default `FineTuning()`.
        teacher: The guide; by default the float student.

    Raises:
        ModelError: A layer is not supported; it is named, and nothing is trained.
    """
    optimization = load_optimization()
    reset_running_numbers()
    copy = to_tunable(student)
    _check_layers(optimization, copy)
    check_copy(copy, student, data.x_train[:_NUM_COMPARED])
    _check_range(student, data)
    aware = _aware(optimization, copy)
    _convert(aware, student)  # says before the training what would stay float
    start = perf_counter()
    losses = train_copy(aware, student, data, recipe or FineTuning(), teacher=teacher)
    seconds = perf_counter() - start
    return Tuned(_convert(aware, student), losses, seconds)


def unsupported_layers(student: keras.Model) -> list[str]:
    """Return the name and kind of every layer that quantization-aware training does not support.

    Raises:
        ModelError: The model cannot be copied to tf_keras at all.
    """
    return _unsupported(load_optimization(), to_tunable(student))


def _unsupported(optimization: Any, copy: Any) -> list[str]:
    registry = quantize_registry(optimization)
    return [f"{layer.name!r} ({type(layer).__name__})" for layer in copy.layers if not _is_supported(registry, layer)]


def _is_supported(registry: Any, layer: Any) -> bool:
    kind = kind_of(layer)
    if kind is BatchNormalization:
        return list(layer.axis) == [len(layer.output.shape) - 1]
    if kind is Activation:
        return layer.activation.__name__ in _ACTIVATIONS
    return kind is InputLayer or _simulation(layer) is Simulation.BEHIND or bool(registry.supports(layer))


def _simulation(layer: Any) -> Simulation:
    return Simulation.BEHIND if isinstance(layer, hard_silu()) else kind_of(layer).simulation


def _check_range(student: keras.Model, data: Dataset) -> None:
    """Refuse values so large that the simulated arithmetic would cut them off for most of the training."""
    if data.task.kind not in ("regression", "reconstruction"):
        return
    largest = float(np.percentile(np.abs(student(data.x_train[:_NUM_RANGED], training=False)), 99))
    if largest > _FIRST_RANGE:
        raise ModelError(
            f"no quantization-aware training of {student.name!r}: expected answers from {-_FIRST_RANGE:g} to "
            f"{_FIRST_RANGE:g}, where its simulated arithmetic begins, received up to {largest:.4g}; let the network "
            "answer values less their mean, divided by their deviation, or convert without it (--qat never)"
        )


def _check_layers(optimization: Any, copy: Any) -> None:
    if found := _unsupported(optimization, copy):
        raise ModelError(
            f"no quantization-aware training of {copy.name!r}: tensorflow-model-optimization does not support "
            f"{', '.join(found)}; convert without it (--qat never), or write sequences as Conv2D over (time, 1)"
        )


def _config(layer: Any) -> Any:
    """Return where int8 is simulated at a layer, or `None` for where tfmot does so by itself."""
    configs, simulation = quantize_configs(), _simulation(layer)
    if simulation is Simulation.NOWHERE:
        return configs.NoOpQuantizeConfig()
    return configs.Default8BitOutputQuantizeConfig() if simulation is Simulation.BEHIND else None


def _aware(optimization: Any, copy: Any) -> Any:
    """Return the copy with simulated int8 arithmetic."""
    import tf_keras

    tools, configs = optimization.quantization.keras, quantize_configs()
    classes = (configs.NoOpQuantizeConfig, configs.Default8BitOutputQuantizeConfig, hard_silu())
    own = {one.__name__: one for one in classes}

    def annotate(layer: Any) -> Any:
        return tools.quantize_annotate_layer(layer, quantize_config=_config(layer))

    try:
        with quiet(), tools.quantize_scope(own):
            return tools.quantize_apply(tf_keras.models.clone_model(copy, clone_function=annotate))
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"no quantization-aware training of {copy.name!r}: {reason}") from error


def _convert(aware: Any, student: keras.Model) -> bytes:
    shape = (1, *aware.inputs[0].shape[1:])
    function = tf.function(lambda x: aware(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, aware.inputs[0].dtype, name="input"))
    # The converter saves what it is given: the model itself would be traced anew, layer by layer.
    held = tf.train.Checkpoint(variables=concrete.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], held)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    try:
        with quiet():
            content = with_tflm_operators(bytes(converter.convert()))
    except Exception as error:
        operations = {operation.type: operation.name for operation in reversed(concrete.graph.get_operations())}
        reason = reason_of(error, student, operations=operations)
        raise ModelError(f"no quantization-aware training of {student.name!r}: {reason}") from error
    _check_int8(read_model(content), student)
    return with_short_names(content, names_of(student))


def _check_int8(info: ModelInfo, student: keras.Model) -> None:
    floats = {tensor.index for tensor in info.tensors if tensor.dtype == "float32"}
    touched = [op for op in info.ops if floats.intersection((*op.inputs, *op.outputs))]
    if found := [op for op in touched if op.name not in _MAY_BE_FLOAT]:
        names = names_of(student)
        named = ", ".join(f"{layer_of(info, op, names)!r} ({op.name})" for op in found)
        raise ModelError(
            f"no quantization-aware training of {student.name!r}: expected int8 throughout, received floats in "
            f"{named}; convert without it (--qat never)"
        )
