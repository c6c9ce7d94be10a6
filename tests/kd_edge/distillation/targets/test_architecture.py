"""A network is recognised by all that decides what it answers, and by nothing else."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kd_edge.distillation.targets.architecture import architecture_of
from kd_edge.distillation.targets.fingerprints import hash_of
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import DataError

L = keras.layers
SAMPLES = np.random.default_rng(0).uniform(0, 255, (16, 8, 8, 1)).astype("float32")


@keras.saving.register_keras_serializable("test_architecture")
class Own(L.Layer):
    """A layer that does not say how it was made."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        raise NotImplementedError


def network(*layers, shape=(8, 8, 1)):
    """Return a network; its layers' names are new each time."""
    source = x = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(source, L.Dense(3)(L.Flatten()(x)))


def nested(strides=2):
    block = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(2, 3, strides=strides, padding="same")])
    return network(block, L.MaxPooling2D(2 // strides))


def branched(first="tanh", second="relu", swapped=False):
    source = keras.Input((8,))
    one, other = L.Dense(4, first)(source), L.Dense(4, second)(source)
    sides = [other, one] if swapped else [one, other]
    return keras.Model(source, {"a": L.Dense(3)(L.Subtract()(sides)), "b": L.Dense(2)(one)})


def recurrent(units=5):
    return network(L.Bidirectional(L.LSTM(units, return_sequences=True)), L.TimeDistributed(L.Dense(3)), shape=(6, 4))


def operations(axis=1, shift=0.5):
    return network(lambda x: keras.ops.flip(x, axis=axis)[:, :4] * np.array([2.0], "float32") + shift)


PAIRS = {
    "scale": (lambda: network(L.Rescaling(1 / 255)), lambda: network(L.Rescaling(1 / 127.5))),
    "strides in a nested network": (nested, lambda: nested(1)),
    "slope": (lambda: network(L.LeakyReLU(0.1)), lambda: network(L.LeakyReLU(0.2))),
    "pool": (lambda: network(L.MaxPooling2D(2)), lambda: network(L.AveragePooling2D(2))),
    "activations": (branched, lambda: branched("relu", "tanh")),
    "wiring": (branched, lambda: branched(swapped=True)),
    "arguments of an operation": (operations, lambda: operations(axis=2)),
    "a number that is added": (operations, lambda: operations(shift=0.25)),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_networks_of_the_same_weights_that_differ_otherwise_are_told_apart(kind):
    one, other = (make() for make in PAIRS[kind])
    other.set_weights(one.get_weights())
    assert hash_of(one) != hash_of(other)


SAME = {"nested": nested, "branched": branched, "recurrent": recurrent, "operations": operations}


@pytest.mark.parametrize("kind", SAME)
def test_a_network_is_the_same_from_its_file_and_by_other_names(kind, tmp_path):
    model = SAME[kind]()
    model.save(tmp_path / "model.keras")
    assert hash_of(keras.models.load_model(tmp_path / "model.keras")) == hash_of(model)
    again = SAME[kind]()
    again.set_weights(model.get_weights())
    assert [layer.name for layer in again.layers] != [layer.name for layer in model.layers]
    assert hash_of(again) == hash_of(model)


def test_what_only_training_knows_does_not_count():
    plain, trained = network(L.Conv2D(2, 3)), network(L.Conv2D(2, 3, kernel_initializer="zeros", bias_regularizer="l2"))
    trained.set_weights(plain.get_weights())
    trained.trainable = False
    assert hash_of(plain) == hash_of(trained)


def test_a_network_is_the_same_in_another_process(tmp_path):
    for kind, make in SAME.items():
        make().save(tmp_path / f"{kind}.keras")
    program = (
        "import json, sys, keras\n"
        "from kd_edge.distillation.targets.fingerprints import hash_of\n"
        "print(json.dumps([hash_of(keras.models.load_model(path)) for path in sys.argv[1:]]))"
    )
    paths = [str(tmp_path / f"{kind}.keras") for kind in SAME]
    said = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.splitlines()[-1]) == [hash_of(keras.models.load_model(path)) for path in paths]


def test_of_a_layer_that_does_not_say_how_it_was_made_the_class_counts():
    assert architecture_of(network(Own(2.0))) == architecture_of(network(Own(3.0)))
    assert architecture_of(network(Own(2.0))) != architecture_of(network(L.Identity()))


def test_targets_of_a_teacher_that_reads_its_samples_otherwise_are_refused(tmp_path):
    first, second = (make() for make in PAIRS["scale"])
    soft_targets(first, SAMPLES, path=tmp_path / "targets.npy")
    with pytest.raises(DataError, match="is of another teacher"):
        soft_targets(second, SAMPLES, path=tmp_path / "targets.npy")
