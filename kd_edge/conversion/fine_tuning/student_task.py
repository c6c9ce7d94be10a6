"""The task of a data set as a student answers it."""

import keras
import numpy as np

from kd_edge.clone.inference_clone import has_state
from kd_edge.conversion.fine_tuning.tf_keras_copy import answers_task, output_shapes
from kd_edge.conversion.told_task import as_answered
from kd_edge.data.dataset import Dataset
from kd_edge.data.targets import as_binary
from kd_edge.distillation.outputs.predictions import predictions

_NUM_ASKED = 256


def as_student_answers(
    student: keras.Model, data: Dataset, teacher: keras.Model | None
) -> tuple[Dataset, keras.Model | None]:
    """Return a data set whose task is that of a student, and a teacher that answers alike.

    Two classes are a binary task for a student with one output. Measured values are in their units where the student
    answers so; a teacher that answers them standardised is then followed by what brings its answers to the units.

    Args:
        student: What is converted.
        data: What it is converted with.
        teacher: Guides a fine-tuning; `None` without one.
    """
    if data.task.kind == "multiclass" and data.num_classes == 2 and output_shapes(student) == [(1,)]:
        return as_binary(data), teacher
    if data.task.kind != "regression" or not answers_task(student, data):
        return data, teacher
    asked = data.x_train[:_NUM_ASKED]
    found = as_answered(predictions(student, asked), data)
    if found is data or teacher is None or as_answered(predictions(teacher, asked), data) is not data:
        return found, teacher
    in_units = keras.layers.Rescaling(list(data.task.deviation), list(data.task.mean))(teacher.outputs[0])
    return found, keras.Model(teacher.inputs, in_units, name=teacher.name)


def reconstructs(student: keras.Model, data: Dataset) -> bool:
    """Return whether a model gives back its samples unasked: one has as many numbers as there are classes."""
    is_asked = data.task.kind != "multiclass"
    if is_asked or output_shapes(student) != [data.input_shape] or has_state(student):
        return False
    samples = data.x_val[:_NUM_ASKED]
    answers = student.predict(samples, verbose=0)
    return bool(np.square(answers - samples).mean() < samples.var(axis=0).mean())
