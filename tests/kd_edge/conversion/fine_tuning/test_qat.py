"""Quantization-aware training with distillation, in tf_keras beside Keras 3."""

import os
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.fine_tuning.attempt import tuned_if_better
from kd_edge.conversion.fine_tuning.compression import compress
from kd_edge.conversion.fine_tuning.qat import fine_tune, unsupported_layers
from kd_edge.conversion.fine_tuning.qat_layers import to_tunable
from kd_edge.conversion.fine_tuning.tf_keras_copy import (
    FineTuning,
    check_copy,
    load_optimization,
    to_tf_keras,
    train_copy,
)
from kd_edge.conversion.results import Tuning
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm
from tools.networks import zoo
from tools.networks.teachers import TEACHERS

AUTO = ConvertConfig(num_calibration_samples=1, calibration="first", qat_epochs=2)
ALWAYS = replace(AUTO, qat="always")
ANY_LOSS = replace(AUTO, max_int8_loss=0.0)
# A training that would not come to an end here.
ENDLESS = FineTuning(epochs=10**6)


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


@pytest.fixture(scope="module")
def student(data):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(24, activation="relu"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input(data.input_shape), *layers], name="student")
    model.compile(keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=30, verbose=0)
    return model


@pytest.fixture(scope="module")
def tuned(student, data):
    return fine_tune(student, data, FineTuning(epochs=4))


def with_faint_sample(data):
    """The data with a first sample far smaller than the others: ranges taken from it are too narrow."""
    samples = data.x_train.copy()
    samples[0] *= 0.03
    return replace(data, x_train=samples)


@pytest.fixture(scope="module")
def faint(data):
    return with_faint_sample(data)


@pytest.fixture(scope="module")
def faint_file(student, faint):
    return convert(student, faint.x_train[:1])


def accuracy(content, data):
    steps = quantize(data.x_val, read_model(content).input_tensors[0])
    return np.mean(litert.run_outputs(content, steps, reference_kernels=True).argmax(axis=1) == data.y_val)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        ("ds_cnn", (32, 3)),
        ("ds_cnn", (12, 10, 1)),
        ("mobilenet", (12, 12, 3)),
        ("tcn", (32, 3)),
        ("resnet", (32, 3)),
        ("mlp", (32, 3)),
    ],
)
def test_students_of_our_spaces_are_supported_and_their_copies_compute_the_same(family, shape):
    keras.utils.set_random_seed(0)
    space = StudentSpace.family(family, shape, 4)
    student = space.blueprint({name: options[1] for name, options in space.choices.items()}).to_keras()
    samples = np.random.default_rng(0).normal(size=(16, *shape)).astype("float32")
    student(samples, training=True)
    load_optimization()
    copy = to_tf_keras(student)
    assert np.abs(np.asarray(copy(samples, training=False)) - np.asarray(student(samples))).max() < 1e-5
    assert [layer.name for layer in copy.layers] == [layer.name for layer in student.layers]
    assert unsupported_layers(student) == []


@pytest.mark.parametrize("name", [*TEACHERS, "activations", "mobilenet_v3_small"])
def test_students_of_every_teachers_space_are_supported_and_rewritten_compute_the_same(name):
    space = StudentSpace.from_teacher(TEACHERS[name]() if name in TEACHERS else zoo.build(name))
    rng = np.random.default_rng(0)
    load_optimization()
    for _ in range(2):
        student = space.blueprint(space.sample(rng)).to_keras()
        samples = rng.normal(size=(16, *student.input_shape[1:])).astype("float32")
        student(samples, training=True)
        check_copy(to_tunable(student), student, samples)
        assert unsupported_layers(student) == []


def preactivation_teacher(shape):
    """A residual network of version 2: batch normalization before its convolution, behind Add and pooling."""
    source = keras.Input(shape)
    x = keras.layers.Conv1D(12, 3, strides=2, padding="same")(source)
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Add()([x, keras.layers.Conv1D(12, 3, padding="same")(y)])
    x = keras.layers.MaxPooling1D(2)(keras.layers.ReLU()(keras.layers.BatchNormalization()(x)))
    x = keras.layers.BatchNormalization()(keras.layers.GlobalAveragePooling1D()(x))
    return keras.Model(source, keras.layers.Dense(4)(x))


def test_a_student_of_a_preactivation_teacher_is_tuned_to_int8_throughout(data):
    keras.utils.set_random_seed(0)
    space = StudentSpace.from_teacher(preactivation_teacher(data.input_shape))
    student = space.blueprint(
        {name: options[-1] for name, options in space.choices.items()} | {"separable": 0}
    ).to_keras()
    student.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    student.fit(data.x_train, data.y_train, epochs=8, verbose=0)
    content = fine_tune(student, data, FineTuning(epochs=1)).content
    info = read_model(content)
    assert {tensor.dtype for tensor in info.tensors} == {"int8", "int32"}
    assert {"MUL", "QUANTIZE", "DEQUANTIZE", "RELU"}.isdisjoint(op.name for op in info.ops)
    steps = quantize(data.x_val, info.input_tensors[0])
    differences = tflm.run_outputs(content, steps).astype(int) - litert.run_outputs(
        content, steps, reference_kernels=True
    )
    assert np.abs(differences).max() <= 1
    float_accuracy = np.mean(student.predict(data.x_val, verbose=0).argmax(axis=1) == data.y_val)
    assert float_accuracy > 0.8
    assert accuracy(content, data) > float_accuracy - 0.05


def test_layers_that_tfmot_does_not_know_become_int8_too(data):
    keras.utils.set_random_seed(0)
    source = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling([2.0, 1.0, 0.5], 0.25)(source)
    x = keras.layers.Conv2D(6, 3, activation="relu6", bias_initializer="glorot_normal")(x)
    x = keras.layers.Conv2D(6, 3, activation="silu", bias_initializer="glorot_normal")(x)
    x = keras.layers.Activation("hard_silu")(keras.layers.Conv2D(6, 1, bias_initializer="glorot_normal")(x))
    x = keras.layers.LeakyReLU(0.1, name="leaky")(keras.layers.Conv2D(6, 1)(x))
    gate = keras.layers.Conv2D(6, 1, activation="hard_sigmoid")(keras.layers.Activation("leaky_relu")(x))
    x = keras.layers.Flatten()(keras.layers.Activation("relu6")(keras.layers.Multiply()([x, gate])))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(5, use_bias=False)(x)))
    model = keras.Model(source, keras.layers.Dense(4)(x))
    samples = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
    model(samples, training=True)
    tuned = fine_tune(model, replace(data, x_train=samples, y_train=data.y_train[:64]), FineTuning(epochs=1))
    assert unsupported_layers(model) == []
    info = read_model(tuned.content)
    assert {tensor.dtype for tensor in info.tensors} == {"int8", "int32"}
    assert tflm.missing_ops(info) == ()
    assert to_tunable(model).get_layer("leaky").alpha == pytest.approx(0.1)


def loaded_and_cut(path):
    """A sequential model read from a file, and a model that ends within one whose layer goes on elsewhere."""
    layers = [keras.layers.Conv2D(6, 3, name="conv"), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    model(np.random.default_rng(1).normal(size=(8, 8, 8, 3)), training=True)
    model.save(path)
    loaded = keras.models.load_model(path)
    keras.layers.ReLU()(loaded.get_layer("conv").output)
    assert len(loaded.get_layer("conv")._inbound_nodes) > 1
    yield loaded
    image = keras.Input((8, 8, 3))
    yield keras.Model(image, loaded(image)).layers[1]


def test_calls_of_a_layer_outside_of_the_model_do_not_count(images, tmp_path):
    expected = ["InputLayer", "Conv2D", "BatchNormalization", "ReLU", "GlobalAveragePooling2D", "Dense"]
    for model in loaded_and_cut(tmp_path / "model.keras"):
        # The batch normalization stays one beside the convolution: that has no other follower here.
        assert [type(layer).__name__ for layer in to_tunable(model).layers] == expected
        assert compress(model, images, FineTuning(epochs=1), how="prune").count_params() == model.count_params()
    kinds = [op.name for op in read_model(fine_tune(model, images, FineTuning(epochs=1)).content).ops]
    assert kinds == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


def test_the_old_keras_does_not_replace_the_new_one():
    load_optimization()
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert tf.keras.layers.Dense is keras.layers.Dense
    model = tf.keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert isinstance(model, keras.Model)


def test_fine_tuning_learns_from_the_teacher_leaves_the_student_alone_and_gives_the_same_file_again(
    student, data, tuned
):
    weights = student.get_weights()
    again = fine_tune(student, data, FineTuning(epochs=4))
    assert again.content == tuned.content
    assert tuned.losses[-1] < tuned.losses[0]
    assert all(np.array_equal(one, other) for one, other in zip(weights, student.get_weights(), strict=True))
    info = read_model(tuned.content)
    assert [op.name for op in info.ops] == ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"]
    assert {tensor.dtype for tensor in (*info.input_tensors, *info.output_tensors)} == {"int8"}
    steps = quantize(data.x_val[:3], info.input_tensors[0])
    assert tflm.run_outputs(tuned.content, steps).shape == (3, 4)


def test_a_student_that_int8_hurts_is_fine_tuned_and_the_better_file_taken(student, faint, faint_file):
    made = convert_for(student, faint, AUTO, metadata=False)
    assert made.qat.int8_accuracy == accuracy(faint_file, faint)
    assert made.qat.float_accuracy - made.qat.int8_accuracy > 0.005
    assert made.qat.used
    assert made.qat.tuned_accuracy == accuracy(made.content, faint) > made.qat.int8_accuracy


def test_a_student_that_int8_does_not_hurt_is_left_as_it_is(student, faint, faint_file):
    made = convert_for(student, faint, replace(AUTO, max_int8_loss=1.0), metadata=False)
    assert made.content == faint_file
    assert (made.qat.used, made.qat.tuned_accuracy) == (False, None)


def as_named_by(model, data):
    """The data with the classes that a float model names: int8, calibrated with a faint sample, loses many of them."""
    return replace(with_faint_sample(data), y_val=np.asarray(model(data.x_val)).argmax(axis=1))


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_the_samples_of_a_class_count_as_much_as_the_data_say(kind):
    x = np.random.default_rng(0).normal(size=(48, 6)).astype("f4")
    y = (x[:, 0] > 0.8).astype(np.int64)
    data = Dataset("rare", x, y, x, y, x, y, ("often", "rare"), task=Task(kind, ("often", "rare")))
    keras.utils.set_random_seed(0)
    student = keras.Sequential([keras.Input((6,)), keras.layers.Dense(data.num_outputs)])
    one_step = FineTuning(1, batch_size=48, student_loss_weight=0.8)
    losses = {
        weights: train_copy(to_tf_keras(student), student, replace(data, class_weight=weights), one_step, teacher=None)[
            0
        ]
        for weights in (None, (0.0, 1.0), (1.0, 3.0))
    }
    plain, rare, weighted = losses.values()
    assert weighted == pytest.approx(plain + 2 * rare, rel=1e-5)  # the loss before the only step
    assert 0.01 < rare < plain - 0.01


def test_what_is_not_supported_is_named_before_any_training(data):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv1D(4, 3, name="along_time"),
        keras.layers.BatchNormalization(axis=1, name="of_steps"),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    model = keras.Sequential([keras.Input(data.input_shape), *layers])
    expected = r"does not support 'along_time' \(Conv1D\), 'of_steps' \(BatchNormalization\); convert without it"
    with pytest.raises(ModelError, match=expected):
        fine_tune(model, data, ENDLESS)
    made = convert_for(model, as_named_by(model, data), ANY_LOSS)
    assert not made.qat.used
    assert "'along_time' (Conv1D)" in made.warnings[-1]


def test_what_would_stay_float_is_named_before_any_training(data):
    def convolutional(*layers):
        layers = [keras.layers.Reshape((32, 1, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(4)]
        return keras.Sequential([keras.Input(data.input_shape), *layers])

    smooth = keras.layers.Conv2D(4, (3, 1), activation="softplus", name="smooth")
    with pytest.raises(ModelError, match=r"does not support 'smooth_activation' \(Activation\)"):
        fine_tune(convolutional(smooth), data, ENDLESS)
    clipped = keras.layers.ReLU(1.0, name="clipped")
    with pytest.raises(ModelError, match=r"expected int8 throughout, received floats in .*'clipped' \(MINIMUM\)"):
        fine_tune(convolutional(keras.layers.Conv2D(4, (3, 1)), clipped), data, ENDLESS)


class Own(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_a_model_that_cannot_be_copied_is_named():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4, name="twice")
    with pytest.raises(ModelError, match=r"cannot copy layer 'mine' \(Own\) to tf_keras"):
        to_tf_keras(keras.Model(inputs, Own(name="mine")(inputs)))
    with pytest.raises(ModelError, match="cannot copy layer 'twice' to tf_keras: expected a layer that is called once"):
        to_tf_keras(keras.Model(inputs, dense(dense(inputs))))
    with pytest.raises(ModelError, match="expected a functional or sequential model with one input and one output"):
        to_tf_keras(keras.Model(inputs, [dense(inputs), inputs]))
    hard = keras.layers.Activation("hard_silu", name="hard")(inputs)
    with pytest.raises(ModelError, match=r"'hard' .* to tf_keras: Unknown activation function 'hard_silu'"):
        to_tf_keras(keras.Model(inputs, hard))


def imaging(make_layer):
    keras.utils.set_random_seed(0)
    layers = [make_layer(), keras.layers.Flatten(), keras.layers.Dense(4)]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers], name="imaging")


@pytest.fixture(scope="module")
def images(data):
    samples = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
    return replace(data, x_train=samples, y_train=data.y_train[:64], x_val=samples, y_val=data.y_train[:64])


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            lambda: keras.layers.Conv2D(4, 3, activation="hard_tanh", name="odd"),
            "Unknown activation function 'hard_tanh'",
        ),
        (lambda: keras.layers.Activation("celu", name="odd"), "Unknown activation function 'celu'"),
        (lambda: keras.layers.Rescaling(np.ones((8, 8, 1)), name="odd"), "expected a plain value of scale"),
    ],
    ids=["of_a_convolution", "activation", "per_pixel"],
)
def test_a_layer_that_cannot_be_tuned_is_named_and_leaves_the_plain_file(images, layer, said):
    model = imaging(layer)
    own, warned = as_named_by(model, images), []
    plain = convert(model, own.x_train[:1])
    content, tuning = tuned_if_better(model, own, plain, ANY_LOSS, ENDLESS, None, warned)
    assert content == plain
    assert tuning == Tuning("auto", float_accuracy=1.0, int8_accuracy=tuning.int8_accuracy)
    assert tuning.int8_accuracy < 1
    (sentence,) = warned
    assert re.search(rf"layer 'odd' .*{said}", sentence)
    assert "\n" not in sentence


def test_an_operator_that_is_missing_is_named_before_any_training(images):
    model = imaging(lambda: keras.layers.UpSampling2D(interpolation="bicubic", name="odd"))
    with pytest.raises(ModelError, match=r"no operator for ResizeBicubic \(layer 'odd'\)[^\n]*\Z"):
        fine_tune(model, images, ENDLESS)


def test_a_rescaling_per_channel_may_be_written_as_an_image(images):
    model = imaging(lambda: keras.layers.Rescaling(np.array([[[2.0, 1.0, 0.5]]]), np.array([1.0])))
    load_optimization()
    check_copy(to_tunable(model), model, images.x_train)


@pytest.fixture(scope="module")
def plain(student, data):
    return convert_for(student, data, replace(AUTO, qat="never"), metadata=False)


@pytest.mark.parametrize("how", ["prune", "cluster"])
def test_a_compressed_student_zips_smaller_and_the_original_is_left_alone(student, data, plain, how):
    weights = student.get_weights()
    made = convert_for(student, data, replace(AUTO, compress=how), metadata=False)
    said = made.compression
    assert said.gzip_bytes == made.summary().gzip_bytes < 0.9 * said.uncompressed_gzip_bytes
    assert said.uncompressed_gzip_bytes == plain.summary().gzip_bytes
    assert (said.accuracy, said.uncompressed_accuracy) == (accuracy(made.content, data), accuracy(plain.content, data))
    assert plain.compression is None
    assert len(made.content) == len(plain.content)
    assert all(np.array_equal(one, other) for one, other in zip(weights, student.get_weights(), strict=True))


def test_pruning_makes_half_of_the_weights_0_and_clustering_leaves_16_different_ones(student, data):
    pruned, clustered = (compress(student, data, FineTuning(epochs=2), how=how) for how in ("prune", "cluster"))
    for kernel in (weight for weight in pruned.get_weights() if weight.ndim > 1):
        assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.02)
    for kernel in (weight for weight in clustered.get_weights() if weight.ndim > 1):
        assert len(np.unique(kernel)) <= 16


def test_what_cannot_be_compressed_is_named(student, data):
    with pytest.raises(ConfigError, match="unknown compression 'pruned': did you mean 'prune'"):
        compress(student, data, how="pruned")
    with pytest.raises(DataError, match="no training samples: expected some, to prune with"):
        convert_for(student, None, ConvertConfig("float16", compress="prune"))
    with pytest.raises(ModelError, match="cannot cluster 'student': expected 5 outputs, one per class"):
        compress(student, replace(data, class_names=tuple("abcde")), how="cluster")


def test_a_copy_that_computes_something_else_is_refused(student, data):
    load_optimization()
    copy = to_tf_keras(student)
    check_copy(copy, student, data.x_train[:8])
    copy.layers[-1].set_weights([1.01 * weight for weight in copy.layers[-1].get_weights()])
    with pytest.raises(ModelError, match="cannot copy 'student' to tf_keras: expected the same outputs, received"):
        check_copy(copy, student, data.x_train[:8])


def test_a_fine_tuning_that_was_demanded_is_not_left_out_silently(student, data):
    with pytest.raises(DataError, match=r"no training samples: expected some, to fine-tune with"):
        convert_for(student, None, ALWAYS)
    with pytest.raises(ModelError, match=r"expected one output of 5 classes, received \[\(4,\)\]"):
        convert_for(student, replace(data, class_names=tuple("abcde")), ALWAYS)
    layers = [keras.layers.SimpleRNN(3, stateful=True), keras.layers.Dense(4)]
    short = replace(data, x_train=data.x_train[:, :2], x_val=data.x_val[:, :2], x_test=data.x_test[:, :2])
    remembering = keras.Sequential([keras.Input(short.input_shape, batch_size=2), *layers])
    with pytest.raises(ModelError, match="expected samples that do not depend on each other, received a stateful"):
        convert_for(remembering, short, ALWAYS)
    assert convert_for(remembering, short, AUTO).qat.int8_accuracy is None


def test_an_unknown_mode_is_named():
    with pytest.raises(
        ConfigError, match="bad value for key 'qat': expected one of auto, always, never, received 'yes'"
    ):
        ConvertConfig(qat="yes")


def attention(source):
    h = keras.layers.Dense(4)(source)
    return keras.layers.LayerNormalization()(keras.layers.Add()([h, keras.layers.MultiHeadAttention(1, 2)(h, h)]))


def operations(source):
    return keras.ops.concatenate([keras.layers.Dense(2)(source), keras.ops.relu(source)], axis=-1)


@pytest.mark.parametrize("middle", [attention, operations])
def test_whatever_fine_tuning_cannot_do_the_plain_file_is_there_and_the_reason_told(middle, data):
    source = keras.Input(data.input_shape)
    keras.utils.set_random_seed(0)
    model = keras.Model(
        source, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling1D()(middle(source))), name="own"
    )
    own = as_named_by(model, data)
    made = convert_for(model, own, ANY_LOSS, metadata=False)
    assert made.content == convert(model, own.x_train[:1])
    with pytest.raises(ModelError, match=r"cannot copy|no quantization-aware training of 'own'") as caught:
        tuned_if_better(model, own, made.content, ALWAYS, FineTuning(epochs=2), None, [])
    assert "\n" not in str(caught.value)
    assert made.warnings[-1] == str(caught.value)


class Broken(keras.Model):
    """A guide of the user's own that fails when it is asked."""

    def call(self, x):
        raise KeyError("inbound")


def test_an_error_that_nobody_foresaw_costs_the_fine_tuning_alone(student, faint, faint_file):
    made = convert_for(student, faint, ANY_LOSS, teacher=Broken())
    assert made.qat.int8_accuracy is not None
    assert "KeyError" in made.warnings[-1]
    with pytest.raises(ModelError, match=r"no quantization-aware training of 'student': .* KeyError"):
        tuned_if_better(student, faint, faint_file, ALWAYS, FineTuning(epochs=2), Broken(), [])


def test_what_a_normalization_was_adapted_to_survives_fine_tuning_and_compression(data):
    norm = keras.layers.Normalization()
    norm.adapt(7 * data.x_train + 3)
    model = keras.Sequential([keras.Input(data.input_shape), norm, keras.layers.Flatten(), keras.layers.Dense(4)])
    raw = replace(data, x_train=7 * data.x_train + 3, x_val=7 * data.x_val + 3)
    short = FineTuning(epochs=1, learning_rate=1e-6)
    for copy in (to_tunable(model), to_tf_keras(model)):
        check_copy(copy, model, raw.x_train[:32])
    packed = compress(model, raw, short, how="cluster", num_clusters=64)
    scores = [one.predict(raw.x_val, verbose=0) for one in (model, packed)]
    assert np.abs(scores[0] - scores[1]).max() < 0.1 * np.ptp(scores[0])
