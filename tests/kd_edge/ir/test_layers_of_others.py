"""Layers and functions of users' own that are called as those of Keras: they are read by what they compute."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kd_edge.conversion.converter import convert
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import lower, macs_of, read_blueprint
from kd_edge.search.space.student_space import StudentSpace


class ReLU(layers.Layer):
    """Another function than that of Keras' layer of the same name, with the same arguments."""

    def __init__(self, max_value=None, negative_slope=0.0, **kwargs):
        super().__init__(**kwargs)
        self.max_value, self.negative_slope = max_value, negative_slope

    def call(self, inputs):
        return ops.sigmoid(inputs) * inputs * inputs

    def get_config(self):
        return {**super().get_config(), "max_value": self.max_value, "negative_slope": self.negative_slope}


class RandomProjection(layers.Layer):
    """Called as layers are that only change samples in a training."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 16), trainable=False)

    def call(self, inputs):
        return ops.matmul(inputs, self.kernel)


@keras.saving.register_keras_serializable("tests")
def relu(values):
    """Another function than Keras' activation of the same name."""
    return ops.minimum(ops.maximum(values, 0.0), 3.0)


def with_layer(layer):
    return keras.Sequential([keras.Input((10,)), layers.Dense(6), layer, layers.Dense(3)])


def kinds(graph):
    return [op.kind for op in graph.ops]


def converted(model):
    return lower(convert(model, np.random.default_rng(0).normal(size=(8, 10))))


def test_a_layer_that_is_called_as_one_of_keras_is_lowered_by_what_it_computes():
    model = with_layer(ReLU())
    assert (
        kinds(lower(model))
        == kinds(converted(model))
        == ["FULLY_CONNECTED", "LOGISTIC", "MUL", "MUL", "FULLY_CONNECTED"]
    )
    with pytest.raises(
        ModelError, match=r"cannot read layer 're_lu\w*' \(ReLU of \S*test_layers_of_others\): supported"
    ):
        read_blueprint(model)


def test_no_student_is_derived_from_a_layer_that_is_called_as_one_of_keras():
    with pytest.raises(ModelError, match=r"cannot read layer .* \(ReLU of"):
        StudentSpace.from_teacher(with_layer(ReLU()))


def test_a_layer_whose_name_begins_with_random_is_not_taken_for_a_random_change():
    model = with_layer(RandomProjection())
    assert macs_of(model) == 10 * 6 + 6 * 16 + 16 * 3
    assert kinds(lower(model)) == kinds(converted(model)) == ["FULLY_CONNECTED"] * 3


def test_random_changes_of_keras_still_hand_their_input_on():
    source = keras.Input((8, 8, 3))
    assert lower(keras.Model(source, layers.RandomFlip()(source))).ops == ()


@pytest.mark.parametrize("activation", [relu, layers.LeakyReLU(0.2)], ids=["function", "layer"])
def test_an_activation_that_is_no_name_is_lowered_by_what_it_computes(activation):
    model = with_layer(layers.Dense(4, activation=activation))
    assert kinds(lower(model)) == kinds(converted(model))
    with pytest.raises(ModelError, match=r"expected activation by a name of Keras, received a function or layer"):
        read_blueprint(model)
