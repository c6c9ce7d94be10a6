"""Layers that Keras writes in operators which TFLM lacks compute the same in operators that it has."""

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.ir.lowering import lower
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import tflm
from tflite_bench.runners.litert import run_outputs

L = keras.layers
RNG = np.random.default_rng(0)
STEPS = RNG.normal(size=(40, 6, 3)).astype("float32")
PADDED = np.where(np.arange(6)[:, None] < RNG.integers(2, 7, (40, 1, 1)), STEPS, -1.0).astype("float32")
IMAGES = RNG.normal(size=(40, 4, 5, 2)).astype("float32")
WORDS = RNG.integers(0, 9, (40, 6))

CASES = {
    "image": (lambda: [keras.Input((4, 5, 2)), L.UpSampling2D((2, 3)), L.Conv2D(2, 2)], IMAGES),
    "sequence": (lambda: [keras.Input((6, 3)), L.UpSampling1D(3), L.Conv1D(2, 2)], STEPS),
    "repeated": (lambda: [keras.Input((3,)), L.Dense(4), L.RepeatVector(5), L.Conv1D(2, 2)], STEPS[:, 0]),
    "words": (lambda: [keras.Input((6,)), L.Embedding(9, 4), L.GlobalAveragePooling1D(), L.Dense(2)], WORDS),
    "masked words": (
        lambda: [keras.Input((6,)), L.Embedding(9, 4, mask_zero=True), L.GlobalAveragePooling1D(), L.Dense(2)],
        WORDS,
    ),
    "masked steps": (lambda: [keras.Input((6, 3)), L.Masking(-1.0), L.LSTM(3), L.Dense(2)], PADDED),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_file_computes_what_keras_does_and_tflm_has_its_operators(kind):
    keras.utils.set_random_seed(1)
    layers, samples = CASES[kind]
    model = keras.Sequential(layers())
    content = convert(model, samples)
    info = read_model(content)
    assert tflm.missing_ops(info) == ()
    target = info.output_tensors[0]
    values = run_outputs(content, quantize(samples, info.input_tensors[0])).astype("float32")
    expected = np.asarray(model(samples))
    error = np.abs((values - target.zero_points[0]) * target.scales[0] - expected).max()
    assert error < 0.1 * np.ptp(expected)


@pytest.mark.parametrize("kind", ["image", "sequence"])
def test_the_graph_of_an_upsampling_is_that_of_the_file(kind):
    layers, samples = CASES[kind]
    model = keras.Sequential(layers())
    assert [op.kind for op in lower(model).ops] == [op.name for op in read_model(convert(model, samples)).ops]
