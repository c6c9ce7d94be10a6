"""An untrained large network that learns beside the student."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.guides.base import FINAL, OWN_LOSS, LiveGuide, update_mean
from kd_edge.distillation.outputs.logits import Softmax, alike, changed_where, sigmoid_to_logits, to_logits
from kd_edge.distillation.samples import inputs_of, label_weight_of, labelled
from kd_edge.errors import DataError


class Trainee(LiveGuide):
    """An untrained network that learns beside the student, by its own optimizer, in the same step.

    Args:
        model: The network.
        weight: Weight of what it teaches in the student's distillation loss.
    """

    mac_factor = 3  # a forward pass, gradients by its activations and by its weights

    def __init__(self, model: keras.Model, *, weight: float) -> None:
        super().__init__("trainee", model, weight=weight)
        self.loss = keras.metrics.Mean(name="trainee_loss")
        self.student_softmax, self.student_sigmoid = self.softmax, self.sigmoid

    def compile(self, *, student_softmax: Softmax, student_sigmoid: Softmax, **kwargs: Any) -> None:
        """Give the network its optimizer, loss and metrics; the arguments are those of `keras.Model.compile`."""
        self.student_softmax, self.student_sigmoid = student_softmax, student_sigmoid
        self.model.compile(**kwargs)
        if self.model.built:
            self.model.optimizer.build(self.model.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset at the start of an epoch."""
        return [*super().metrics, self.loss, *self.model.metrics]

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights and slots."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Train the network on a batch; return the outputs it had before, and its loss."""
        inputs = inputs_of(x)
        if y is None:
            raise DataError("a trainee learns from labels: expected y, received none; pass y or leave the trainee out")
        model = self.model
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            answers = _in_form(outputs, *alike(self.softmax, self.student_softmax), to_logits, keras.ops.softmax)
            sides = alike(self.sigmoid, self.student_sigmoid)
            answers = _in_form(answers, *sides, sigmoid_to_logits, keras.ops.sigmoid)
            weight = label_weight_of(x, sample_weight)
            loss = model.compute_loss(inputs, y, answers, weight, training=True)
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_weights
        model.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        update_mean(self.loss, loss, outputs)
        model.compute_metrics(inputs, *labelled(x, y, answers, sample_weight))
        return {FINAL: keras.tree.map_structure(tf.stop_gradient, outputs), OWN_LOSS: loss}

    def results(self) -> dict[str, Any]:
        """Return the metrics by the names they have in the history."""
        own = {f"trainee_{name}": value for name, value in self.model.get_metrics_result().items() if name != "loss"}
        return {"trainee_loss": self.loss.result(), **own, **super().results()}


def _in_form(
    outputs: Any, has: list[bool], wanted: list[bool], turn: Callable[..., Any], activate: Callable[[Any], Any]
) -> Any:
    """Return outputs as logits where they are probabilities and should not be, and the other way round."""
    differ = [one != other for one, other in zip(has, wanted, strict=True)]
    logits = turn(outputs, [one and is_other for one, is_other in zip(has, differ, strict=True)])
    return changed_where([one and is_other for one, is_other in zip(wanted, differ, strict=True)], activate, logits)
