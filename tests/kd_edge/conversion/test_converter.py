"""Conversion to .tflite."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.clone.inference_clone import batch_of_one
from kd_edge.config.choices import QUANTIZE_MODES
from kd_edge.conversion.calibration_checks import suspicions
from kd_edge.conversion.converter import convert
from kd_edge.cost.refusals import find_refusals
from kd_edge.errors import CalibrationWarning, ConfigError, DataError, ModelError
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm
from tflite_bench.runners.litert import run_outputs
from tflite_bench.runners.op_outputs import trace


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", bias_initializer="glorot_normal")(inputs)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(5, bias_initializer="glorot_normal")(x), name="small")


SAMPLES = np.random.default_rng(2).normal(size=(64, 8, 8, 2)).astype("float32")


@pytest.fixture(scope="module")
def content(model):
    return convert(model, SAMPLES)


def test_no_op_is_left_that_a_dynamic_batch_would_cause(content):
    kinds = [op.name for op in read_model(content).ops]
    assert kinds == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_the_default_is_int8_from_input_to_output(content):
    info = read_model(content)
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


def test_equal_input_gives_equal_bytes(model, content):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert convert(clone, SAMPLES) == content


def test_the_first_samples_calibrate_if_they_are_asked_for(model):
    first = convert(model, SAMPLES, num_calibration_samples=5, calibration="first")
    assert first == convert(model, SAMPLES[:5])
    assert first != convert(model, SAMPLES, num_calibration_samples=5)


def sequence_model(*layers):
    return keras.Sequential([keras.Input((8, 4)), *layers], name="sequence")


SEQUENCES = np.random.default_rng(3).normal(size=(32, 8, 4)).astype("float32")
# Each step more is a copy more of the ops of an unrolled layer.
SHORT = SEQUENCES[:, :3]


class Odd(keras.layers.Layer):
    """Has an operator that TFLite lacks."""

    def call(self, x):
        return tf.math.erfinv(tf.tanh(x))


def test_any_functional_or_sequential_model_converts_without_ops_of_the_batch():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8, 4)), keras.layers.Conv1D(3, 3), keras.layers.BatchNormalization()])
    nested = sequence_model(inner, keras.layers.Permute((2, 1)), keras.layers.Reshape((-1,)), keras.layers.Dense(2))
    twice = keras.layers.Dense(4)
    inputs = keras.Input((8, 4))
    shared = keras.Model(inputs, keras.layers.Add()([twice(twice(inputs)), inputs]))
    function = sequence_model(keras.layers.Lambda(lambda x: 2 * x), keras.layers.GlobalMaxPooling1D())
    pair = keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(3)(inputs)])
    for model in (nested, shared, function, pair):
        info = read_model(convert(model, SEQUENCES))
        assert {op.name for op in info.ops}.isdisjoint({"SHAPE", "PACK"})
        assert {tensor.dtype for tensor in (*info.input_tensors, *info.output_tensors)} == {"int8"}
        assert "STRIDED_SLICE" not in {op.name for op in info.ops}
    assert len(info.output_tensors) == 2


def test_indices_stay_integers():
    words = keras.Input((6,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(words))
    samples = np.random.default_rng(0).integers(0, 10, (16, 6))
    info = read_model(convert(keras.Model(words, keras.layers.Dense(2)(x)), samples))
    assert [t.dtype for t in (*info.input_tensors, *info.output_tensors)] == ["int32", "int8"]


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "int64"])
def test_indices_that_come_as_bytes_are_not_taken_for_pixels(dtype):
    words = keras.Input((6,), dtype=dtype)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(words))
    samples = np.random.default_rng(0).integers(0, 10, (16, 6)).astype("uint8")
    content = convert(keras.Model(words, keras.layers.Dense(2)(x)), samples)
    info = read_model(content)
    assert [t.dtype for t in (*info.input_tensors, *info.output_tensors)] == ["int32", "int8"]
    assert find_refusals(content) == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("quantize", ["int8", "none"])
def test_a_weight_that_is_not_finite_is_named(value, quantize):
    model = sequence_model(keras.layers.Dense(3, name="ran_away"))
    kernel, bias = model.get_layer("ran_away").get_weights()
    model.get_layer("ran_away").set_weights([kernel, np.full_like(bias, value)])
    with pytest.raises(
        ModelError, match=r"expected finite weights, received nan or inf in 'sequence/ran_away/bias'; train"
    ):
        convert(model, SEQUENCES, quantize=quantize)


def test_an_operator_that_tflite_lacks_is_named_with_its_layer():
    model = sequence_model(keras.layers.Dense(3), Odd(name="odd_one"))
    with pytest.raises(ModelError, match=r"TFLite has no operator for Erfinv \(layer 'odd_one'\)"):
        convert(model, SEQUENCES)


class Looping(keras.layers.Layer):
    """Doubles its input until it is large."""

    def call(self, x):
        return tf.while_loop(lambda y: tf.reduce_max(y) < 100.0, lambda y: (2 * y,), (x,))[0]


def test_a_loop_that_would_crash_the_calibration_is_refused_and_its_layer_named():
    model = sequence_model(Looping(name="growing"))
    with pytest.raises(ModelError, match="received one in layer 'growing'; convert to dynamic or float16"):
        convert(model, SEQUENCES)
    assert convert(model, quantize="dynamic")


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(6),
        keras.layers.GRU(6),
        keras.layers.Bidirectional(keras.layers.GRU(3)),
        keras.Sequential([keras.layers.Reshape((1, 3, 4)), keras.layers.TimeDistributed(keras.layers.SimpleRNN(3))]),
    ],
    ids=["lstm", "gru", "both_ways", "within_a_wrapper"],
)
def test_recurrent_layers_are_unrolled_for_int8_and_run_in_both_runtimes(layer):
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((3, 4)), layer, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.set_weights([weight + rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    expected = model.predict(SHORT, verbose=0)
    clone = batch_of_one(model, unroll=True)
    assert np.abs(np.concatenate([clone(x[None]) for x in SHORT[:8]]) - expected[:8]).max() < 1e-5
    content = convert(model, SHORT)
    info = read_model(content)
    assert {tensor.dtype for tensor in (*info.input_tensors, *info.output_tensors)} == {"int8"}
    scale, zero_point = info.output_tensors[0].scales[0], info.output_tensors[0].zero_points[0]
    for run in (run_outputs, tflm.run_outputs):
        outputs = run(content, quantize(SHORT, info.input_tensors[0])).astype(int)
        assert np.abs((outputs - zero_point) * scale - expected).max() < 0.1


def test_too_many_steps_to_unroll_are_refused_and_the_layer_named():
    layers = [keras.layers.Bidirectional(keras.layers.SimpleRNN(3, name="memory")), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((129, 4)), *layers], name="long")
    expected = "at most 128 time steps in a recurrent layer, received 129 in layer '.*_memory'; shorten the samples"
    with pytest.raises(ModelError, match=expected):
        convert(model, np.zeros((4, 129, 4)))
    assert "WHILE" in {op.name for op in read_model(convert(model, quantize="none")).ops}


@pytest.fixture(scope="module")
def trained():
    """A model whose BatchNormalization has seen inputs of variance 1."""
    keras.utils.set_random_seed(0)
    model = sequence_model(keras.layers.Conv1D(6, 3), keras.layers.BatchNormalization(name="norm", momentum=0.5))
    for _ in range(20):
        model(SEQUENCES, training=True)
    return model


def test_samples_as_in_training_cause_no_warning(trained):
    assert suspicions(trained, [SEQUENCES]) == []
    assert suspicions(sequence_model(keras.layers.Dense(3)), [SEQUENCES]) == []


def test_samples_of_another_scale_than_in_training_are_warned_of(trained):
    with pytest.warns(CalibrationWarning, match=r"before layer 'norm' their variance is 0\.01 times the training's"):
        convert(trained, SEQUENCES / 10)
    assert any("'norm'" in sentence for sentence in suspicions(trained, [100 * SEQUENCES]))


def test_samples_of_another_scale_are_warned_of_for_a_loaded_model_too(trained, tmp_path):
    trained.save(tmp_path / "trained.keras")
    loaded = keras.models.load_model(tmp_path / "trained.keras")
    assert suspicions(loaded, [SEQUENCES]) == []
    assert any("'norm'" in sentence for sentence in suspicions(loaded, [100 * SEQUENCES]))


@pytest.mark.parametrize("batch", [1, 5])
def test_a_model_of_a_fixed_batch_is_looked_at_in_batches_of_that_size(batch):
    source = keras.Input(batch_shape=(batch, 8, 4))
    hidden = keras.ops.reshape(keras.layers.Conv1D(2, 3)(source), (batch, -1))
    model = keras.Model(source, keras.layers.Dense(3)(hidden))
    assert suspicions(model, [SEQUENCES]) == suspicions(model, [SEQUENCES[:3]]) == []
    (said,) = suspicions(model, [1 + SEQUENCES / 1e4])
    assert "is degenerate" in said
    if batch == 1:
        assert convert(model, SEQUENCES)


def test_samples_that_cause_constant_activations_are_warned_of():
    dense = keras.layers.Dense(3, bias_initializer="ones", name="first")
    model = sequence_model(dense, keras.layers.ReLU())
    with pytest.warns(CalibrationWarning, match="all 32 calibration samples are the same"):
        convert(model, np.ones((32, 8, 4)))
    twice = (SEQUENCES * 0.5 + 0.5) / 255 / 255
    with pytest.warns(CalibrationWarning, match="activation range of layer 'first' is degenerate"):
        convert(model, twice)


def test_what_cannot_be_converted_is_named(model):
    with pytest.raises(ConfigError, match="unknown quantize mode 'int7': did you mean 'int8'"):
        convert(model, SAMPLES, quantize="int7")
    with pytest.raises(DataError, match="no calibration data"):
        convert(model)
    with pytest.raises(DataError, match=r"expected samples of shape \(8, 8, 2\), received \(8, 8, 3\)"):
        convert(model, np.zeros((4, 8, 8, 3)))
    with pytest.raises(DataError, match="expected one or more samples, received none"):
        convert(model, np.zeros((0, 8, 8, 2)))
    with pytest.raises(DataError, match="received NaN or infinity"):
        convert(model, np.full((4, 8, 8, 2), np.nan))
    for count in (0, -5):
        with pytest.raises(ConfigError, match=f"number of calibration samples: expected 1 or more, received {count}"):
            convert(model, SAMPLES, num_calibration_samples=count)
    with pytest.raises(ConfigError, match="expected one without labels, received 'balanced'"):
        convert(model, SAMPLES, calibration="balanced")
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


def test_inputs_in_a_dict_may_have_any_order():
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"b": b, "a": a}, keras.layers.Dense(2)(keras.layers.Concatenate()([a, b])))
    arrays = {"b": rng.normal(size=(8, 4)).astype("float32"), "a": rng.normal(size=(8, 3)).astype("float32")}
    for mode in ("int8", "none"):
        content = convert(model, arrays, quantize=mode)
        assert [t.shape for t in read_model(content).input_tensors] == [(1, 3), (1, 4)]
    outputs = run_outputs(content, [arrays["a"], arrays["b"]])
    assert np.abs(outputs - model.predict(arrays, verbose=0)).max() < 1e-5
    alone = keras.Model({"a": a}, keras.layers.Dense(2)(a))
    assert convert(alone, {"a": arrays["a"]}) == convert(alone, arrays["a"])


def test_a_recurrent_layer_that_keeps_its_state_converts_and_is_left_alone():
    keras.utils.set_random_seed(0)
    memory = keras.layers.LSTM(4, stateful=True)
    model = keras.Sequential([keras.Input((3, 4), batch_size=8), memory, keras.layers.Dense(2)])
    expected = model.predict(SHORT[:8], batch_size=8, verbose=0)
    state = [np.asarray(value) for value in memory.states]
    content = convert(model, SHORT)
    assert read_model(content).input_tensors[0].shape == (1, 3, 4)
    assert all(np.array_equal(one, other) for one, other in zip(state, memory.states, strict=True))
    outputs = run_outputs(convert(model, quantize="none"), SHORT[:1])
    assert np.abs(outputs[0] - expected[0]).max() < 1e-5


@pytest.mark.parametrize("mode", sorted(set(QUANTIZE_MODES) - {"int16x8"}))
def test_indices_that_keras_reads_as_floats_become_integers(mode):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(5000, 8), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    words = np.random.default_rng(0).integers(0, 5000, (300, 6))
    content = convert(model, words, quantize=mode)
    info = read_model(content)
    assert info.input_tensors[0].dtype == "int32"
    named = run_outputs(content, words.astype("int32")).argmax(axis=1)
    assert np.mean(named == model.predict(words, verbose=0).argmax(axis=1)) > 0.95


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_indices_cannot_be_quantized_to_16_bits(dtype):
    words = keras.Input((6,), dtype=dtype, name="words")
    model = keras.Model(words, keras.layers.Embedding(10, 4)(words))
    with pytest.raises(ModelError, match=r"received indices in \['words'\]; convert to int8"):
        convert(model, np.ones((4, 6)), quantize="int16x8")


def test_an_input_that_others_read_beside_an_embedding_keeps_its_type():
    numbers = keras.Input((6,))
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(numbers))
    model = keras.Model(numbers, keras.layers.Concatenate()([x, numbers]))
    assert read_model(convert(model, quantize="none")).input_tensors[0].dtype == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_a_model_of_half_precision_becomes_that_of_full_precision(policy):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((3, 4)), keras.layers.Dense(3, dtype=policy)], name="inner")
    layers = [inner, keras.layers.Lambda(lambda x: 2 * x, dtype=policy), keras.layers.LSTM(3, dtype=policy)]
    model = keras.Sequential([keras.Input((3, 4)), *layers, keras.layers.Dense(2, dtype="float32")])
    expected = model.predict(SHORT, verbose=0)
    for mode in ("int8", "none"):
        content = convert(model, SHORT, quantize=mode)
        assert {t.dtype for t in read_model(content).tensors}.isdisjoint({"float16"})
    outputs = run_outputs(content, SHORT)
    assert np.abs(outputs - expected).max() < 0.02


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


def test_bytes_are_read_less_128_whatever_values_the_samples_reach():
    layers = [
        keras.Input((4, 4, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(2, 3),
        keras.layers.Flatten(),
    ]
    model = keras.Sequential([*layers, keras.layers.Dense(2)])
    samples = np.random.default_rng(0).integers(40, 90, (20, 4, 4, 1)).astype(np.uint8)
    kept = samples.copy()
    source = read_model(convert(model, samples)).input_tensors[0]
    assert (source.dtype, source.scales, source.zero_points) == ("int8", (1.0,), (-128,))
    assert np.array_equal(samples, kept)


def test_bytes_beside_another_input_do_not_set_the_scale_of_both():
    features, flags = keras.Input((6,), name="features"), keras.Input((4,), name="flags")
    joined = keras.layers.Concatenate()([features, flags])
    rng = np.random.default_rng(0)
    given = {"features": rng.normal(size=(64, 6)).astype("float32"), "flags": rng.integers(0, 2, (64, 4))}
    model = keras.Model([features, flags], keras.layers.Dense(3)(joined))
    assert convert(model, given | {"flags": given["flags"].astype("uint8")}) == convert(model, given)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_numbers_that_an_input_of_integers_does_not_hold_are_refused(dtype):
    source = keras.Input((6,), dtype=dtype, name="pixels")
    model = keras.Model(source, keras.layers.Dense(2)(keras.layers.Rescaling(1 / 255)(source)))
    samples = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    with pytest.raises(DataError, match=r"for input 'pixels': expected whole numbers from"):
        convert(model, samples)
    assert convert(model, np.round(samples**2), quantize="none")


def test_half_precision_of_tensorflow_calibrates():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    samples = tf.cast(np.random.default_rng(0).integers(-8, 9, (8, 6)), tf.bfloat16)
    assert convert(model, samples) == convert(model, np.asarray(samples).astype("float32"))


@pytest.mark.parametrize("value", [0.5, 9.75])
def test_indices_that_are_none_are_refused(value):
    words = keras.Input((6,), dtype="int32", name="words")
    model = keras.Model(words, keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(words)))
    with pytest.raises(
        DataError, match=rf"for input 'words': expected whole numbers from -2.*received {re.escape(f'{value:g}')}"
    ):
        convert(model, np.full((8, 6), value))


def test_lists_of_numbers_calibrate_and_what_is_none_is_refused():
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=(4, *source.shape[1:])).astype("float32") for source in two_inputs().inputs]
    model = two_inputs()
    assert convert(model, [array.tolist() for array in samples]) == convert(model, samples)
    for strange in (np.full(samples[1].shape, "a"), samples[1] + 1j, samples[1].astype(object)):
        with pytest.raises(DataError, match=r"bad calibration data: expected numbers, received (<U1|complex|object)"):
            convert(model, [samples[0], strange])


def test_bytes_stay_bytes_in_whatever_order_they_lie_in_memory():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    planes = np.random.default_rng(0).integers(20, 200, (16, 3, 8, 8)).astype(np.uint8)
    for samples in (planes.transpose(0, 2, 3, 1), np.asfortranarray(planes.transpose(0, 2, 3, 1))):
        source = read_model(convert(model, samples)).input_tensors[0]
        assert (source.dtype, source.scales, source.zero_points) == ("int8", (1.0,), (-128,))


@pytest.mark.parametrize("mode", ["none", "int8"])
def test_text_is_refused_in_one_line_that_says_what_to_convert(mode):
    words = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4)
    reads = keras.Sequential([keras.Input((1,), dtype="string", name="words"), words, keras.layers.Embedding(9, 2)])
    with pytest.raises(ModelError, match=r"expected inputs of numbers, received text in 'words'; convert the part"):
        convert(reads, np.array([["a b"], ["b"]]), quantize=mode)


def test_an_input_of_unsigned_bytes_is_the_same_but_for_an_operator_that_takes_128_from_each():
    model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    every_byte = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    converter = tf.lite.TFLiteConverter.from_keras_model(batch_of_one(model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[every_byte.astype(np.float32)]]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
    unsigned = converter.convert()
    assert read_model(unsigned).ops[0].name == "QUANTIZE"
    for runtime in ("litert", "tflm"):
        read = trace(unsigned, every_byte, runtime=runtime)[0]
        assert np.array_equal(read.ravel(), np.arange(-128, 128))
    signed = (every_byte.astype(np.int16) - 128).astype(np.int8)
    outputs = litert.run_reference(unsigned, every_byte)[0], litert.run_reference(convert(model, every_byte), signed)[0]
    assert np.array_equal(*outputs)
