"""A network as a function of one vector of weights, and the optimizer's step on such a vector."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_DECAY = 1e-2
_NOT_DECAYED = ("bias", "gamma", "beta")


class State(NamedTuple):
    """A network between two steps of its training.

    Attributes:
        weights: All trainable weights, one vector.
        mean: The optimizer's mean of the gradients.
        square: Its mean of their squares.
        others: Moving averages and states of random generators.
    """

    weights: Any
    mean: Any
    square: Any
    others: tuple[Any, ...]


class FlatNetwork:
    """A Keras model as a function of one vector of weights: an optimizer's step then is a few operations.

    Args:
        model: Its layers; the weights that it has are not used.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        trainable = model.trainable_variables
        self._shapes = [tuple(v.shape) for v in trainable]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        decays = [0.0 if any(name in v.path for name in _NOT_DECAYED) else _DECAY for v in trainable]
        self.decay = np.repeat(np.array(decays, np.float32), self._sizes)

    def call(self, weights: tf.Tensor, others: tuple[Any, ...], x: tf.Tensor, *, training: bool) -> tuple[Any, Any]:
        """Return the outputs, and `others` after the step."""
        parts = tf.split(weights, self._sizes)
        trainable = [tf.reshape(part, shape) for part, shape in zip(parts, self._shapes, strict=True)]
        outputs, changed = self.model.stateless_call(trainable, list(others), x, training=training)
        return outputs, tuple(changed)

    def start(self, model: keras.Model) -> State:
        """Return the state before the first step.

        Args:
            model: The same network with the weights to start with.
        """
        weights = tf.constant(np.concatenate([v.numpy().ravel() for v in model.trainable_variables]))
        others = tuple(tf.constant(v.numpy()) for v in model.non_trainable_variables)
        return State(weights, tf.zeros_like(weights), tf.zeros_like(weights), others)


def stepped(state: State, gradient: tf.Tensor, rate: tf.Tensor, step: tf.Tensor, decay: Any, others: Any) -> State:
    """Return the state after a step of AdamW as Keras computes it (arXiv 1711.05101).

    Args:
        state: Before the step.
        gradient: Of the loss by the weights.
        rate: Learning rate of the step.
        step: Finished steps, a float.
        decay: Of each weight.
        others: What the step made of `others`.
    """
    mean = state.mean + (gradient - state.mean) * 0.1
    square = state.square + (tf.square(gradient) - state.square) * 0.001
    size = rate * tf.sqrt(1 - tf.pow(0.999, step + 1)) / (1 - tf.pow(0.9, step + 1))
    weights = state.weights * (1 - rate * decay) - size * mean / (tf.sqrt(square) + 1e-7)
    return State(weights, mean, square, others)


def rates(peak: float, epochs: int, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of each step: that of `kd_edge.distillation.recipe.optimizer.make_optimizer`."""
    warm_up = min(2, epochs - 1) * steps_per_epoch
    step = np.arange(epochs * steps_per_epoch, dtype=np.float64)
    rising = peak / 20 + (peak - peak / 20) * step / max(warm_up, 1)
    done = np.clip((step - warm_up) / max(epochs * steps_per_epoch - warm_up, 1), 0, 1)
    falling = peak * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))
    return np.where(step < warm_up, rising, falling).astype(np.float32)
