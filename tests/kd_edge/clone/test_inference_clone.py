"""The types that the clone of a model reads and computes in."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kd_edge.clone.inference_clone import batch_of_one
from kd_edge.conversion.converter import convert
from kd_edge.ir.lowering import lower
from tflite_bench.runners.tflm import run_outputs


def answers(head, dtype):
    source = keras.Input((8, 8, 1), dtype=dtype)
    return keras.Model(source, layers.Dense(2, bias_initializer="ones")(layers.Flatten()(head(source))))


HEADS = {
    "rescaling": layers.Rescaling(1 / 255),
    "cast": lambda x: ops.cast(x, "float32") / 255.0,
    "nested": keras.Sequential([keras.Input((8, 8, 1), dtype="uint8"), layers.Rescaling(1 / 255)]),
}


@pytest.mark.parametrize("head", HEADS)
def test_bytes_that_a_model_scales_itself_are_an_int8_input_that_tflm_runs(head):
    model = answers(HEADS[head], "uint8")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype(np.uint8)
    content = convert(model, pixels)
    graph = lower(content)
    assert "CAST" not in [op.kind for op in graph.ops]
    assert lower(model).canonical() == graph.canonical()
    raw = run_outputs(content, (pixels.astype(np.int16) - 128).astype(np.int8))
    expected = np.asarray(model(pixels))
    # One scale and zero point lead from int8 to the model's answers.
    assert np.corrcoef(raw.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", ["input", "input_0", "input_1"])
def test_a_layer_may_be_called_as_the_clones_inputs_are(name):
    one, other = keras.Input((4,), name="one"), keras.Input((4,), name="other")
    read = [layers.Dense(3, name=name)(one), layers.Dense(3)(other)]
    single = keras.Sequential([keras.Input((4,)), layers.Dense(3, name=name), layers.Dense(2)])
    for model, count in ((single, 1), (keras.Model([one, other], layers.Concatenate()(read)), 2)):
        content = convert(model, quantize="none")
        assert content == convert(model, quantize="none")
        assert len(lower(content).inputs) == count


def test_a_model_of_doubles_is_converted_in_single_precision():
    parts = [layers.Flatten(dtype="float64"), layers.Dense(4, "relu", bias_initializer="ones", dtype="float64")]
    model = keras.Sequential([keras.Input((2, 5), dtype="float64"), *parts])
    content = convert(model, np.random.default_rng(0).normal(size=(8, 2, 5)))
    assert (
        [op.kind for op in lower(content).ops] == [op.kind for op in lower(model).ops] == ["RESHAPE", "FULLY_CONNECTED"]
    )


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("by_name", [True, False])
def test_indices_that_a_nested_model_is_given_by_name_stay_integers(by_name):
    words, values = keras.Input((4,), name="words"), keras.Input((4,), name="values")
    found = layers.Concatenate()([layers.Flatten()(layers.Embedding(300, 2)(words)), values])
    inner = keras.Model([words, values], layers.Dense(2)(found))
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    # Keras lists a mapping's arguments in the order in which they are given.
    model = keras.Model([x, y], inner({"values": x, "words": y} if by_name else [y, x]))
    assert [str(source.dtype) for source in batch_of_one(model).inputs] == ["float32", "int32"]
    samples = [np.ones((1, 4), "float32"), np.full((1, 4), 299)]
    expected = model([samples[0], samples[1].astype("float32")])
    np.testing.assert_allclose(batch_of_one(model)(samples), expected, rtol=1e-5)
