"""A small classification task and networks for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import keras

NUM_SAMPLES, NUM_INPUTS, NUM_CLASSES = 64, 8, 3


@dataclass(frozen=True)
class Task:
    """64 samples of 8 numbers in 3 classes."""

    x: np.ndarray
    y: np.ndarray
    network: Callable[..., Any]
    loss: Callable[[], Any]

    def taught(self, labels: np.ndarray, *, extra: Any = None) -> "keras.Model":
        """Return a network that gives these labels, always the same one."""
        import keras

        network, key = self.network(16, extra=extra), (labels.tobytes(), type(extra))
        network.compile(keras.optimizers.Adam(0.05), loss=self.loss())
        if key not in _TAUGHT:
            network.fit(self.x, labels, batch_size=16, epochs=20, verbose=0)
            _TAUGHT[key] = network.get_weights()
        network.set_weights(_TAUGHT[key])
        keras.utils.set_random_seed(1)
        return network


# The weights of networks that were taught, by the labels and what else they are made of.
_TAUGHT: dict[tuple[bytes, type], list[np.ndarray]] = {}


@pytest.fixture
def task() -> Task:
    """The task with the same samples every time, and fresh random numbers for the networks."""
    import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(NUM_SAMPLES, NUM_INPUTS)).astype("float32")
    y = (x @ rng.normal(size=(NUM_INPUTS, NUM_CLASSES))).argmax(axis=1)
    return Task(x, y, _network, lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def _network(width: int = 4, *, name: str | None = None, extra: Any = None, softmax: bool = False) -> "keras.Model":
    import keras

    inputs = keras.Input((NUM_INPUTS,))
    h = keras.layers.Dense(width, activation="relu", name="hidden")(inputs)
    h = h if extra is None else extra(h)
    outputs = keras.layers.Dense(NUM_CLASSES, activation="softmax" if softmax else None, name="answer")(h)
    return keras.Model(inputs, outputs, name=name)
