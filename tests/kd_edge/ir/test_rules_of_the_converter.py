"""What the rules say of a model before there is a file is what the converter writes, where shapes are extreme, too."""

import keras
import numpy as np
import pytest
from keras import layers

from kd_edge.conversion.converter import convert
from kd_edge.ir.lowering import lower

NORMAL = {"mean": [0.3], "variance": [0.5]}
# By name the shape of a sample, and the layers.
MODELS = {
    "a dense chain before a softmax": ((6,), [layers.Dense(5), layers.Dense(3, activation="softmax")]),
    "a dense chain before a relu": ((6,), [layers.Dense(5), layers.Dense(3, activation="relu")]),
    "a bias by batch normalization": (
        (6,),
        [layers.Dense(5), layers.Dense(3, use_bias=False), layers.BatchNormalization(), layers.Softmax()],
    ),
    "a transposed convolution without a bias": (
        (5, 5, 3),
        [layers.Conv2DTranspose(4, 3, use_bias=False, activation="relu")],
    ),
    "one whose bias is a batch normalization": (
        (5, 5, 3),
        [layers.Conv2DTranspose(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()],
    ),
    "a mean over one channel": ((4, 1), [layers.LayerNormalization(), layers.Flatten(), layers.Dense(3)]),
    "axes of size 1 in another place": ((5, 1, 3), [layers.Permute((2, 1, 3)), layers.Conv2D(4, 1)]),
    "longer axes in another place": ((5, 1, 3), [layers.Permute((3, 2, 1)), layers.Conv2D(4, 1)]),
    "a single filter over time": ((8, 4), [layers.Conv1D(1, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]),
    "a single filter without a bias": ((8, 4), [layers.Conv1D(1, 3, use_bias=False)]),
    "a single filter at one step": ((3, 4), [layers.Conv1D(1, 3, activation="relu")]),
    "a single channel over time": ((8, 1), [layers.DepthwiseConv1D(3), layers.Conv1D(2, 3)]),
    "a single pointwise filter": ((8, 3), [layers.SeparableConv1D(1, 3)]),
    "one channel normalized by batch": ((8, 8, 1), [layers.BatchNormalization(), layers.Conv2D(2, 3)]),
    "one channel normalized by batch and padded": (
        (8, 8, 1),
        [layers.BatchNormalization(), layers.Conv2D(2, 3, padding="same")],
    ),
    "one channel normalized": ((8, 8, 1), [layers.Normalization(**NORMAL), layers.Conv2D(2, 3)]),
    "one channel normalized and padded": (
        (8, 8, 1),
        [layers.Normalization(**NORMAL), layers.Conv2D(2, 3, padding="same")],
    ),
}


def ops_of(graph):
    return [(op.kind, op.activation, graph.tensors[op.outputs[0]].shape) for op in graph.ops]


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_is_that_of_the_file(name):
    shape, parts = MODELS[name]
    model = keras.Sequential([keras.Input(shape), *parts])
    rng = np.random.default_rng(0)
    for weights in model.weights:
        weights.assign(0.5 + rng.random(weights.shape))
    graph = lower(model)
    made = lower(convert(model, rng.normal(size=(16, *shape)).astype("float32")))
    assert ops_of(graph) == ops_of(made)
    assert graph.params == made.params
