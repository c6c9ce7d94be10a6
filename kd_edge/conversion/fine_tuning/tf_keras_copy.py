"""Keras 3 models as models of tf_keras, the Keras that tensorflow-model-optimization works with."""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.keras import calls_of, maker_of, node_of
from kd_edge.compat.tfmot import check_installed, import_optimization
from kd_edge.conversion.fine_tuning.tuning_losses import tuning_loss, wanted_outputs
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ModelError
from kd_edge.ir.layers import InputLayer, kind_of
from kd_edge.silence import quiet

# What shapes the training only, or is said otherwise in tf_keras.
_LEFT_OUT = re.compile(r"dtype|.*_(initializer|regularizer|constraint)|batch_(input_)?shape")

# What arguments of a layer are called in tf_keras.
_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}

_MAX_DIFFERENCE = 1e-5


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How a copy of a student is fine-tuned, with the loss `w CE(labels) + (1 - w) T^2 KL(teacher || student)`, or what
    other tasks have in its place (`tuning_loss`).

    Attributes:
        epochs: Passes over the training samples.
        learning_rate: Falls to 0 along a cosine.
        batch_size: Samples per step.
        temperature: `T`.
        student_loss_weight: `w`, 0 to 1.
        seed: Order of the samples.
    """

    epochs: int = 5
    learning_rate: float = 5e-4
    batch_size: int = 64
    temperature: float = 4.0
    student_loss_weight: float = 0.3
    seed: int = 0


def load_optimization() -> Any:
    """Return tensorflow-model-optimization, imported beside Keras 3 and without what it prints.

    Raises:
        MissingDependencyError: It is not installed.
    """
    check_installed()
    with quiet():
        return import_optimization()


def to_tf_keras(model: keras.Model, *, copy: Callable[[Any, list[Any]], Any] | None = None) -> Any:
    """Return a copy of a model in tf_keras, layer by layer, with the same weights, names and outputs.

    Args:
        model: A functional or sequential model of built-in layers, each called once, with one input and one output.
        copy: Takes a layer and the copies of its inputs, and returns the copy of its output; by default
            `copy_layer` of this module.

    Raises:
        ModelError: The model is of another kind, or a layer has no counterpart in tf_keras.
    """
    check_installed()
    import tf_keras

    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"cannot copy {model.name!r} to tf_keras: expected a functional or sequential model with one input and "
            "one output, built"
        )
    calls, copies = calls_of(model), {}

    def visit(value: Any) -> Any:
        layer, call = maker_of(value)
        if layer.name not in copies:
            if len(calls[layer.name]) > 1:
                raise ModelError(f"cannot copy layer {layer.name!r} to tf_keras: expected a layer that is called once")
            sources = [visit(source) for source in node_of(layer, call).input_tensors]
            copies[layer.name] = _copied(copy or copy_layer, layer, sources)
        return copies[layer.name]

    outputs = visit(model.outputs[0])
    return tf_keras.Model(visit(model.inputs[0]), outputs, name=model.name)


def _copied(copy: Callable[[Any, list[Any]], Any], layer: Any, sources: list[Any]) -> Any:
    try:
        return copy(layer, sources)
    except ModelError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].removeprefix("Exception encountered: ")
        raise ModelError(f"cannot copy layer {layer.name!r} ({type(layer).__name__}) to tf_keras: {reason}") from error


def output_shapes(model: keras.Model) -> list[tuple[int, ...]]:
    """Return the shapes of a model's outputs without the batch."""
    return [tuple(output.shape[1:]) for output in model.outputs]


def answers_task(model: keras.Model, data: Dataset) -> bool:
    """Return whether a model has one output with the numbers that the task of the data needs."""
    shapes = output_shapes(model)
    if data.task.parts or len(shapes) != 1 or None in shapes[0]:
        return False
    if data.task.kind == "reconstruction":
        return math.prod(shapes[0]) == data.num_outputs
    return shapes[0] == (data.num_outputs,)


def asked_outputs(data: Dataset) -> str:
    """Return in words what `answers_task` asks for."""
    if data.task.kind == "multiclass":
        return f"one output of {data.num_classes} classes"
    if data.task.parts:
        return f"one output, since students of several such as {', '.join(data.task.names)} are not fine-tuned"
    return f"one output of {data.num_outputs} numbers, as the task {data.task.kind!r} needs"


def check_copy(copy: Any, model: keras.Model, samples: np.ndarray) -> None:
    """Compare the outputs of a copy and its model on a few samples.

    Raises:
        ModelError: They differ by more than 1e-5 of the largest output, or of 1 where that is larger.
    """
    expected = np.asarray(model(samples, training=False))
    difference = float(np.abs(np.asarray(copy(samples, training=False)) - expected).max())
    if difference > _MAX_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        raise ModelError(
            f"cannot copy {model.name!r} to tf_keras: expected the same outputs, received ones that differ by "
            f"{difference:.2g}; a layer works otherwise there"
        )


def copy_layer(layer: Any, sources: list[Any], **changes: Any) -> Any:
    """Return what a layer's copy in tf_keras makes of the copies of its inputs.

    Args:
        layer: A built-in layer.
        sources: The copies of its inputs.
        changes: Arguments of the layer that are other ones in the copy.

    Raises:
        ModelError: The layer has no counterpart in tf_keras.
        TypeError, ValueError: tf_keras does not know an argument or the layer's activation.
    """
    import tf_keras

    kind = type(layer).__name__
    if kind_of(layer) is InputLayer:
        return tf_keras.Input(layer.batch_shape[1:], dtype=layer.dtype, name=layer.name)
    counterpart = getattr(tf_keras.layers, kind, None)
    if counterpart is None or type(layer).__module__.split(".")[0] != "keras":
        raise ModelError(f"cannot copy layer {layer.name!r} ({kind}) to tf_keras: expected a layer of Keras' own")
    known, renamed = inspect.signature(counterpart.__init__).parameters, _RENAMED.get(kind, {})
    given = {renamed.get(key, key): value for key, value in layer.get_config().items()}
    config = {key: value for key, value in given.items() if key in known and not _LEFT_OUT.fullmatch(key)}
    if odd := [key for key, value in config.items() if isinstance(value, dict)]:
        raise ModelError(f"cannot copy layer {layer.name!r} ({kind}) to tf_keras: expected a plain value of {odd[0]}")
    copy = counterpart.from_config({"name": layer.name, **config, **changes})
    result = copy(sources[0] if len(sources) == 1 else sources)
    copy.set_weights(layer.get_weights())
    if hasattr(copy, "finalize_state"):  # of a Normalization, which acts on what it makes of its weights
        copy.finalize_state()
    return result


def train_copy(
    copy: Any,
    student: keras.Model,
    data: Dataset,
    recipe: FineTuning,
    *,
    teacher: keras.Model | None,
    callbacks: Sequence[Any] = (),
) -> tuple[float, ...]:
    """Train a copy, wrapped or not, with the task's distillation loss on the teacher's outputs, computed once.

    The samples of a class count as much as the data say.

    Args:
        copy: A model of tf_keras that reads and answers like the student; its weights change.
        student: Tells whether the outputs are probabilities, and is the teacher where there is none.
        data: Its training samples are learnt from.
        recipe: How.
        teacher: The guide.
        callbacks: Of tf_keras.

    Returns:
        Mean loss per epoch.
    """
    import tf_keras

    tf_keras.utils.set_random_seed(recipe.seed)
    steps = max(1, len(data.x_train) // recipe.batch_size)
    schedule = tf_keras.optimizers.schedules.CosineDecay(recipe.learning_rate, recipe.epochs * steps)
    loss = tuning_loss(student, data, temperature=recipe.temperature, weight=recipe.student_loss_weight)
    copy.compile(tf_keras.optimizers.Adam(schedule), loss=loss)
    wanted = wanted_outputs(data, teacher or student)
    weights = () if data.class_weight is None else (data.weights_of(data.y_train),)
    batches = tf.data.Dataset.from_tensor_slices((data.x_train, wanted, *weights))
    batches = batches.shuffle(len(wanted), seed=recipe.seed)
    batches = batches.batch(recipe.batch_size, drop_remainder=len(wanted) >= recipe.batch_size)
    history = copy.fit(batches, epochs=recipe.epochs, verbose=0, callbacks=list(callbacks))
    return tuple(map(float, history.history["loss"]))
