"""MACs of a guide are those of the ops that TFLite executes, or unknown; never a wrong number."""

import keras
import pytest

from kd_edge.distillation.guides.base import LiveGuide
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.ir.lowering import macs_of


def functional(shape, *layers):
    h = inputs = keras.Input(shape)
    for layer in layers:
        h = layer(h)
    return keras.Model(inputs, h)


def test_a_transposed_convolution_multiplies_each_input_value_by_its_kernel():
    # 8 x 8 input positions, a kernel of 3 x 3, 4 channels to 32; twice as many output positions in each direction.
    model = functional((8, 8, 4), keras.layers.Conv2DTranspose(32, 3, strides=2, padding="same"))
    assert macs_of(model) == 8 * 8 * 3 * 3 * 4 * 32


def test_of_a_recurrent_network_they_are_unknown_or_count_every_step():
    # 10 steps of four gates, each a product with 6 inputs and 5 units.
    macs = macs_of(functional((10, 6), keras.layers.LSTM(5), keras.layers.Dense(3)))
    assert macs is None or macs >= 10 * 4 * 5 * (6 + 5) + 5 * 3


def test_of_attention_they_are_unknown_or_count_its_products():
    inputs = keras.Input((10, 8))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))
    # Four projections of 8 to 2 x 4 channels or back; scores and their sums, 10 x 10 per channel.
    macs = macs_of(model)
    assert macs is None or macs >= 4 * 10 * 8 * 8 + 2 * 10 * 10 * 8


def test_a_layer_that_is_called_twice_counts_twice_or_is_unknown():
    shared = keras.layers.Dense(8)
    assert macs_of(functional((8,), shared, keras.layers.ReLU(), shared)) in (2 * 8 * 8, None)


def test_of_a_subclassed_network_they_are_unknown():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    assert macs_of(Subclassed()) is None


@pytest.mark.parametrize(("guide", "passes"), [(LiveGuide, 1), (Trainee, 3)])
def test_a_step_of_a_trainee_takes_three_times_a_forward_pass(guide, passes):
    model = functional((8,), keras.layers.Dense(3))
    made = guide("teacher", model) if guide is LiveGuide else guide(model, weight=1.0)
    assert made.macs_per_sample == passes * 8 * 3
