"""Distillation losses of tasks whose answers are no single class: labels that hold together, and measured values."""

from typing import Any

import keras

from kd_edge.distillation.arguments import as_temperature, as_weight
from kd_edge.distillation.losses.guide_losses import SampleLoss


@keras.saving.register_keras_serializable("kd_edge")
class BinaryDistillation(SampleLoss):
    """KL divergence of sigmoids with a temperature: of one logit that says yes or no, or of a logit per label.

    `T^2 KL(p_t || p_s)` of two outcomes each, with `p = sigmoid(logit / T)`; the mean over the labels. It is what the
    softmax with a temperature is for classes: a sigmoid is the softmax of a logit and 0. Probabilities become logits
    before.

    Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2,
    for two outcomes.

    Args:
        temperature: `T`. Defaults to 4.0.
    """

    takes_logits = True
    compares = "labels"

    def __init__(self, temperature: float = 4.0) -> None:
        self.temperature = as_temperature(temperature)

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return the mean divergence over the labels."""
        theirs, ours = teacher_outputs / self.temperature, student_outputs / self.temperature
        yes = keras.ops.sigmoid(theirs) * (keras.ops.log_sigmoid(theirs) - keras.ops.log_sigmoid(ours))
        no = keras.ops.sigmoid(-theirs) * (keras.ops.log_sigmoid(-theirs) - keras.ops.log_sigmoid(-ours))
        return self.temperature**2 * keras.ops.mean(yes + no, axis=tuple(range(1, len(ours.shape))))


@keras.saving.register_keras_serializable("kd_edge")
class BoundedRegression(SampleLoss):
    """The square of the student's error, only where it is no better than the teacher by a margin.

    `|s - y|^2` where `|s - y|^2 + m > |t - y|^2`, else 0: a teacher's measured value may be as far from the truth as it
    likes, so it is a bound, no target. The square is a mean over the values; the paper sums. Where samples without
    labels are in the batch, there is no bound, and the teacher's answer is the target.

    Source: G. Chen et al., "Learning Efficient Object Detection Models with Knowledge Distillation", NeurIPS 2017, the
    teacher bounded regression loss.

    Args:
        margin: `m`, in units of the square. Defaults to 0.0.
    """

    compares = "values"

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = as_weight("margin", margin)

    def per_sample(self, teacher_outputs: Any, student_outputs: Any, labels: Any) -> Any:
        """Return the bounded square."""
        if labels is None:
            return _square(student_outputs - teacher_outputs)
        truth = keras.ops.reshape(keras.ops.cast(labels, student_outputs.dtype), keras.ops.shape(student_outputs))
        ours, theirs = _square(student_outputs - truth), _square(teacher_outputs - truth)
        return keras.ops.where(ours + self.margin > theirs, ours, 0.0)


def _square(errors: Any) -> Any:
    return keras.ops.mean(keras.ops.square(errors), axis=tuple(range(1, len(errors.shape))))
