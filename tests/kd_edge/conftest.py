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
