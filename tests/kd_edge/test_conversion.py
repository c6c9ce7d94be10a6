"""Conversion to .tflite."""

import keras
import numpy as np
import pytest

from kd_edge.conversion import QUANTIZE_MODES, convert
from kd_edge.errors import ConfigError, DataError, ModelError
from tflite_bench.litert import run_outputs
from tflite_bench.model import read_model


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", bias_initializer="glorot_normal")(inputs)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(5, bias_initializer="glorot_normal")(x), name="small")


SAMPLES = np.random.default_rng(2).normal(size=(64, 8, 8, 2)).astype("float32")


def test_no_op_is_left_that_a_dynamic_batch_would_cause(model):
    kinds = [op.name for op in read_model(convert(model, SAMPLES)).ops]
    assert kinds == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_the_default_is_int8_from_input_to_output(model):
    info = read_model(convert(model, SAMPLES))
    assert [t.dtype for t in (*info.input_tensors, *info.output_tensors)] == ["int8", "int8"]
    weights = info.tensors[info.ops[0].inputs[1]]
    assert len(weights.scales) == 6


@pytest.mark.parametrize("mode", QUANTIZE_MODES)
def test_every_mode_computes_what_the_model_computes(model, mode):
    content = convert(model, SAMPLES, quantize=mode)
    info = read_model(content)
    source, target = info.input_tensors[0], info.output_tensors[0]
    fed, scale = SAMPLES, 1.0
    if target.dtype != "float32":
        scale = target.scales[0]
        fed = np.clip(np.round(SAMPLES / source.scales[0]) + source.zero_points[0], -(2**15), 2**15 - 1)
        fed = np.clip(fed, np.iinfo(source.dtype).min, np.iinfo(source.dtype).max).astype(source.dtype)
    outputs = run_outputs(content, fed).astype("float32")
    outputs = (outputs - (target.zero_points[0] if target.zero_points else 0)) * scale
    expected = model.predict(SAMPLES, verbose=0)
    assert np.abs(outputs - expected).max() < (1e-5 if mode == "none" else 0.1)


def test_equal_input_gives_equal_bytes(model):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert convert(model, SAMPLES, seed=3) == convert(clone, SAMPLES, seed=3)


def test_what_cannot_be_converted_is_named(model):
    with pytest.raises(ConfigError, match="unknown quantize mode 'int7': did you mean 'int8'"):
        convert(model, SAMPLES, quantize="int7")
    with pytest.raises(DataError, match="no calibration data"):
        convert(model)
    with pytest.raises(DataError, match=r"expected samples of shape \(8, 8, 2\), received \(8, 8, 3\)"):
        convert(model, np.zeros((4, 8, 8, 3)))
    with pytest.raises(DataError, match="received NaN or infinity"):
        convert(model, np.full((4, 8, 8, 2), np.nan))
    dynamic = keras.Sequential([keras.Input((None, 4)), keras.layers.GlobalAveragePooling1D()])
    with pytest.raises(ModelError, match=r"expected a static input shape, received \(None, 4\)"):
        convert(dynamic, quantize="none")


def two_inputs():
    image, numbers = keras.Input((4, 4, 1), name="image"), keras.Input((3,), name="numbers")
    x = keras.layers.Concatenate()([keras.layers.Flatten()(image), keras.layers.Dense(5)(numbers)])
    return keras.Model([image, numbers], [keras.layers.Dense(2)(x), keras.layers.Dense(7)(x)])


def test_several_inputs_and_outputs_keep_their_order():
    arrays = [SAMPLES[:8, :4, :4, :1], SAMPLES[:8, 0, 0, :1].repeat(3, axis=1)]
    model = two_inputs()
    content = convert(model, arrays)
    info = read_model(content)
    assert [t.shape for t in info.input_tensors] == [(1, 4, 4, 1), (1, 3)]
    assert [t.shape for t in info.output_tensors] == [(1, 2), (1, 7)]
    assert convert(model, tuple(arrays)) == content
    assert convert(model, {"numbers": arrays[1], "image": arrays[0]}) == content


def test_samples_that_do_not_belong_to_the_inputs_are_refused():
    image, numbers = np.zeros((4, 4, 4, 1)), np.zeros((4, 3))
    with pytest.raises(DataError, match="expected one array for each of 2 inputs, received 1"):
        convert(two_inputs(), image)
    with pytest.raises(DataError, match=r"expected arrays for \['image', 'numbers'\], received \['picture'\]"):
        convert(two_inputs(), {"picture": image})
    with pytest.raises(DataError, match=r"expected samples of shape \(3,\), received \(4, 4, 1\)"):
        convert(two_inputs(), [image, image])
    with pytest.raises(DataError, match=r"expected as many samples for each input, received \[3, 4\]"):
        convert(two_inputs(), [image, numbers[:3]])
