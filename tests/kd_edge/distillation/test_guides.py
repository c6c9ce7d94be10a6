"""Guides that do not belong to the student are refused."""

import keras
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.errors import ModelError


def network(*, num_inputs=8, num_classes=3, dtype="float32"):
    inputs = keras.Input((num_inputs,), dtype=dtype)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(keras.ops.cast(inputs, "float32")))


def with_two_outputs():
    inputs = keras.Input((8,))
    return keras.Model(inputs, [keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: network(num_classes=4), r"different outputs: .* received \(4,\) float32 and \(3,\) float32"),
        (lambda: network(num_inputs=9), r"different inputs: .* received \(9,\) float32 and \(8,\) float32"),
        (lambda: network(dtype="int32"), r"different inputs: .* received \(8,\) int32 and \(8,\) float32"),
        (with_two_outputs, r"different outputs: .* received \(3,\) float32, \(3,\) float32 and \(3,\) float32"),
        (lambda: "teacher.keras", r"is no network: expected a keras.Model, received a str"),
    ],
)
@pytest.mark.parametrize("guide", ["teacher", "trainee"])
def test_a_guide_for_another_task_is_refused(guide, other, message):
    guides = {"teacher": network(), "trainee": None} | {guide: other()}
    message = message if guide == "teacher" or "no network" not in message else "unknown trainee"
    with pytest.raises(ValueError, match=message):
        Distiller(guides["teacher"], network(), LogitsDistillation(), trainee=guides["trainee"])


def test_the_student_has_to_be_a_network():
    with pytest.raises(ModelError, match=r"the student is no network: .* received a str"):
        Distiller(network(), "student.keras", LogitsDistillation())


def test_a_trainee_that_shares_weights_with_the_teacher_is_refused():
    teacher = network()
    shared = keras.Model(teacher.inputs, teacher.outputs)
    with pytest.raises(ModelError, match=r"trainee and teacher share weights.*pass 'like_teacher'"):
        Distiller(teacher, network(), LogitsDistillation(), trainee=shared)


def test_a_student_that_shares_weights_with_the_teacher_is_refused():
    student = network()
    with pytest.raises(ModelError, match="teacher and student share weights"):
        Distiller(keras.Model(student.inputs, student.outputs), student, LogitsDistillation())
