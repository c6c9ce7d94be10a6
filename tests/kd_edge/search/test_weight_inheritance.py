"""Students that start from their teacher's weights."""

import keras
import numpy as np
import pytest

from kd_edge.errors import ConfigError, ModelError
from kd_edge.search.space.pruning import teacher_values
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.weight_inheritance import WeightInheritance, inherit, recalibrate
from tools.networks.teachers import TEACHERS


def trained(name, seed=0):
    """Return a teacher whose weights are all different from those of a fresh one, batch normalization included."""
    keras.utils.set_random_seed(seed)
    teacher = TEACHERS[name]().to_keras(name="teacher")
    rng = np.random.default_rng(seed)
    for weight in teacher.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.2, weight.shape))
    return teacher


def samples(teacher, count=4, seed=1):
    return np.random.default_rng(seed).normal(size=(count, *teacher.input_shape[1:])).astype("float32")


def logits(teacher, x):
    outputs = keras.ops.convert_to_numpy(teacher(x))
    sums_to_one = np.allclose(outputs.sum(axis=1), 1, atol=1e-4)
    return np.log(outputs) if sums_to_one else outputs


@pytest.mark.parametrize("name", TEACHERS)
def test_the_student_of_full_width_gives_the_teachers_logits(name):
    teacher = trained(name)
    student = inherit(teacher, teacher_values(StudentSpace.from_teacher(teacher).choices))
    x = samples(teacher)
    expected, received = logits(teacher, x), keras.ops.convert_to_numpy(student(x))
    # The logarithm of a softmax is the logits less a constant per sample.
    shift = (received - expected).mean(axis=1, keepdims=True) if name in SOFTMAX else 0.0
    np.testing.assert_allclose(received - shift, expected, rtol=1e-3, atol=1e-3)


SOFTMAX = ("resnet8", "mobilenet_v1", "ds_cnn")


@pytest.mark.parametrize("name", TEACHERS)
def test_any_student_of_the_space_inherits_and_runs(name):
    teacher = trained(name)
    space, inheritance = StudentSpace.from_teacher(teacher), WeightInheritance(teacher)
    rng = np.random.default_rng(2)
    for _ in range(2):
        student = inheritance.student(space.sample(rng))
        assert np.isfinite(keras.ops.convert_to_numpy(student(samples(teacher)))).all()


def test_channels_that_do_nothing_are_the_ones_left_out():
    """A network padded with dead channels shrinks back to exactly itself."""
    teacher = trained("vgg")
    kernels = [layer for layer in teacher.layers if isinstance(layer, keras.layers.Conv2D)]
    dead = np.arange(1, 16, 2)
    for layer in kernels[:2]:
        kernel, bias = layer.get_weights()
        kernel[..., dead], bias[dead] = 0, 0
        layer.set_weights([kernel, bias])
    space = StudentSpace.from_teacher(teacher)
    groups = [space.prunable.channels.values[i][0].segments[0].group for i in (1, 2)]
    values = teacher_values(space.choices) | {f"width_{group}": 0.5 for group in groups}
    student, x = inherit(teacher, values), samples(teacher)
    assert student.layers[1].filters == 8
    np.testing.assert_allclose(student(x), teacher(x), rtol=1e-4, atol=1e-4)


def test_a_separable_student_equals_a_teacher_whose_kernels_are_products():
    teacher = trained("har")
    for layer in teacher.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            window = np.random.default_rng(3).normal(size=(*kernel.shape[:3], 1))
            layer.set_weights([window * kernel[:1], bias])
    space = StudentSpace.from_teacher(teacher)
    student = inherit(teacher, teacher_values(space.choices) | {"separable": 1})
    x = samples(teacher)
    assert any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in student.layers)
    np.testing.assert_allclose(student(x), teacher(x), rtol=1e-3, atol=1e-3)


def test_a_smaller_window_keeps_the_centre():
    teacher = trained("har")
    first = next(layer for layer in teacher.layers if isinstance(layer, keras.layers.Conv2D))
    space = StudentSpace.from_teacher(teacher)
    student = inherit(teacher, teacher_values(space.choices) | {"kernel": 3})
    inherited = next(layer for layer in student.layers if isinstance(layer, keras.layers.Conv2D))
    np.testing.assert_array_equal(inherited.kernel, np.asarray(first.kernel)[2:5])


def test_the_scale_of_batch_normalization_can_choose_the_channels():
    teacher = trained("mobilenet_v1")
    norm = next(layer for layer in teacher.layers if isinstance(layer, keras.layers.BatchNormalization))
    gamma = np.array([9, 1, 8, 2, 7, 3, 6, 4], "float32")
    norm.gamma.assign(gamma)
    space = StudentSpace.from_teacher(teacher)
    # The depthwise layer behind the stem has a batch normalization of the same channels.
    second = [layer for layer in teacher.layers if isinstance(layer, keras.layers.BatchNormalization)][1]
    second.gamma.assign(np.ones(8))
    values = teacher_values(space.choices) | {"width_1": 0.5}
    student = inherit(teacher, values, importance="batch_norm")
    kept = next(layer for layer in student.layers if isinstance(layer, keras.layers.BatchNormalization))
    np.testing.assert_array_equal(kept.gamma, [9, 8, 7, 6])
    with pytest.raises(ConfigError, match="unknown importance 'l2': known: batch_norm, l1"):
        inherit(teacher, values, importance="l2")


def test_recalibrated_statistics_are_those_of_the_samples():
    model = keras.Sequential([keras.Input((6, 1, 2)), keras.layers.BatchNormalization(momentum=0.9)])
    x = np.random.default_rng(4).normal(3.0, 2.0, size=(700, 6, 1, 2)).astype("float32")
    recalibrate(model, x)
    batches = [x[:256], x[256:512], x[512:]]
    norm = model.layers[0]
    np.testing.assert_allclose(norm.moving_mean, np.mean([b.mean((0, 1, 2)) for b in batches], axis=0), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, np.mean([b.var((0, 1, 2)) for b in batches], axis=0), rtol=1e-4)
    assert norm.momentum == 0.9


def test_a_student_of_a_teacher_with_a_softmax_layer_inherits_its_logits():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    stack = [layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(3), layers.Softmax()]
    teacher = keras.Sequential([keras.Input((8, 8, 2)), *stack])
    student = inherit(teacher, teacher_values(StudentSpace.from_teacher(teacher).choices))
    x = samples(teacher)
    np.testing.assert_allclose(keras.ops.softmax(student(x)), teacher(x), rtol=1e-4, atol=1e-4)


def test_a_space_made_before_the_training_prepares_the_trained_teacher():
    teacher = trained("vgg")
    space = StudentSpace.from_teacher(teacher)
    teacher.set_weights([2 * weight for weight in teacher.get_weights()])
    values, x = teacher_values(space.choices) | {"width": 0.5}, samples(teacher)
    student = WeightInheritance(teacher, prunable=space.prunable).student(values)
    np.testing.assert_array_equal(student(x), inherit(teacher, values)(x))


def test_the_space_of_another_teacher_is_refused():
    space = StudentSpace.from_teacher(TEACHERS["har"]())
    with pytest.raises(ModelError, match="cannot inherit from 'teacher': expected the network that the space was made"):
        WeightInheritance(trained("vgg"), prunable=space.prunable)
