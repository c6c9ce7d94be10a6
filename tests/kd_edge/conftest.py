"""A small classification task and networks for it."""

import functools
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


@pytest.fixture(scope="session")
def zoo_model() -> Callable[[str], Any]:
    """Returns a network of the zoo by its name."""
    from tools.networks import zoo

    return functools.cache(zoo.build)


@pytest.fixture(scope="session")
def zoo_file(zoo_model: Callable[[str], Any]) -> Callable[[str], bytes]:
    """Returns a network of the zoo as the converter's int8 file, by its name."""
    from kd_edge.conversion.converter import convert
    from tools.networks import zoo

    return functools.cache(lambda name: convert(zoo_model(name), zoo.samples(zoo_model(name))))


@pytest.fixture(scope="session")
def students() -> list[tuple[Any, bytes]]:
    """Random students of every family: their graph and the converter's file."""
    from kd_edge.conversion.converter import convert
    from kd_edge.search.space.student_space import StudentSpace

    rng = np.random.default_rng(3)
    pairs = []
    for name, shape in (("ds_cnn", (64, 6)), ("ds_cnn", (16, 16, 1)), ("resnet", (64, 6)), ("resnet", (16, 16, 3))):
        space = StudentSpace.family(name, shape, 5)
        blueprint = space.blueprint(space.sample(rng))
        model = blueprint.to_keras()
        # As after a training: of a fresh network the converter would drop or merge the equal biases.
        noise = [np.abs(rng.normal(1, 0.1, w.shape)) if w.ndim == 1 else w for w in model.get_weights()]
        model.set_weights(noise)
        pairs.append((blueprint.to_graph(), convert(model, rng.normal(size=(8, *shape)))))
    return pairs


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
