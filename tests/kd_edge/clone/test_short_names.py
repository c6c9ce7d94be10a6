"""The names of a file's tensors: short, all different, and still telling the layers."""

import keras
import numpy as np
import pytest

from kd_edge.clone.layer_names import layer_of, names_of
from kd_edge.clone.short_names import NamedOp, short_names
from kd_edge.conversion.converter import convert
from kd_edge.ir.lowering import lower
from tflite_bench.model.reader import read_model
from tools.networks import zoo

layers = keras.layers


def names_in(content: bytes) -> list[str]:
    return [tensor.name for tensor in read_model(content).tensors]


def test_tensors_are_called_by_layer_and_constants_by_their_place():
    ops = [
        NamedOp("CONV_2D", (0, 1, 2), (3,), "conv2d"),
        NamedOp("MUL", (3, 4), (5,), "conv2d"),
        NamedOp("ADD", (5, 4), (6,), ""),
        NamedOp("FULLY_CONNECTED", (6, 7, -1), (8,), "dense"),
    ]
    assert short_names(ops, constants={1, 2, 4, 7}, kept={0, 8}) == {
        1: "weights0",
        2: "bias0",
        3: "conv2d",
        4: "input1_1",
        5: "conv2d:1",
        7: "dense:weights3",
    }


@pytest.mark.parametrize(
    "name", ["batch_norm_after_add", "two_inputs", "two_outputs", "squeeze_excite", "separable_1d"]
)
def test_names_of_a_file_are_different_from_one_another_and_known_before(name):
    model = zoo.build(name)
    content = convert(model, zoo.samples(model))
    found = names_in(content)
    assert len(set(found)) == len(found)
    assert lower(model).name_bytes == pytest.approx(lower(content).name_bytes, abs=20)


def test_inputs_outputs_and_their_signature_keep_their_names():
    model = zoo.build("two_inputs")
    content = convert(model, zoo.samples(model))
    info = read_model(content)
    assert {tensor.name for tensor in info.input_tensors} == {"serving_default_input_0:0", "serving_default_input_1:0"}
    assert [tensor.name for tensor in info.output_tensors] == ["StatefulPartitionedCall_1:0"]
    assert info.signatures == ("serving_default",)


def test_every_op_tells_its_layer_with_and_without_the_model():
    source = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv2d")(source)
    x = layers.Conv2D(4, 3, name="conv2d_1", activation="relu")(x)
    x = layers.Flatten(name="odd::name 1")(x)
    model = keras.Model(source, layers.Dense(3, name="dense")(x))
    info = read_model(convert(model, np.random.default_rng(0).normal(size=(8, 8, 8, 3))))
    names = names_of(model)
    assert [layer_of(info, op, names) for op in info.ops] == ["conv2d", "conv2d_1", "odd::name 1", "dense"]
    assert [layer_of(info, op) for op in info.ops] == ["conv2d", "conv2d_1", "odd__name_1", "dense"]
