"""Layers that Keras writes in operators which TFLM lacks compute the same in operators that it has."""

import keras
import numpy as np
import pytest

from kd_edge.clone.layer_names import names_of
from kd_edge.conversion.converter import convert
from kd_edge.conversion.tflm_support import find_missing_ops
from kd_edge.ir.lowering import lower
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import refusals_of
from tflite_bench.runners import tflm
from tflite_bench.runners.litert import run_outputs

L = keras.layers
RNG = np.random.default_rng(0)
STEPS = RNG.normal(size=(40, 6, 3)).astype("float32")
PADDED = np.where(np.arange(6)[:, None] < RNG.integers(2, 7, (40, 1, 1)), STEPS, -1.0).astype("float32")
VOLUMES = RNG.normal(size=(40, 2, 3, 2, 2)).astype("float32")
IMAGES = RNG.normal(size=(40, 4, 5, 2)).astype("float32")
WORDS = RNG.integers(0, 9, (40, 6))

CASES = {
    "image": (lambda: [keras.Input((4, 5, 2)), L.UpSampling2D((2, 3)), L.Conv2D(2, 2)], IMAGES),
    "sequence": (lambda: [keras.Input((6, 3)), L.UpSampling1D(3), L.Conv1D(2, 2)], STEPS),
    "volume": (lambda: [keras.Input((2, 3, 2, 2)), L.UpSampling3D((2, 1, 3)), L.Flatten(), L.Dense(2)], VOLUMES),
    "repeated": (lambda: [keras.Input((3,)), L.Dense(4), L.RepeatVector(5), L.Conv1D(2, 2)], STEPS[:, 0]),
    "words": (lambda: [keras.Input((6,)), L.Embedding(9, 4), L.GlobalAveragePooling1D(), L.Dense(2)], WORDS),
    "masked words": (
        lambda: [keras.Input((6,)), L.Embedding(9, 4, mask_zero=True), L.GlobalAveragePooling1D(), L.Dense(2)],
        WORDS,
    ),
    "masked steps": (lambda: [keras.Input((6, 3)), L.Masking(-1.0), L.LSTM(3), L.Dense(2)], PADDED),
}

K = keras.ops
OPERATIONS = {
    "tile": lambda x: K.tile(x, (1, 2, 3)),
    "tile by one number": lambda x: K.tile(x, 2),
    "repeat": lambda x: K.repeat(x, 3, axis=1),
    "where": lambda x: K.where(x > 0.2, x, 0.5),
    "where of two tensors": lambda x: K.where(K.flip(x, axis=1) > x, K.flip(x, axis=1), x),
    "any": lambda x: K.where(K.any(x > 0.5, axis=-1, keepdims=True), K.max(x, axis=-1, keepdims=True), 0.5),
    "position of the largest": lambda x: K.cast(K.argmax(x, axis=-1, keepdims=True), "float32"),
    "position of the smallest": lambda x: K.cast(K.argmin(x, axis=1), "float32"),
    "take": lambda x: K.take(x, np.array([2, -1, 0]), axis=1),
    "clip": lambda x: K.clip(x, -1.0, 1.0),
    "selu": L.Activation("selu"),
    "selu of a layer": L.Dense(4, activation="selu"),
    "selu as an operation": lambda x: K.selu(3 * x),
    "masked, both ways": lambda x: L.Bidirectional(L.GRU(3))(L.Masking(-1.0)(x)),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_file_computes_what_keras_does_and_tflm_has_its_operators(kind):
    keras.utils.set_random_seed(1)
    layers, samples = CASES[kind]
    check_file(keras.Sequential(layers()), samples)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_so_does_the_file_of_an_operation_on_tensors(kind):
    keras.utils.set_random_seed(1)
    source = keras.Input((6, 3))
    model = keras.Model(source, L.Dense(2)(L.Flatten()(OPERATIONS[kind](source))))
    check_file(model, PADDED)


def test_an_operation_without_a_counterpart_is_named():
    source = keras.Input((6,))
    inner = keras.Model(source, L.Dense(2)(K.top_k(source, 2)[0]))
    outer = keras.Input((6,))
    model = keras.Model(outer, L.Dense(2)(inner(outer)))
    (missing,) = find_missing_ops(read_model(convert(model, quantize="none")), names_of(model))
    assert (missing.op, missing.layer) == ("TOPK_V2", inner.operations[1].name)


def check_file(model, samples):
    content = convert(model, samples)
    info = read_model(content)
    assert tflm.missing_ops(info) == ()
    assert refusals_of(info) == ()
    steps, expected = quantize(samples, info.input_tensors[0]), np.asarray(model(samples))
    for run in (run_outputs, tflm.run_outputs):
        error = np.abs(dequantize(run(content, steps), info.output_tensors[0]) - expected).max()
        assert error < 0.1 * np.ptp(expected)


@pytest.mark.parametrize("kind", ["image", "sequence"])
def test_the_graph_of_an_upsampling_is_that_of_the_file(kind):
    layers, samples = CASES[kind]
    model = keras.Sequential(layers())
    assert [op.kind for op in lower(model).ops] == [op.name for op in read_model(convert(model, samples)).ops]
