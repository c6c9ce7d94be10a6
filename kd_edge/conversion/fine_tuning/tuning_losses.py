"""What a fine-tuning lessens: for each task the loss against the targets and against the teacher's outputs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.losses.task_losses import BinaryDistillation
from kd_edge.distillation.outputs.logits import (
    Sigmoid,
    Softmax,
    ends_in_sigmoid,
    ends_in_softmax,
    sigmoid_to_logits,
    to_logits,
)
from kd_edge.distillation.outputs.predictions import predictions

_NUM_ASKED = 32  # samples whose outputs tell whether they are probabilities
# Takes a batch of targets and teacher's outputs, and the outputs of the network that is trained; one value per sample.
Loss = Callable[[Any, Any], Any]


def wanted_outputs(data: Dataset, teacher: keras.Model) -> np.ndarray:
    """Return for each training sample the target and then what the teacher answers, in the form `tuning_loss` takes.

    Args:
        data: The training samples.
        teacher: Its outputs are computed once; of classes and labels they become logits.

    Returns:
        float32, shape `(samples, numbers)`.
    """
    outputs, asked = predictions(teacher, data.x_train), data.x_train[:_NUM_ASKED]
    if data.task.kind == "multiclass":
        outputs = to_logits(outputs, ends_in_softmax(teacher, asked))
    elif data.task.kind in ("binary", "multilabel"):
        outputs = sigmoid_to_logits(outputs, ends_in_sigmoid(teacher, asked))
    rows = (data.targets("train"), np.asarray(outputs))
    return np.concatenate([array.reshape(len(array), -1).astype(np.float32) for array in rows], axis=1)


def tuning_loss(student: keras.Model, data: Dataset, *, temperature: float, weight: float) -> Loss:
    """Return the loss of each sample: `weight` times that against the targets, and the rest against the teacher.

    Of classes the cross-entropy, and `T^2 KL` of the tempered softmax; of a binary task and of labels the same of the
    sigmoid, each label for itself; of measured values and reconstructions the mean square error against both.

    Args:
        student: Tells whether the outputs are probabilities.
        data: Its task, and samples to ask the student.
        temperature: `T`.
        weight: 0 to 1.
    """
    asked, num_outputs = data.x_train[:_NUM_ASKED], data.num_outputs
    if data.task.kind == "multiclass":
        return _of_classes(ends_in_softmax(student, asked), num_outputs, temperature, weight)
    if data.task.kind in ("binary", "multilabel"):
        return _of_labels(ends_in_sigmoid(student, asked), num_outputs, temperature, weight)
    return _of_values(num_outputs, weight)


def _of_classes(softmax: Softmax, num_outputs: int, temperature: float, weight: float) -> Loss:
    def loss(wanted: Any, outputs: Any) -> Any:
        labels, targets = tf.cast(wanted[:, 0], tf.int32), wanted[:, 1:]
        logits = to_logits(tf.reshape(outputs, (-1, num_outputs)), softmax)
        of_labels = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        tempered = (keras.ops.softmax(scores / temperature) for scores in (targets, logits))
        return weight * of_labels + (1 - weight) * temperature**2 * keras.losses.kl_divergence(*tempered)

    return loss


def _of_labels(sigmoid: Sigmoid, num_outputs: int, temperature: float, weight: float) -> Loss:
    distillation = BinaryDistillation(temperature)

    def loss(wanted: Any, outputs: Any) -> Any:
        labels, targets = wanted[:, :num_outputs], wanted[:, num_outputs:]
        logits = sigmoid_to_logits(tf.reshape(outputs, (-1, num_outputs)), sigmoid)
        of_labels = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), axis=-1)
        return weight * of_labels + (1 - weight) * distillation.per_sample(targets, logits, None)

    return loss


def _of_values(num_outputs: int, weight: float) -> Loss:
    def loss(wanted: Any, outputs: Any) -> Any:
        values = tf.reshape(outputs, (-1, num_outputs))
        of_targets, of_teacher = (
            tf.reduce_mean(tf.square(values - goal), axis=-1)
            for goal in (wanted[:, :num_outputs], wanted[:, num_outputs:])
        )
        return weight * of_targets + (1 - weight) * of_teacher

    return loss
