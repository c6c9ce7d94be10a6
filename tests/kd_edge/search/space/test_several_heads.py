"""Students with a head for each of several outputs: drawn from a family, or derived from a teacher that has them."""

import keras
import numpy as np
import pytest

from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.lowering import lower, read_layers
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.weight_inheritance import inherit

HEADS = {"speed": 1, "gesture": 3}


def two_headed():
    """A convolution, a block that may be left out, and a head of its own for each output."""
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="stem")(inputs)
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="block")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    speed = keras.layers.Dense(12, activation="relu", name="hidden")(x)
    gesture = keras.layers.Dense(3, activation="softmax", name="gesture")(x)
    return keras.Model(inputs, [keras.layers.Dense(1, name="speed")(speed), gesture])


@pytest.mark.parametrize(("family", "shape"), [("mlp", (6,)), ("ds_cnn", (16, 2)), ("resnet", (8, 8, 1))])
def test_a_family_ends_in_a_dense_layer_for_each_output_by_its_name(family, shape):
    space = StudentSpace.family(family, shape, 4, heads=HEADS)
    values = space.sample(np.random.default_rng(0))
    student = space.blueprint(values).to_keras()
    assert {name: output.shape for name, output in student.output.items()} == {"gesture": (None, 3), "speed": (None, 1)}
    assert space.graph(values) == space.blueprint(values).to_graph() == lower(student)


def test_a_stream_has_one_output():
    with pytest.raises(ConfigError, match=r"family 'streaming' has one output.*speed, gesture; choose another"):
        StudentSpace.family("streaming", (16, 2), 4, heads=HEADS)


def test_the_students_of_a_teacher_keep_its_outputs_and_their_sizes():
    space = StudentSpace.from_teacher(two_headed())
    assert space.num_classes == 4
    assert "drop_0" in space.choices
    student = space.blueprint({name: options[0] for name, options in space.choices.items()}).to_keras()
    assert {name: output.shape[1] for name, output in student.output.items()} == HEADS
    assert student.count_params() < two_headed().count_params()


def test_the_whole_teacher_is_a_student_that_answers_as_it_does_in_logits():
    keras.utils.set_random_seed(0)
    teacher = two_headed()
    space = StudentSpace.from_teacher(teacher)
    values = {name: 1.0 if name.startswith("width") else options[-1] for name, options in space.choices.items()}
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype(np.float32)
    answers, (speed, gesture) = inherit(teacher, values)(x), teacher(x)
    np.testing.assert_allclose(answers["speed"], speed, atol=1e-6)
    np.testing.assert_allclose(keras.ops.softmax(answers["gesture"]), gesture, atol=1e-6)


def test_names_of_outputs_survive_json():
    blueprint, _ = read_layers(two_headed())
    assert blueprint.output_names == ("gesture", "speed")
    assert Blueprint.from_dict(blueprint.to_dict()) == blueprint


def test_outputs_that_nothing_tells_apart_are_refused():
    blueprint, _ = read_layers(two_headed())
    with pytest.raises(ModelError, match="one output or several with names, received 1 and 2"):
        StudentSpace.from_teacher(Blueprint(blueprint.nodes, blueprint.outputs))
