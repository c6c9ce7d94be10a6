"""What a task decides in a training: the loss of the labels, the metric, what a guide teaches."""

from typing import Any

import keras
import numpy as np
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.distillation.losses.task_losses import BinaryDistillation, BoundedRegression
from kd_edge.distillation.outputs.decisions import answers_probabilities
from kd_edge.distillation.outputs.names import output_of
from kd_edge.errors import ConfigError


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
