"""Models as users bring them: nested, with preprocessing, noise, shared layers, and layers without rules."""

import sys

import keras
import numpy as np
import pytest
from keras import layers

from kd_edge.conversion.converter import convert
from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.lowering import lower, macs_of, read_blueprint
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.weight_inheritance import WeightInheritance

A = keras.applications
IMAGE, FEATURES = (10, 10, 3), (6,)


def trained(model):
    """Return a model with weights as after a training: equal biases would be merged by the converter."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in weight.dtype:
            scale = 0.1 if len(weight.shape) == 1 else 1.0
            weight.assign(np.abs(rng.normal(1, scale, weight.shape)))
    return model


def converted(model):
    rng = np.random.default_rng(0)
    samples = [rng.uniform(0, 200, (8, *source.shape[1:])).astype("float32") for source in model.inputs]
    return lower(convert(model, samples if len(samples) > 1 else samples[0])).canonical()


def classifier(front, shape=IMAGE):
    source = keras.Input(shape)
    return keras.Model(source, layers.Dense(3)(layers.GlobalAveragePooling2D()(front(source))))


def branched():
    """A model of parallel branches whose names are not in the order of their calls."""
    source = keras.Input((8, 8, 4))
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(source)
    late, early = layers.Conv2D(4, 3, padding="same", name="z")(stem), layers.Conv2D(4, 1, name="a")(stem)
    return keras.Model(source, [layers.Add()([late, early]), layers.Conv2D(2, 1, name="side")(stem)], name="branched")


def nested_once():
    inner = branched()
    source = keras.Input((10, 10, 3))
    return keras.Model(source, layers.Flatten()(inner(layers.Conv2D(4, 3)(source))[0]))


def nested_twice():
    inner, source = branched(), keras.Input((8, 8, 4))
    return keras.Model(source, inner(inner(source)[0])[0])


def nested_sequential():
    block = keras.Sequential([layers.Conv2D(5, 3), keras.Sequential([layers.BatchNormalization(), layers.ReLU()])])
    return keras.Sequential([keras.Input(IMAGE), block, layers.Flatten(), layers.Dense(2), layers.Softmax()])


def shared_tower():
    left, right = keras.Input(FEATURES), keras.Input(FEATURES)
    tower = layers.Dense(4, activation="relu", name="tower")
    return keras.Model([left, right], layers.Concatenate()([tower(left), tower(right)]))


def shared_convolution():
    source = keras.Input((8, 8, 4))
    conv, norm = layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()
    twice = norm(conv(layers.ReLU()(norm(conv(source)))))
    return keras.Model(source, layers.Dense(3)(layers.GlobalAveragePooling2D()(twice)))


def preprocessed(preprocess_input, padding):
    return classifier(lambda x: layers.Conv2D(4, 3, padding=padding)(preprocess_input(x)))


def normalization():
    return layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])


def augmented():
    noise = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomContrast(0.1), layers.GaussianNoise(0.1)]
    return classifier(keras.Sequential([*noise, layers.Conv2D(4, 3), layers.GaussianDropout(0.1)]))


def layer_normalized():
    source = keras.Input((5, 6))
    value = layers.Dense(4, activation="gelu")(layers.LayerNormalization(scale=False)(source))
    return keras.Model(source, layers.LayerNormalization(-1, center=False)(layers.Dense(3)(value)))


def convnext():
    """ConvNeXt in small, of whose layers Keras makes some public only by its four networks."""
    make = sys.modules[keras.applications.ConvNeXtTiny.__module__].ConvNeXt
    return make((1, 0, 0, 0), (4, 6, 8, 10), drop_path_rate=0.1, weights=None, input_shape=(32, 32, 3), classes=2)


def shifted(x):
    """Two poolings of the same features, one of them a pixel further, as NASNet reduces."""
    x = layers.Conv2D(8, 3, activation="relu")(x)
    further = layers.Cropping2D(((1, 0), (1, 0)))(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
    return layers.Concatenate()([layers.Conv2D(4, 1)(layers.AveragePooling2D(1, 2)(part)) for part in (x, further)])


MODELS = {
    "nested_once": nested_once,
    "nested_twice": nested_twice,
    "nested_sequential": nested_sequential,
    "shared_tower": shared_tower,
    "shared_convolution": shared_convolution,
    "augmented": augmented,
    "tf_valid": lambda: preprocessed(A.mobilenet_v2.preprocess_input, "valid"),
    "tf_same": lambda: preprocessed(A.mobilenet_v2.preprocess_input, "same"),
    "torch": lambda: preprocessed(A.densenet.preprocess_input, "valid"),
    "caffe": lambda: preprocessed(A.resnet50.preprocess_input, "same"),
    "unchanged": lambda: preprocessed(A.efficientnet.preprocess_input, "same"),
    "normalized": lambda: classifier(lambda x: layers.Conv2D(4, 3)(normalization()(layers.Rescaling(0.1)(x)))),
    "normalized_behind": lambda: classifier(lambda x: layers.ReLU()(normalization()(layers.Conv2D(3, 3)(x)))),
    "scaled_behind": lambda: classifier(lambda x: layers.Conv2D(4, 3)(x) * np.float32([1, 2, 3, 4])),
    "layer_normalized": layer_normalized,
    "convnext": convnext,
    "shifted": lambda: classifier(shifted),
    "rescaled_by_channel": lambda: classifier(lambda x: layers.Conv2D(4, 3)(layers.Rescaling([0.1, 0.2, 0.3], 1.0)(x))),
    "moved_by_channel": lambda: classifier(lambda x: layers.Conv2D(4, 3)(layers.Rescaling(0.1, [1.0, 2.0, 3.0])(x))),
    "rescaled_behind": lambda: classifier(
        lambda x: layers.Rescaling(np.float32([1, 2, 3]), [0.1, 0.2, 0.3])(layers.Conv2D(3, 3)(x))
    ),
    "padded_by_none": lambda: classifier(lambda x: layers.Conv2D(4, 3)(layers.ZeroPadding2D(0)(x))),
    "one_minus": lambda: classifier(lambda x: layers.MaxPooling2D()(1.0 - x / 2.0)),
}
PRUNABLE = (
    *("nested_sequential", "shared_convolution", "augmented", "normalized", "normalized_behind", "scaled_behind"),
    *("tf_valid", "torch", "caffe", "unchanged", "rescaled_by_channel", "moved_by_channel", "rescaled_behind"),
)


@pytest.fixture(scope="module")
def model():
    built = {}
    return lambda name: built.setdefault(name, trained(MODELS[name]())) if name not in built else built[name]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_lowered_as_the_converter_does(name, model):
    assert lower(model(name)).canonical() == converted(model(name))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "nested_twice"])
def test_a_model_survives_the_trip_through_a_blueprint_and_json(name, model):
    blueprint = read_blueprint(model(name))
    assert Blueprint.from_dict(blueprint.to_dict()) == blueprint
    again = blueprint.to_keras()
    assert read_blueprint(again) == blueprint
    if name not in ("nested_once", "convnext"):  # of which one output is not read, or scales are read as numbers
        assert len(again.trainable_weights) == len(model(name).trainable_weights)


@pytest.mark.parametrize("name", PRUNABLE)
def test_the_widest_student_with_inherited_weights_computes_what_its_teacher_does(name, model):
    teacher = model(name)
    space = StudentSpace.from_teacher(teacher)
    widest = {choice: max(v for v in values if v <= 1) for choice, values in space.choices.items()}
    widest |= {choice: 0 for choice in widest if choice.startswith(("drop", "separable"))}
    student = WeightInheritance(teacher, prunable=space.prunable).student(widest)
    x = np.random.default_rng(1).uniform(0, 200, (5, *teacher.input_shape[1:])).astype("float32")
    expected, received = (np.asarray(m(x, training=False)) for m in (teacher, student))
    if name == "nested_sequential":  # the student has no softmax
        received = np.asarray(keras.ops.softmax(received))
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["normalized_behind", "scaled_behind", "rescaled_behind"])
def test_channels_with_numbers_of_their_own_stay_in_the_narrowest_student(name, model):
    space = StudentSpace.from_teacher(model(name))
    narrowest = {choice: values[0] for choice, values in space.choices.items()}
    assert space.blueprint(narrowest).to_keras().output_shape == (None, 3)


def test_every_preprocess_input_of_keras_applications_is_one_of_those_four():
    modules = {name: module for name, module in vars(A).items() if hasattr(module, "preprocess_input")}
    known = (A.mobilenet_v2, A.densenet, A.resnet50, A.efficientnet)
    arithmetic = [read_blueprint(preprocessed(module.preprocess_input, "same")) for module in known]
    found = {name: read_blueprint(preprocessed(module.preprocess_input, "same")) for name, module in modules.items()}
    assert {"convnext", "imagenet_utils", "nasnet", "vgg16", "xception"} < found.keys()
    assert all(blueprint in arithmetic for blueprint in found.values())


def test_layers_of_others_that_are_called_as_those_of_keras_applications_are_named():
    class StochasticDepth(layers.Layer):
        def call(self, x):
            return 2 * x

    source = keras.Input((4,))
    with pytest.raises(ModelError, match=r"cannot read layer 'depth' \(StochasticDepth\)"):
        read_blueprint(keras.Model(source, StochasticDepth(name="depth")(source)))


def test_a_normalization_counts_by_what_it_adapted_to():
    source = keras.Input((2,))
    norm = layers.Normalization()
    norm.adapt(np.array([[0.0, 10.0], [2.0, 30.0]]))
    model = keras.Model(source, layers.Dense(2)(norm(source)))
    assert read_blueprint(model).nodes[1].layer.mean == (1.0, 20.0)
    assert read_blueprint(model).nodes[1].layer.variance == (1.0, 100.0)


@pytest.mark.parametrize(("padding", "kinds"), [("valid", []), ("same", ["SUB"])])
def test_a_normalization_by_one_mean_is_subtracted_and_its_factor_goes_into_the_convolution(padding, kinds):
    source = keras.Input(IMAGE)
    norm = layers.Normalization(axis=None, mean=3.0, variance=4.0)
    model = trained(keras.Model(source, layers.Conv2D(4, 3, padding=padding)(norm(source))))
    expected = [op.kind for op in converted(model).ops]
    assert [op.kind for op in lower(model).ops] == expected == [*kinds, "CONV_2D"]


def test_a_rescaling_by_another_shape_than_the_channels_is_named():
    source = keras.Input(IMAGE)
    model = keras.Model(source, layers.Rescaling(np.ones((10, 1)))(source))
    with pytest.raises(ModelError, match=r"one scale, or one for each of 3 channels, received an array of shape \(10,"):
        read_blueprint(model)


def test_what_is_subtracted_from_a_number_is_not_a_number_subtracted():
    source = keras.Input((4,))
    assert [op.kind for op in lower(keras.Model(source, 1.0 - source)).ops] == ["SUB"]
    assert lower(keras.Model(source, 1.0 - source)) != lower(keras.Model(source, source - 1.0))


def test_a_single_channel_of_an_image_is_named():
    source = keras.Input(IMAGE)
    model = keras.Model(source, layers.Flatten()(source[..., 0]))
    with pytest.raises(ModelError, match=r"cannot read operation 'get_item\w*' \(GetItem\)"):
        read_blueprint(model)


def test_a_subclassed_model_inside_is_named():
    class Block(keras.Model):
        def call(self, x):
            return 2 * x

    source = keras.Input((4,))
    with pytest.raises(ModelError, match=r"cannot read layer 'block' \(Block\): expected a functional or sequential"):
        read_blueprint(keras.Model(source, Block(name="block")(source)))


def test_a_network_of_600_layers_in_a_row_is_read():
    source = value = keras.Input((2,))
    for _ in range(600):
        value = layers.ReLU()(value)
    assert len(lower(keras.Model(source, value)).ops) == 600


def test_layers_without_a_rule_cost_what_the_converter_makes_of_them():
    source = keras.Input((5, 6))
    value = layers.GroupNormalization(2)(layers.Dense(4, activation="gelu")(source))
    value = layers.LayerNormalization()(layers.MultiHeadAttention(1, 3)(value, value))
    model = trained(keras.Model(source, value))
    expected = lower(convert(model, np.random.default_rng(0).normal(size=(2, 5, 6))))
    assert [op.kind for op in lower(model).ops] == [op.kind for op in expected.ops]
    # The dense layer; the projections of query, key, value and output; both products of the attention.
    assert macs_of(model) == 5 * 6 * 4 + 4 * 5 * 4 * 3 + 2 * 5 * 5 * 3


def test_numbers_inside_of_a_model_without_rules_are_none_of_its_inputs():
    source = keras.Input((4, 6))
    mean = layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7.0))
    model = keras.Model(source, layers.GroupNormalization(2)(mean(source)))
    assert len(lower(model).inputs) == 1


def test_a_recurrent_layer_is_counted_once_per_step_and_lowered_as_int8():
    source = keras.Input((4, 6))
    model = trained(keras.Model(source, layers.LSTM(3)(source)))
    assert macs_of(model) >= 4 * 4 * (6 + 3) * 3
    assert "int8" in {tensor.dtype for tensor in lower(model).tensors}
    assert model.layers[1].unroll is False


def test_a_loop_that_is_too_long_to_unroll_stays_float_and_is_counted():
    source = keras.Input((200, 2))
    model = keras.Model(source, layers.GRU(2)(source))
    assert macs_of(model) >= 200 * 3 * (2 + 2) * 2
    assert "float32" in {tensor.dtype for tensor in lower(model).tensors}


def test_the_macs_of_a_model_that_cannot_be_traced_are_unknown():
    source = keras.Input((None, 2))
    assert macs_of(keras.Model(source, layers.GRU(2)(source))) is None


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.parametrize("structure", [list, dict])
@pytest.mark.parametrize("by_name", [True, False])
def test_a_nested_model_reads_its_inputs_by_name_or_in_their_order_as_keras_does(structure, by_name):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = keras.Model([b, a] if structure is list else {"a": a, "b": b}, layers.Subtract()([b, a]))
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    model = keras.Model([x, y], inner({"a": x, "b": y} if by_name else [x, y]))
    samples = [np.full((1, 4), number, "float32") for number in (10, 3)]
    # 3 less 10 by their names, and of a mapping in the order of its keys.
    expected = 7 if structure is list and not by_name else -7
    for network in (model, read_blueprint(model).to_keras()):
        np.testing.assert_array_equal(network(samples), np.full((1, 4), expected))
