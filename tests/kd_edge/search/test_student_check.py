"""What a teacher's students answer is known before any is trained."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.ir.layers import Conv2D
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.student_check import check_students


def teacher_of(**convolution):
    x = inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", **convolution)(x)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("form", ["functional", "sequential, fitted"])
def test_students_that_answer_as_the_teacher_does_pass(form):
    teacher = teacher_of()
    if form != "functional":
        layers = [keras.layers.Conv2D(16, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
        teacher = keras.Sequential([keras.Input((16, 16, 3)), *layers])
        teacher.compile("sgd", "mse")
        teacher.fit(np.zeros((4, 16, 16, 3)), np.zeros((4, 3)), verbose=0)
    check_students(StudentSpace.from_teacher(teacher), teacher)


def test_students_of_another_shape_are_refused():
    space, inputs = StudentSpace.from_teacher(teacher_of()), keras.Input((16, 16, 3))
    other = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(inputs)))
    with pytest.raises(
        ModelError, match=r"answer in its shape, \[\(5,\)\], the cheapest answers in \[\(3,\)\]; choose"
    ):
        check_students(space, other)


def test_students_that_keras_cannot_build_are_refused_in_one_line():
    teacher = teacher_of(dilation_rate=2)
    space = StudentSpace.from_teacher(teacher)

    def draw(values, widths):
        plain = space._draw(values, widths)
        nodes = [
            replace(node, layer=replace(node.layer, strides=(2, 2))) if isinstance(node.layer, Conv2D) else node
            for node in plain.nodes
        ]
        return replace(plain, nodes=tuple(nodes))

    with pytest.raises(ModelError, match=r"cannot build the cheapest of the teacher's students: .*strides > 1.*; cho"):
        check_students(replace(space, _draw=draw), teacher)
