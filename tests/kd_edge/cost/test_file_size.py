"""The size of the file against the real converter's files."""

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.cost.file_size import BESIDE_ERROR_BYTES, flash_bytes, flash_ends
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower

L = keras.layers


def test_a_constant_takes_its_bytes_aligned_to_16_and_12_per_scale():
    def dense(units: int) -> Graph:
        weights = Tensor((units, 64), constant=True, num_scales=units)
        return Graph(
            (Tensor((1, 64)), weights, Tensor((1, units))), (Op("FULLY_CONNECTED", (0, 1, -1), (2,)),), (0,), (2,)
        )

    assert flash_bytes(dense(10)) - flash_bytes(dense(7)) == 3 * 64 + 3 * 12


def test_names_are_part_of_the_file_but_not_of_the_network():
    graph = Graph((Tensor((1, 4)),), (), (0,), (0,))
    named = graph._replace(name_bytes=100)
    assert graph == named
    assert hash(graph) == hash(named)
    assert flash_bytes(named) == flash_bytes(graph) + 100


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((16,), [L.Dense(16, activation="relu") for _ in range(8)]),
        ((16,), [L.Dense(16, activation="tanh", bias_initializer="random_normal") for _ in range(8)]),
        ((12, 12, 3), [L.SeparableConv2D(16, 3, bias_initializer="random_normal") for _ in range(4)] + [L.Flatten()]),
        ((12, 12, 3), [L.Conv2D(8, 3, use_bias=False, activation="relu") for _ in range(4)] + [L.Flatten()]),
        ((8, 3), [L.GRU(8)]),
    ],
    ids=["zero biases", "tanh", "separable", "without biases", "gru"],
)
def test_the_file_lies_in_the_interval_of_its_computed_size_whatever_the_biases_are(shape, layers):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *layers, L.Dense(3)])
    graph, samples = lower(model), np.random.default_rng(0).normal(size=(20, *shape)).astype("float32")
    low, high = flash_ends(graph, flash_bytes(graph))
    assert low <= len(convert(model, samples)) <= high


def test_what_is_beside_the_network_has_an_error_of_its_own():
    graph = Graph((Tensor((1, 4)),), (), (0,), (0,))
    # One percent of the network's 30,000 bytes is more than 128.
    assert flash_ends(graph, 30_000) == (29_700, 30_300)
    assert flash_ends(graph, 30_800, beside_bytes=800) == (30_500 - BESIDE_ERROR_BYTES, 31_100)
    assert flash_ends(graph, 30_100, beside_bytes=100) == (29_700, 30_400)
