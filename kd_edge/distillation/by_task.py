"""What a task decides in a training: the loss of the labels, the metric, what a guide teaches, what answers say."""

from typing import Any

import keras
import numpy as np
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.distillation.logits import ends_in_sigmoid, ends_in_softmax, sigmoid_to_logits, to_logits
from kd_edge.distillation.losses.task_losses import BinaryDistillation, BoundedRegression
from kd_edge.distillation.outputs import answered, output_of
from kd_edge.distillation.predictions import predictions
from kd_edge.errors import ConfigError

_NUM_ASKED = 32  # samples whose outputs tell whether they are probabilities


def answers_probabilities(model: keras.Model, data: Dataset) -> Any:
    """Return whether a network answers the task of a data set with probabilities instead of logits.

    Of several outputs a mapping of their names to that.
    """
    if data.task.parts:
        return {name: answers_probabilities(output_of(model, name), part) for name, part in data.by_output.items()}
    samples = data.x_train[:_NUM_ASKED]
    if data.task.kind == "multiclass":
        return ends_in_softmax(model, samples) == [True]
    return data.task.kind in ("binary", "multilabel") and ends_in_sigmoid(model, samples) == [True]


def label_loss(model: keras.Model, data: Dataset, *, one_hot: bool = False) -> Any:
    """Return the loss of the labels for a network; of several outputs a mapping of their names to losses.

    Args:
        model: The network.
        data: Its task and samples.
        one_hot: Whether classes come as rows. Defaults to `False`.
    """
    if data.task.parts:
        return {name: label_loss(output_of(model, name), part) for name, part in data.by_output.items()}
    if data.task.kind == "regression":
        return keras.losses.Huber()
    if data.task.kind == "reconstruction":
        return keras.losses.MeanSquaredError()
    logits = not answers_probabilities(model, data)
    if data.task.kind != "multiclass":
        return keras.losses.BinaryCrossentropy(from_logits=logits)
    if one_hot:
        return keras.losses.CategoricalCrossentropy(from_logits=logits)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def guidance(task: Task, temperature: float) -> DistillationLoss | dict[str, DistillationLoss]:
    """Return what a guide teaches by its outputs; of several outputs a mapping of their names to losses.

    Args:
        task: What is asked for.
        temperature: Of classes and labels.
    """
    if task.parts:
        return {name: guidance(part, temperature) for name, part in task.by_output.items()}
    if task.kind == "regression":
        return BoundedRegression()
    if task.kind == "reconstruction":
        return FeatureDistillation()
    return LogitsDistillation(temperature) if task.kind == "multiclass" else BinaryDistillation(temperature)


def metric_of(model: keras.Model, data: Dataset) -> Any:
    """Return the Keras metric that is the task's, by its name; the constant of skills is that of validation samples.

    Of several outputs a mapping of their names to metrics.

    Args:
        model: The network.
        data: Its task and samples.
    """
    if data.task.parts:
        return {name: metric_of(output_of(model, name), part) for name, part in data.by_output.items()}
    task, name = data.task, data.task.metric
    if task.kind == "multiclass":
        return "accuracy"
    if task.kind in ("binary", "multilabel"):
        limit = task.threshold
        if not answers_probabilities(model, data):
            limit = float(np.log(limit / (1 - limit)))
        return keras.metrics.MeanMetricWrapper(_share_right, name=name, limit=limit)
    rows = data.targets("val").reshape(len(data.x_val), -1).astype(np.float64)
    if task.kind == "regression":
        scale = np.abs(rows - np.median(rows, axis=0)).mean(axis=0)
        return keras.metrics.MeanMetricWrapper(_skill_of_values, name=name, scale=_not_zero(scale))
    scale = np.square(rows - rows.mean(axis=0)).mean()
    return keras.metrics.MeanMetricWrapper(_skill_of_samples, name=name, scale=_not_zero(scale))


def training_targets(model: keras.Model, data: Dataset, split: str) -> Any:
    """Return what a network should answer, in the shape in which it does; a reconstruction may be flat.

    Of several outputs a mapping of their names to that.
    """
    targets = data.targets(split)
    if data.task.parts:
        return {name: np.ascontiguousarray(targets[name]) for name in data.task.names}
    if data.task.kind != "reconstruction":
        return targets
    return targets.reshape(len(targets), *model.outputs[0].shape[1:])


def answer_logits(model: keras.Model, data: Dataset, outputs: np.ndarray) -> np.ndarray:
    """Return a network's outputs for classes or labels as logits."""
    if not answers_probabilities(model, data):
        return outputs
    turn = to_logits if data.task.kind == "multiclass" else sigmoid_to_logits
    return np.asarray(turn(outputs, [True]))


def decisions_of(model: keras.Model, data: Dataset, split: str) -> np.ndarray:
    """Return what a network says of the samples of `"train"`, `"val"` or `"test"`; see `Task.decisions`."""
    answers: Any = predictions(model, getattr(data, f"x_{split}"))
    return data.task.decisions(answered(model, answers, data), probabilities=answers_probabilities(model, data))


def check_recipe(augment: Any, task: Task) -> None:
    """Refuse changes of the samples that make no sense for a task.

    Raises:
        ConfigError: Targets of reconstructions would change with the samples; mixup is known of several classes alone.
    """
    if augment == "none" or task.kind == "multiclass":
        return
    if task.kind == "reconstruction":
        raise ConfigError(
            f"bad augmentation: expected 'none' for a reconstruction, which learns samples as they are, received "
            f"{augment!r}"
        )
    if augment == "mixup":
        raise ConfigError(f"bad augmentation 'mixup': it mixes several classes, received the task {task.kind!r}")


@keras.saving.register_keras_serializable("kd_edge")  # type: ignore[untyped-decorator]
def _share_right(y_true: Any, y_pred: Any, limit: float) -> Any:
    holds = keras.ops.reshape(y_true, keras.ops.shape(y_pred)) > 0
    return keras.ops.mean(keras.ops.cast((y_pred > limit) == holds, "float32"), axis=-1)


@keras.saving.register_keras_serializable("kd_edge")  # type: ignore[untyped-decorator]
def _skill_of_values(y_true: Any, y_pred: Any, scale: Any) -> Any:
    return 1 - keras.ops.mean(keras.ops.abs(y_pred - y_true) / scale, axis=-1)


@keras.saving.register_keras_serializable("kd_edge")  # type: ignore[untyped-decorator]
def _skill_of_samples(y_true: Any, y_pred: Any, scale: Any) -> Any:
    errors = keras.ops.square(y_pred - keras.ops.cast(y_true, y_pred.dtype))
    return 1 - keras.ops.mean(errors, axis=tuple(range(1, len(y_pred.shape)))) / scale


def _not_zero(values: Any) -> Any:
    return np.where(values > 0, values, 1.0).astype(np.float32)
