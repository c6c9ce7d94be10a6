"""What the guides of a student have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.guides.checks import check_pair
from kd_edge.distillation.outputs.logits import Softmax, ends_in_sigmoid, ends_in_softmax
from kd_edge.distillation.samples import inputs_of
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import macs_of

FINAL = "final_output"
OWN_LOSS = "own_loss"


class Guide(ABC):
    """What shows the student outputs to learn from, and is measured against it.

    Plain on purpose: Keras tracks and saves neither a guide nor its metrics with the Distiller that holds it, so
    `get_weights` and the optimizer are the student's alone, and a halted guide leaves nothing behind.

    Args:
        name: `"teacher"` or `"trainee"`.
        weight: Weight of what it teaches in the student's distillation loss.
        softmax: For each output in order whether it holds probabilities of classes, `None` where that is not known.
        sigmoid: The same of probabilities of labels.
    """

    def __init__(self, name: str, *, weight: float, softmax: Softmax, sigmoid: Softmax) -> None:
        self.name = name
        self.weight = weight
        self.softmax = softmax
        self.sigmoid = sigmoid
        self.divergence = keras.metrics.Mean(name=f"{name}_divergence")
        self.agreement = keras.metrics.Mean(name=f"{name}_agreement")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What is reset at the start of an epoch."""
        return [self.divergence, self.agreement]

    @property
    def num_passes(self) -> float | None:
        """Passes over the samples apart from the training steps; `None` where the guide runs in every step."""
        return None

    @property
    @abstractmethod
    def variables(self) -> list[keras.Variable]:
        """Weights, and slots of the optimizer where there is one."""

    @property
    @abstractmethod
    def macs_per_sample(self) -> int | None:
        """Multiply-accumulates that a sample costs in a training step; `None` where they are unknown."""

    @abstractmethod
    def check(self, student: keras.Model) -> None:
        """Check that guide and student fit together.

        Raises:
            ModelError: They do not.
        """

    @abstractmethod
    def answer(self, x: Any) -> dict[str, Any]:
        """Return the guide's outputs for samples by `"final_output"` and the names of its layers that are shown."""

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
        """Return the guide's outputs for the batch of a training step, named as by `answer`."""
        del y, sample_weight
        return self.answer(x)

    def results(self) -> dict[str, Any]:
        """Return the metrics by the names they have in the history."""
        return {metric.name: metric.result() for metric in (self.divergence, self.agreement)}


class LiveGuide(Guide):
    """A network that runs in every step: a trained, frozen teacher.

    Args:
        name: `"teacher"` or `"trainee"`.
        model: The network.
        weight: Weight of what it teaches in the student's distillation loss.
        layer_names: Layers whose outputs are shown too.
    """

    mac_factor = 1  # a forward pass

    def __init__(
        self, name: str, model: keras.Model, *, weight: float = 1.0, layer_names: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name, weight=weight, softmax=ends_in_softmax(model), sigmoid=ends_in_sigmoid(model))
        self.model = model
        self._forward = feature_extractor(model, layer_names)

    @property
    def variables(self) -> list[keras.Variable]:
        """Weights, and slots of the optimizer where there is one."""
        return list(self.model.variables)

    @property
    def macs_per_sample(self) -> int | None:
        """Multiply-accumulates that a sample costs in a training step; `None` where they are unknown."""
        macs = macs_of(self.model)
        return None if macs is None else macs * self.mac_factor

    def check(self, student: keras.Model) -> None:
        """Check that guide and student fit together; see `check_pair`."""
        check_pair(self.model, student, self.name)

    def answer(self, x: Any) -> dict[str, Any]:
        """Return the guide's outputs and features for samples."""
        return self._forward(inputs_of(x), training=False)


def feature_extractor(model: keras.Model, layer_names: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a network once and gives its outputs and the outputs of some of its layers.

    Args:
        model: A functional or sequential network where layers are named, any network otherwise.
        layer_names: The layers.

    Returns:
        A function of the inputs and `training`; its results are named `"final_output"` and as the layers.
    """
    if not layer_names:
        return lambda x, training: {FINAL: model(x, training=training)}
    if getattr(model, "inputs", None) is None:
        raise ModelError(
            f"layers of {model.name!r} cannot be read: expected a functional or sequential model, received a "
            f"{type(model).__name__}; use losses on the outputs"
        )
    sequential = isinstance(model, keras.Sequential)
    outputs = {FINAL: model.layers[-1].output if sequential else model.output}
    outputs |= {name: model.get_layer(name).output for name in layer_names}
    inputs = model.inputs if sequential else model.input
    extractor: Callable[..., dict[str, Any]] = keras.Model(inputs, outputs, name=f"{model.name}_features")
    return extractor


def update_mean(metric: keras.metrics.Mean, loss: Any, outputs: Any) -> None:
    """Add the loss of a batch to a mean over samples, as Keras' trainer does, also under a distribution strategy."""
    update_share(metric, loss * tf.distribute.get_strategy().num_replicas_in_sync, outputs)


def update_share(metric: keras.metrics.Mean, value: Any, outputs: Any) -> None:
    """Add a mean over the samples of a replica's batch to one over all samples.

    Args:
        metric: The mean over all.
        value: The mean over the batch.
        outputs: Of the batch, which tell how many samples it has: the last one of an epoch may be smaller.
    """
    count = tf.cast(tf.shape(keras.tree.flatten(outputs)[0])[0], metric.dtype)
    # What `update_state` does, without the operations that fit weights of any shape to values of any shape.
    metric.total.assign_add(tf.cast(value, metric.dtype) * count)
    metric.count.assign_add(count)
