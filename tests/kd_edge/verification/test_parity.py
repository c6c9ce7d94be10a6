"""Runtimes against each other op by op, and the noise of quantization."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kd_edge.clone.layer_names import LayerNames, layer_in, layer_of, names_of
from kd_edge.conversion.converter import convert
from kd_edge.verification.parity import compare
from kd_edge.verification.quantization_noise import _decibels, measure_noise
from tflite_bench.errors import RunnerError
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm
from tflite_bench.runners.op_outputs import trace

SAMPLES = np.random.default_rng(0).normal(size=(40, 16)).astype("float32")
HOSTILE = "models/tflm_keyword_scrambled_8bit.tflite"


@pytest.fixture(scope="module")
def student():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((16,))
    x = inputs
    for index in range(4):
        x = keras.layers.Dense(48, activation="relu", name=f"hidden_{index}")(x)
    return keras.Model(inputs, keras.layers.Dense(5, name="answer")(x), name="deep")


@pytest.fixture(scope="module")
def content(student):
    return convert(student, SAMPLES)


@pytest.fixture(scope="module")
def steps(content):
    return quantize(SAMPLES, read_model(content).input_tensors[0])


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_the_last_traced_op_has_the_outputs_of_the_model(content, steps, runtime):
    traced = trace(content, steps, runtime=runtime)
    run = tflm.run_outputs if runtime == "tflm" else lambda *a: litert.run_outputs(*a, reference_kernels=True)
    assert len(traced) == len(read_model(content).ops) == 5
    assert np.array_equal(traced[-1][:, 0], run(content, steps))
    assert traced[0].shape == (40, 1, 48)


def test_equal_outputs_are_bit_exact(content, steps):
    outputs = litert.run_outputs(content, steps, reference_kernels=True)
    parity = compare(content, steps, outputs, outputs)
    assert (parity.verdict, parity.num_identical, parity.max_difference) == ("bit-exact", 40, 0)
    assert parity.first_difference is None


def test_the_dense_layer_that_rounds_otherwise_is_named(student, content, steps):
    """LiteRT rounds dense layers in float, TFLM in integers."""
    outputs, micro = litert.run_outputs(content, steps, reference_kernels=True), tflm.run_outputs(content, steps)
    parity = compare(content, steps, outputs, micro, names=names_of(student))
    assert parity.num_identical + parity.num_within_one + parity.num_diverged == 40
    assert parity.num_identical < 40
    first = parity.first_difference
    assert (first.op, first.layer) == ("FULLY_CONNECTED", f"hidden_{first.index}")
    traces = [trace(content, steps[[first.sample]], runtime=runtime) for runtime in ("litert", "tflm")]
    differs = [not np.array_equal(one, other) for one, other in zip(*traces, strict=True)]
    assert differs.index(True) == first.index


def test_outputs_that_part_where_no_op_does_name_none(content, steps):
    outputs = litert.run_outputs(content, steps, reference_kernels=True).clip(-100, 100)
    wrong = outputs.copy()
    wrong[7, 2] += 9
    parity = compare(content, np.zeros_like(steps), outputs, wrong)
    assert (parity.verdict, parity.num_diverged, parity.max_difference) == ("diverged", 1, 9)
    assert parity.first_divergence is None


def test_no_number_against_a_number_has_diverged_and_against_no_number_is_equal():
    content = convert(keras.Sequential([keras.Input((16,)), keras.layers.Dense(5)]), quantize="none")
    outputs = litert.run_outputs(content, SAMPLES)
    for value in (np.nan, np.inf, -np.inf):
        wrong = outputs.copy()
        wrong[7, 2] = value
        for one, other in ((outputs, wrong), (wrong, outputs)):
            parity = compare(content, SAMPLES, one, other)
            assert (parity.verdict, parity.num_identical, parity.num_diverged) == ("diverged", 39, 1)
            assert parity.max_difference == sys.float_info.max
        assert compare(content, SAMPLES, wrong, wrong).verdict == "bit-exact"
        least = wrong.copy()
        least[3, 1] += 1e-5 * np.abs(outputs).max() / 2
        assert compare(content, SAMPLES, wrong, least).verdict == "within 1 LSB"


def test_the_noise_of_the_last_op_is_that_of_the_outputs(student, content, steps):
    float_model = convert(student, quantize="none")
    noise = measure_noise(content, float_model, SAMPLES, names=names_of(student))
    assert [op.layer for op in noise] == [*(f"hidden_{index}" for index in range(4)), "answer"]
    clean = litert.run_outputs(float_model, SAMPLES, reference_kernels=True).astype(float)
    raw = litert.run_outputs(content, steps, reference_kernels=True)
    error = clean - dequantize(raw, read_model(content).output_tensors[0])
    expected = 10 * np.log10((clean**2).sum() / (error**2).sum())
    assert noise[-1].signal_to_noise_db == pytest.approx(expected)
    assert 10 < expected < 60


def test_a_file_against_itself_has_no_noise(student):
    float_model = convert(student, quantize="none")
    noise = measure_noise(float_model, float_model, SAMPLES[:2])
    assert [op.signal_to_noise_db for op in noise] == [None] * 5
    assert [op.unavailable_reason["signal_to_noise_db"] for op in noise] == ["no noise"] * 5


def test_an_output_that_is_0_in_float_and_not_in_int8_has_noise_and_no_signal():
    silent = np.zeros(3), np.array([0.0, 0.1, 0.0])
    assert _decibels(*silent) == (None, {"signal_to_noise_db": "no signal: all are 0 in float"})


def test_the_layer_of_a_path_is_its_part_with_the_weights():
    path = "net_1/relu_3_1/Relu;net_1/conv2d_1_1/convolution"
    assert layer_in(path) == "conv2d_1_1"
    assert layer_in(path, LayerNames(frozenset({"conv2d_1", "relu_3"}))) == "conv2d_1"
    assert layer_in("net/quant_conv2d_1/BiasAdd", LayerNames(frozenset({"conv2d_1"}))) == "conv2d_1"
    tuned = "net/quant_turn/Reshape;net/quantize_layer/AllValuesQuantize/FakeQuantWithMinMaxVars"
    assert layer_in(tuned, LayerNames(frozenset({"turn"}))) == "turn"
    folded = "net_1/batchnorm_2_1/batchnorm/mul_1;net_1/depthwise_1_1/depthwise;net_1/batchnorm_2_1/batchnorm/sub"
    assert layer_in(folded) == "depthwise_1_1"
    assert layer_in("StatefulPartitionedCall_1:0") is None


def with_weights(model):
    """The model as after a training: of a fresh network the converter would drop or merge the equal biases."""
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(rng.normal(1, 0.1, weight.shape)) for weight in model.get_weights()])
    return model


def layers_of_ops(model, content):
    info, names = read_model(content), names_of(model)
    return [(op.name, layer_of(info, op, names)) for op in info.ops]


@pytest.mark.parametrize("model_name", [None, "sequential_1"])
def test_layers_with_the_names_that_keras_gives_are_told_apart(model_name):
    keras.utils.clear_session()  # the names start from `conv1d` again
    layers = [keras.layers.Conv1D(4, 3), keras.layers.Conv1D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = with_weights(keras.Sequential([keras.Input((16, 3)), *layers], name=model_name))
    assert [layer.name for layer in model.layers] == ["conv1d", "conv1d_1", "flatten", "dense"]
    content = convert(model, np.random.default_rng(0).normal(size=(20, 16, 3)))
    assert [layer for op, layer in layers_of_ops(model, content) if op == "CONV_2D"] == ["conv1d", "conv1d_1"]
    assert layers_of_ops(model, content)[-1] == ("FULLY_CONNECTED", "dense")


def test_a_normalization_that_stays_alone_is_not_taken_for_the_addition_before_it():
    keras.utils.clear_session()
    source = keras.Input((8, 8, 3))
    one, other = keras.layers.Conv2D(4, 3)(source), keras.layers.Conv2D(4, 3)(source)
    added = keras.layers.BatchNormalization()(keras.layers.Add()([one, other]))
    model = with_weights(keras.Model(source, keras.layers.Conv2D(2, 3)(keras.layers.ReLU()(added))))
    content = convert(model, np.random.default_rng(0).normal(size=(20, 8, 8, 3)))
    assert layers_of_ops(model, content) == [
        ("CONV_2D", "conv2d"),
        ("CONV_2D", "conv2d_1"),
        ("ADD", "add"),
        ("MUL", "batch_normalization"),
        ("ADD", "re_lu"),  # fused: called after the last of its layers
        ("CONV_2D", "conv2d_2"),
    ]


def test_a_path_without_the_number_of_the_model_has_none_of_its_layers():
    names = LayerNames(frozenset({"conv2d", "conv2d_1"}), model="net")
    assert layer_in("net_1/conv2d_1/convolution", names) == "conv2d"
    assert layer_in("net_1/conv2d_1_2/convolution", names) == "conv2d_1"
    assert layer_in("net/quant_conv2d_1/BiasAdd", names) == "conv2d_1"
    assert layer_in("net/conv2d/BiasAdd", names) == "conv2d"


@pytest.mark.shared
def test_a_file_that_crashes_the_interpreter_is_an_error(shared_path: Path):
    content = (shared_path / HOSTILE).read_bytes()
    tensor = read_model(content).input_tensors[0]
    with pytest.raises(RunnerError, match="cannot trace the model in litert: the runtime was ended by SIG"):
        trace(content, np.zeros((1, *tensor.shape[1:]), tensor.dtype))
