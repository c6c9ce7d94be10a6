"""Blueprints: the two renderings agree with each other and with the converter."""

import json

import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.graph import Tensor
from kd_edge.ir.layers import Activation, Add, Conv2D, DepthwiseConv2D, Flatten, MaxPooling2D, ReLU
from kd_edge.ir.layers.core import BatchNormalization, Dense
from kd_edge.search.space.student_space import StudentSpace

SPACES = [
    StudentSpace.family("ds_cnn", (32, 3), 4),
    StudentSpace.family("ds_cnn", (12, 12, 1), 4),
    StudentSpace.family("resnet", (32, 3), 4),
    StudentSpace.family("resnet", (12, 12, 3), 4),
    StudentSpace.family("mobilenet", (32, 3), 4),
    StudentSpace.family("mobilenet", (12, 12, 3), 4),
    StudentSpace.family("tcn", (32, 3), 4),
    StudentSpace.family("tcn", (16, 8, 1), 4),
    StudentSpace.family("streaming", (32, 3), 4),
    StudentSpace.family("streaming", (16, 8, 1), 4),
    StudentSpace.family("mlp", (20,), 4),
]
TITLES = [f"{space.name}-{len(space.input_shape)}d" for space in SPACES]


def drawn(space, seed):
    return space.blueprint(space.sample(np.random.default_rng(seed)))


def kinds(blueprint):
    return [op.kind for op in blueprint.to_graph().ops]


def test_batch_norm_and_relu_are_folded_into_the_convolution_before_them():
    sketch = Sketch((8, 8, 2))
    sketch.add(Conv2D(4, (3, 3), padding="same", use_bias=False))
    sketch.add(BatchNormalization())
    graph = sketch.blueprint(sketch.add(ReLU())).to_graph()
    assert [(op.kind, op.activation) for op in graph.ops] == [("CONV_2D", "RELU")]
    assert graph.tensors[2] == Tensor((4,), "int32", True, 4)


def test_a_value_that_is_read_twice_is_not_folded_away():
    sketch = Sketch((8, 8, 2))
    before = sketch.add(Conv2D(4, (3, 3), padding="same"))
    after = sketch.add(ReLU())
    graph = sketch.blueprint(sketch.add(Add(), before, after)).to_graph()
    assert [(op.kind, op.activation) for op in graph.ops] == [("CONV_2D", "NONE"), ("RELU", "NONE"), ("ADD", "NONE")]


def test_batch_norm_without_a_convolution_before_it_becomes_mul_and_add():
    sketch = Sketch((8, 8, 2))
    assert kinds(sketch.blueprint(sketch.add(BatchNormalization()))) == ["MUL", "ADD"]


def test_the_shapes_of_a_strided_depthwise_convolution_and_a_pooling_are_those_of_keras():
    sketch = Sketch((9, 7, 2))
    sketch.add(DepthwiseConv2D((3, 3), (2, 2), "same"))
    graph = sketch.blueprint(sketch.add(MaxPooling2D((2, 2), (2, 2)))).to_graph()
    assert [graph.tensors[op.outputs[0]].shape for op in graph.ops] == [(1, 5, 4, 2), (1, 2, 2, 2)]
    assert graph.ops[1].window == (2, 2)


def test_a_window_larger_than_its_input_is_refused():
    sketch = Sketch((4, 4, 1))
    blueprint = sketch.blueprint(sketch.add(Conv2D(2, (5, 5))))
    with pytest.raises(ModelError, match=r"expected one within \(4, 4\), received \(5, 5\)"):
        blueprint.to_graph()


def test_an_unknown_activation_is_named():
    sketch = Sketch((4,))
    blueprint = sketch.blueprint(sketch.add(Activation("mish")))
    with pytest.raises(ModelError, match=r"unsupported activation: expected one of linear, .* received 'mish'"):
        blueprint.to_graph()


def test_flatten_of_a_flat_value_emits_nothing():
    sketch = Sketch((4,))
    sketch.add(Flatten())
    assert kinds(sketch.blueprint(sketch.add(Dense(3)))) == ["FULLY_CONNECTED"]


@pytest.mark.parametrize("space", SPACES, ids=TITLES)
def test_a_blueprint_survives_json(space):
    blueprint = drawn(space, 1)
    assert Blueprint.from_dict(json.loads(json.dumps(blueprint.to_dict()))) == blueprint


@pytest.mark.parametrize("space", SPACES, ids=TITLES)
def test_graphs_are_canonical_and_chained(space):
    for seed in range(50):
        graph = drawn(space, seed).to_graph()
        assert graph == graph.canonical()
        assert graph.tensors[graph.outputs[0]].shape == (1, 4)
        written = set(graph.inputs)
        for op in graph.ops:
            assert all(i in written or graph.tensors[i].constant for i in op.inputs if i >= 0)
            written.update(op.outputs)


@pytest.mark.parametrize("space", SPACES, ids=TITLES)
@pytest.mark.parametrize("seed", range(3))
def test_both_renderings_agree(space, seed):
    from kd_edge.ir.lowering import lower, read_blueprint

    blueprint = drawn(space, seed)
    model = blueprint.to_keras()
    assert read_blueprint(model) == blueprint
    assert lower(model) == blueprint.to_graph()
    assert model.output_shape == (None, 4)
