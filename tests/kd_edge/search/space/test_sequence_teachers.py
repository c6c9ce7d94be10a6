"""Teachers over sequences, with separable convolutions, padding and gates."""

import keras
import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.ir.lowering import lower
from kd_edge.search.space.pruning import teacher_values
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.weight_inheritance import WeightInheritance, inherit

L = keras.layers


def conv1d():
    x = inputs = keras.Input((64, 6))
    for width, stride in ((16, 2), (16, 1), (32, 2)):
        x = L.Conv1D(width, 5, strides=stride, padding="same")(x)
        x = L.BatchNormalization()(x)
        x = L.ReLU()(x)
    x = L.SpatialDropout1D(0.1)(x)
    x = L.MaxPooling1D(2)(x)
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, L.Dense(4, activation="softmax")(x))


def causal():
    x = inputs = keras.Input((48, 4))
    x = L.Conv1D(16, 3, padding="causal", activation="relu")(x)
    for rate in (1, 2, 4):
        y = L.Conv1D(16, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        x = L.Add()([x, y])
    return keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling1D()(x)))


def separable():
    x = inputs = keras.Input((40, 3))
    x = L.SeparableConv1D(16, 5, strides=2, padding="same", activation="relu")(x)
    x = L.DepthwiseConv1D(3, padding="same")(x)
    x = L.SeparableConv1D(24, 3)(x)
    x = L.AveragePooling1D(2)(x)
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


def gated():
    x = inputs = keras.Input((20, 20, 3))
    x = L.ZeroPadding2D(1)(x)
    x = L.Conv2D(16, 3, strides=2)(x)
    x = L.BatchNormalization()(x)
    x = L.Activation("hard_swish")(x)
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(8, 1, activation="relu")(gate)
    gate = L.Conv2D(16, 1, activation="sigmoid")(gate)
    x = L.Multiply()([x, gate])
    x = L.SeparableConv2D(24, 3, padding="same")(x)
    gate = L.GlobalAveragePooling2D()(x)
    gate = L.Dense(8, activation="relu")(gate)
    gate = L.Dense(24, activation="sigmoid")(gate)
    gate = L.Reshape((1, 1, 24))(gate)
    x = L.Multiply()([x, gate])
    return keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


def upsampled():
    """Arithmetic on tensors, a sum of three, and an axis counted from the front."""
    x = inputs = keras.Input((32, 3))
    x = L.Conv1D(16, 3, padding="same", activation="relu")(x * 0.5 + 0.25)
    y = L.UpSampling1D(2)(L.MaxPooling1D(2)(x))
    z = L.DepthwiseConv1D(3, padding="same")(x)
    x = L.Concatenate(axis=2)([L.Add()([x, y, z]), x * y])
    return keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling1D()(x)))


def per_step():
    x = inputs = keras.Input((32, 4))
    x = L.Conv1D(16, 5, padding="same", activation="relu")(x)
    return keras.Model(inputs, L.Dense(3)(x))


def decoder():
    """A reconstruction that shortens a sequence, and lengthens it again."""
    x = inputs = keras.Input((32, 4))
    x = L.Conv1D(16, 5, strides=2, padding="same", activation="relu")(x)
    x = L.UpSampling1D(2)(x)
    return keras.Model(inputs, L.Conv1D(4, 3, padding="same")(x))


def flat_decoder():
    x = inputs = keras.Input((16, 4))
    x = L.Conv1D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Dense(64)(L.Dense(8, activation="relu")(L.Flatten()(x)))
    return keras.Model(inputs, L.Reshape((16, 4))(x))


@pytest.mark.parametrize("make", [per_step, decoder, flat_decoder])
def test_students_of_a_teacher_that_answers_in_a_sequence_do_so_and_the_widest_is_the_teacher(make):
    keras.utils.set_random_seed(0)
    teacher = make()
    space = StudentSpace.from_teacher(teacher)
    rng = np.random.default_rng(0)
    for values in ({name: options[0] for name, options in space.choices.items()}, space.sample(rng)):
        student = space.blueprint(values).to_keras()
        assert student.output_shape == teacher.output_shape
        assert lower(student).canonical() == space.graph(values).canonical()
    x = rng.normal(size=(3, *teacher.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(inherit(teacher, teacher_values(space.choices))(x), teacher(x), atol=1e-5)


def test_a_teacher_that_puts_steps_side_by_side_is_refused_by_the_layers_name():
    x = inputs = keras.Input((16, 3))
    x = L.Conv1D(8, 3, padding="same")(x)
    x = L.Concatenate(axis=1, name="later")([x, x])
    teacher = keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))
    with pytest.raises(ModelError, match=r"cannot shrink layer 'later' \(Concatenate\): .* received 1"):
        StudentSpace.from_teacher(teacher)


@pytest.mark.parametrize("make", [conv1d, causal, separable, gated, upsampled])
def test_teachers_over_sequences_shrink_and_hand_on_their_weights(make):
    keras.utils.set_random_seed(0)
    teacher = make()
    rng = np.random.default_rng(0)
    for weight in teacher.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    space = StudentSpace.from_teacher(teacher)
    x = rng.normal(size=(4, *teacher.input_shape[1:])).astype("float32")
    expected = np.asarray(teacher(x))
    received = np.asarray(inherit(teacher, teacher_values(space.choices))(x))
    if make is conv1d:
        received = np.asarray(keras.ops.softmax(received))
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)
    for _ in range(100):
        graph = space.blueprint(space.sample(rng)).to_graph()
        assert graph.tensors[graph.outputs[0]].shape == (1, space.num_classes)
    inheritance = WeightInheritance(teacher)
    for _ in range(3):
        values = space.sample(rng)
        student = inheritance.student(values)
        assert lower(student).canonical() == space.blueprint(values).to_graph().canonical()
        assert np.isfinite(np.asarray(student(x))).all()
