"""Quantization-aware training with distillation: a student learns to bear int8 before it is converted."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.data import Dataset
from kd_edge.errors import ModelError
from kd_edge.legacy import load_optimization, to_tf_keras
from kd_edge.logits import ends_in_softmax, to_logits
from kd_edge.losses import distillation_value
from kd_edge.quiet import quiet

# tfmot knows a BatchNormalization only as a part of the layer before it.
_NORMED = frozenset({"Conv2D", "Dense", "DepthwiseConv2D"})
_CONFIGS = "tensorflow_model_optimization.python.core.quantization.keras.default_8bit.default_8bit_quantize_configs"


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
    *,
    teacher: keras.Model | None = None,
    epochs: int = 5,
    learning_rate: float = 5e-4,
    batch_size: int = 64,
    temperature: float = 4.0,
    student_loss_weight: float = 0.3,
    seed: int = 0,
) -> Tuned:
    """Fine-tune a copy of a student with simulated int8 arithmetic, and convert it.

    The loss is that of the distillation: `w CE(labels) + (1 - w) T^2 KL(teacher || student)` on the teacher's outputs,
    computed once. The student itself is not changed.

    Args:
        student: A trained classifier whose layers tensorflow-model-optimization supports.
        data: Its training samples are learnt from.
        teacher: The guide; by default the float student.
        epochs: Passes over the training samples.
        learning_rate: Falls to 0 along a cosine.
        batch_size: Samples per step.
        temperature: `T`.
        student_loss_weight: `w`, 0 to 1.
        seed: Order of the samples.

    Raises:
        ModelError: A layer is not supported; it is named, and nothing is trained.
    """
    optimization = load_optimization()
    importlib.import_module("tf_keras").backend.reset_uids()  # running numbers in names would change the file
    copy = to_tf_keras(student)
    _check_layers(optimization, copy)
    aware = _aware(optimization, copy)
    targets = _soft_targets(teacher or student, data.x_train)
    loss = _loss(ends_in_softmax(student)[0], len(data.class_names), temperature, student_loss_weight)
    start = perf_counter()
    losses = _train(aware, data, targets, loss, epochs, learning_rate, batch_size, seed)
    seconds = perf_counter() - start
    return Tuned(_convert(aware), losses, seconds)


def unsupported_layers(student: keras.Model) -> list[str]:
    """Return the name and kind of every layer that quantization-aware training does not support.

    Raises:
        ModelError: The model cannot be copied to tf_keras at all.
    """
    return _unsupported(load_optimization(), to_tf_keras(student))


def _unsupported(optimization: Any, copy: Any) -> list[str]:
    registry = optimization.quantization.keras.default_8bit.Default8BitQuantizeScheme().get_quantize_registry()
    found = []
    for layer in copy.layers:
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            before = layer._inbound_nodes[0].inbound_layers
            supported = type(before).__name__ in _NORMED
        else:
            supported = kind == "InputLayer" or registry.supports(layer)
        if not supported:
            found.append(f"{layer.name!r} ({kind})")
    return found


def _check_layers(optimization: Any, copy: Any) -> None:
    if found := _unsupported(optimization, copy):
        raise ModelError(
            f"no quantization-aware training of {copy.name!r}: tensorflow-model-optimization does not support "
            f"{', '.join(found)}; convert without it (--qat never), or write sequences as Conv2D over (time, 1)"
        )


def _aware(optimization: Any, copy: Any) -> Any:
    """Return the copy with simulated int8 arithmetic; TFLite's pooling keeps the scale, so none is simulated there."""
    import tf_keras

    tools, unchanged = optimization.quantization.keras, importlib.import_module(_CONFIGS).NoOpQuantizeConfig

    def annotate(layer: Any) -> Any:
        config = unchanged() if isinstance(layer, tf_keras.layers.AveragePooling2D) else None
        return tools.quantize_annotate_layer(layer, quantize_config=config)

    try:
        with quiet(), tools.quantize_scope({"NoOpQuantizeConfig": unchanged}):
            return tools.quantize_apply(tf_keras.models.clone_model(copy, clone_function=annotate))
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"no quantization-aware training of {copy.name!r}: {reason}") from error


def _soft_targets(teacher: keras.Model, samples: np.ndarray) -> np.ndarray:
    outputs = teacher.predict(samples, batch_size=256, verbose=0)
    return np.asarray(to_logits(outputs, ends_in_softmax(teacher)), np.float32)


def _loss(softmax: bool, num_classes: int, temperature: float, weight: float) -> Callable[[Any, Any], Any]:
    """Return the loss of a batch: `wanted` holds the label, then the teacher's logits."""
    distillation = LogitsDistillation(temperature)

    def loss(wanted: Any, outputs: Any) -> Any:
        labels, targets = tf.cast(wanted[:, 0], tf.int32), wanted[:, 1:]
        logits = to_logits(tf.reshape(outputs, (-1, num_classes)), [softmax])
        of_labels = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return weight * tf.reduce_mean(of_labels) + (1 - weight) * distillation_value(distillation, targets, logits)

    return loss


def _train(
    aware: Any,
    data: Dataset,
    targets: np.ndarray,
    loss: Callable[[Any, Any], Any],
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> tuple[float, ...]:
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    steps = max(1, len(data.x_train) // batch_size)
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    aware.compile(tf_keras.optimizers.Adam(schedule), loss=loss)
    wanted = np.concatenate([data.y_train[:, None].astype(np.float32), targets], axis=1)
    batches = tf.data.Dataset.from_tensor_slices((data.x_train, wanted))
    batches = batches.shuffle(len(wanted), seed=seed).batch(batch_size, drop_remainder=len(wanted) >= batch_size)
    history = aware.fit(batches, epochs=epochs, verbose=0)
    return tuple(map(float, history.history["loss"]))


def _convert(aware: Any) -> bytes:
    shape = (1, *aware.inputs[0].shape[1:])
    function = tf.function(lambda x: aware(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, aware.inputs[0].dtype, name="input"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], aware)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        return bytes(converter.convert())
