"""Keras models and the converter's files give the same graph."""

import keras
import numpy as np
import pytest
from keras import layers

from kd_edge.conversion.converter import convert
from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import execution_order
from kd_edge.ir.lowering import lower, read_blueprint


def kinds(model):
    return [op.kind for op in lower(model).ops]


def test_what_a_node_makes_ready_runs_before_what_was_ready_already():
    # 0 feeds 1 and 2; 3 reads 1; 4 reads both branches.
    assert execution_order([(), (0,), (0,), (1,), (3, 2)], "abcde") == [0, 1, 3, 2, 4]
    assert execution_order([(), (0,), (0,), (1,), (3, 2)], "azcde") == [0, 2, 1, 3, 4]


def test_branches_run_in_the_order_of_their_names():
    source = keras.Input((4, 4, 2))
    late = layers.Conv2D(3, 1, name="z")(source)
    early = layers.Conv2D(5, 1, name="a")(source)
    graph = lower(keras.Model(source, layers.Concatenate()([late, early])))
    assert [graph.tensors[op.outputs[0]].shape[3] for op in graph.ops] == [5, 3, 8]


def test_arithmetic_with_numbers_is_read_as_rescaling():
    source = keras.Input((4, 4, 2))
    model = keras.Model(source, layers.MaxPooling2D(2)(source) * 2.0 + 1.0)
    assert kinds(model) == ["MAX_POOL_2D", "MUL", "ADD"]


def test_a_bias_moves_into_the_dense_layer_after_it_and_others_get_it_from_an_addition():
    source = keras.Input((8,))
    hidden = layers.Dense(8)(source)
    model = keras.Model(source, layers.Multiply()([hidden, layers.Dense(8)(hidden)]))
    graph = lower(model)
    assert [op.kind for op in graph.ops] == ["FULLY_CONNECTED", "ADD", "FULLY_CONNECTED", "MUL"]
    assert graph.ops[0].inputs[2] == -1
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    assert lower(convert(model, rng.normal(size=(8, 8)))).canonical() == graph


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            layers.GroupNormalization(2, name="norm"),
            r"cannot read layer 'norm' \(GroupNormalization\): supported layers",
        ),
        (
            layers.LayerNormalization(1, name="ln"),
            r"layer 'ln' \(LayerNormalization\): expected axis=-1, received \(1,\)",
        ),
        (layers.Lambda(lambda x: x, name="mine"), r"cannot read layer 'mine' \(Lambda\): supported layers are"),
        (layers.MultiHeadAttention(1, 2, name="mha"), r"cannot read layer 'mha' \(MultiHeadAttention\)"),
        (layers.ReLU(threshold=1.0, name="r"), r"layer 'r' \(ReLU\): expected threshold=0.0, received 1.0"),
        (layers.BatchNormalization(axis=1, name="bn"), r"layer 'bn' \(BatchNormalization\): expected axis=-1"),
    ],
)
def test_an_unsupported_layer_is_named_with_its_class(layer, message):
    source = keras.Input((4, 6))
    inputs = (source, source) if isinstance(layer, layers.MultiHeadAttention) else (source,)
    with pytest.raises(ModelError, match=message):
        read_blueprint(keras.Model(source, layer(*inputs)))


def test_an_unsupported_operation_is_named():
    source = keras.Input((4,))
    with pytest.raises(ModelError, match=r"cannot read operation '\w+' \(Absolute\): supported are Add, Maximum"):
        read_blueprint(keras.Model(source, keras.ops.absolute(source)))


def test_tensors_that_cannot_be_combined_are_refused():
    from kd_edge.ir.blueprint import Sketch
    from kd_edge.ir.layers import Flatten, Multiply

    sketch = Sketch((4, 3))
    flat = sketch.add(Flatten())
    with pytest.raises(ModelError, match=r"of the shapes \(1, 12\) and \(1, 4, 3\): expected equal sizes or 1"):
        sketch.blueprint(sketch.add(Multiply(), flat, 0)).to_graph()
