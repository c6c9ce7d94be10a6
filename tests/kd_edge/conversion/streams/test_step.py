"""Streams: a step that keeps ring buffers answers, after the last frame of a window, what the window's network does."""

import warnings
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.streams.step import StreamStep
from kd_edge.cost.file_size import flash_bytes
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError, ConversionWarning, ModelError
from kd_edge.ir.lowering import lower, read_layers
from kd_edge.ir.streaming import stream
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.model.streams import in_steps
from tflite_bench.runners import litert, tflm

layers = keras.layers
VALUES = {"width": 8, "stem_kernel": 5, "stem_stride": 3, "num_blocks": 2, "kernel": 3, "flattens": 1, "growth": 1.5}
# 20 frames are 6 steps of 3 and 2 frames more: the first step is filled up in front.
WINDOWS = np.random.default_rng(1).normal(size=(24, 20, 6)).astype(np.float32)


def with_random_weights(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight.numpy() + np.abs(rng.normal(size=weight.shape, scale=0.2)))
    return model


@pytest.fixture(scope="module")
def student() -> keras.Model:
    keras.utils.set_random_seed(0)
    return with_random_weights(StudentSpace.family("streaming", (20, 6), 3).blueprint(VALUES).to_keras())


@pytest.fixture(scope="module")
def int8(student: keras.Model) -> bytes:
    return convert(student, WINDOWS, stream=3)


def answers(content: bytes, windows: np.ndarray, *, in_tflm: bool) -> np.ndarray:
    info = read_model(content)
    samples = quantize(windows, info.input_tensors[0])
    raw = tflm.run_outputs(content, samples) if in_tflm else litert.run_reference(content, samples)[0]
    return dequantize(raw, info.tensors[info.outputs[0]])


def test_the_float_step_answers_as_the_window_does_but_for_rounding(student: keras.Model) -> None:
    content = convert(student, WINDOWS, quantize="none", stream=3)
    assert read_model(content).input_tensors[0].shape == (1, 3, 6)
    for in_tflm in (False, True):
        found = answers(content, WINDOWS[:5], in_tflm=in_tflm)
        np.testing.assert_allclose(found, student.predict(WINDOWS[:5], verbose=0), atol=1e-5)


def test_the_int8_step_is_as_near_to_the_float_window_as_the_int8_window(student: keras.Model, int8: bytes) -> None:
    expected = student.predict(WINDOWS, verbose=0)
    window = np.abs(answers(convert(student, WINDOWS), WINDOWS, in_tflm=False) - expected)
    scale = read_model(int8).tensors[read_model(int8).outputs[0]].scales[0]
    for in_tflm in (False, True):
        step = np.abs(answers(int8, WINDOWS, in_tflm=in_tflm) - expected)
        assert step.max() <= window.max() + 4 * scale


def test_what_an_int8_step_keeps_is_int8(int8: bytes) -> None:
    info = read_model(int8)
    kept = [info.tensors[op.outputs[0]] for op in info.ops if op.name == "READ_VARIABLE"]
    # Kernel 5 less stride 3; twice kernel 3 less 1; the head reads (20 - 5) // 3 + 1 - 2 - 2 positions.
    assert [(tensor.dtype, tensor.shape[1]) for tensor in kept] == [("int8", n) for n in (2, 2, 2, 1)]
    assert [op.name for op in info.ops].count("CALL_ONCE") == 1


def test_the_step_is_costed_as_the_converter_writes_it(student: keras.Model, int8: bytes) -> None:
    blueprint, operations = read_layers(student)
    found, real = stream(blueprint, 3, [op.name for op in operations]).to_graph(), lower(int8)
    assert [op.kind for op in found.ops] == [op.kind for op in real.ops]
    shapes = [[graph.tensors[i].shape for op in graph.ops for i in op.outputs] for graph in (found, real)]
    assert shapes[0] == shapes[1]
    assert found.total_macs == real.total_macs
    assert arena_bytes(found, pointer_bytes=8) == arena_bytes(real, pointer_bytes=8)
    assert arena_bytes(found, pointer_bytes=8).arena_bytes == tflm.measure_arena(int8).arena_bytes
    assert flash_bytes(found) == pytest.approx(len(int8), rel=0.05)


def test_a_space_costs_the_step_and_not_the_window() -> None:
    space = StudentSpace.family("streaming", (20, 6), 3, frames=6)
    assert space.choices["stem_stride"] == (1, 2, 3)
    graph = space.graph({**VALUES, "frames": 6})
    assert [graph.tensors[i].shape for i in graph.inputs] == [(1, 6, 6)]
    # The stem moves twice in a step of 6 frames: 2 positions of 8 filters over 5 frames of 6 features.
    conv = next(op for op in graph.ops if op.kind == "CONV_2D")
    assert graph.macs(conv) == 2 * 8 * 5 * 6


def test_a_stream_goes_on_behind_the_first_window(student: keras.Model) -> None:
    long = np.random.default_rng(2).normal(size=(29, 6)).astype(np.float32)
    step = StreamStep(student, 3)
    outputs = [step.run(frames).numpy()[0] for frames in in_steps(long[np.newaxis], 3)]
    # Padded in front by 1 frame; every later answer is that of the 20 frames that end with the step.
    ends = [3 * (k + 1) - 1 for k in range(len(outputs))]
    windows = np.stack([long[end - 20 : end] for end in ends if end >= 20])
    np.testing.assert_allclose(outputs[-len(windows) :], student.predict(windows, verbose=0), atol=1e-5)


def causal() -> keras.Model:
    sequence = keras.Sequential(
        [
            layers.Input((12, 4)),
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.DepthwiseConv1D(3),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    return with_random_weights(sequence)


def residual() -> keras.Model:
    inputs = layers.Input((16, 5, 1))
    x = layers.Conv2D(4, (3, 3), padding="valid", activation="relu")(inputs)
    y = layers.Conv2D(4, (3, 1))(x)
    x = layers.Add()([y, layers.Cropping2D(((2, 0), (0, 0)))(x)])
    x = layers.MaxPooling2D((2, 1))(x)
    x = layers.ZeroPadding2D(((0, 0), (1, 1)))(x)
    x = layers.Conv2D(3, (2, 3), use_bias=False)(x)
    return with_random_weights(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x))))


@pytest.mark.parametrize(("make", "frames", "pads"), [(causal, 4, True), (residual, 2, False)])
def test_causal_residual_and_dilated_networks_stream_too(
    make: Callable[[], keras.Model], frames: int, pads: bool
) -> None:
    model = make()
    windows = np.random.default_rng(3).normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        content = convert(model, windows, quantize="none", stream=frames)
    said = [str(warning.message) for warning in caught if issubclass(warning.category, ConversionWarning)]
    assert len(said) == pads
    assert all("zeros" in sentence for sentence in said)
    np.testing.assert_allclose(answers(content, windows, in_tflm=True), model.predict(windows, verbose=0), atol=1e-5)


def a_model(*inner: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([layers.Input((12, 4)), *inner, layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize(
    ("model", "frames", "message"),
    [
        (a_model(layers.Bidirectional(layers.LSTM(2))), 1, r"layer 'bidirectional\w*' \(Bidirectional\)"),
        (a_model(layers.Conv1D(2, 3, padding="same", name="wide")), 1, r"'wide' \(Conv1D\): .*'same' looks ahead"),
        (a_model(layers.Conv1D(2, 3), layers.Conv1D(2, 3, padding="causal", name="late")), 1, "'late'.*its zeros"),
        (a_model(layers.Permute((2, 1), name="turned")), 1, r"'turned' \(Permute\): it works on more"),
        (a_model(layers.UpSampling1D(2, name="more")), 1, "'more'"),
        (keras.Sequential([layers.Input((12, 4)), layers.Conv1D(2, 3, name="end")]), 1, "'end'.*10 positions of time"),
        (keras.Sequential([layers.Input((4,)), layers.Dense(2)]), 1, r"expected samples of \(time, ...\)"),
    ],
)
def test_what_cannot_be_streamed_is_named(model: keras.Model, frames: int, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        StreamStep(model, frames)


@pytest.mark.parametrize(
    ("frames", "message"),
    [(13, "expected 1 to 12"), (0, "expected 1 to 12"), (3, "'strided' moves by 2 .* take a multiple of 2")],
)
def test_a_step_of_a_wrong_length_is_refused_in_one_line(frames: int, message: str) -> None:
    model = a_model(layers.Conv1D(2, 3, strides=2, name="strided"))
    with pytest.raises(ConfigError, match=message):
        StreamStep(model, frames)


def test_streams_are_not_converted_to_16_bit_activations(student: keras.Model) -> None:
    with pytest.raises(ConfigError, match="expected one of int8, float16, dynamic, none, received 'int16x8'"):
        convert(student, WINDOWS, quantize="int16x8", stream=3)


def test_a_step_is_not_fine_tuned_and_that_is_said_with_what_int8_costs(student: keras.Model) -> None:
    labels = np.arange(len(WINDOWS)) % 3
    data = Dataset("windows", *(WINDOWS, labels) * 3, class_names=("a", "b", "c"))
    made = convert_for(student, data, ConvertConfig("int8", stream=3))
    said = [line for line in made.warnings if "the step of a stream is never fine-tuned for int8" in line]
    assert len(said) == 1
    lost = made.qat.float_accuracy - made.qat.int8_accuracy
    assert f"int8 costs {lost:.1%} of the validation samples" in said[0]
    assert not made.qat.used
    assert made.qat.tuned_accuracy is None
