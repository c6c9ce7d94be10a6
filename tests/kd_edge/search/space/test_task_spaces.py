"""Tests of students for what a network can be asked for besides one of several classes."""

import keras
import numpy as np
import pytest

from kd_edge.config.by_task import objective_for
from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.task import Task
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.errors import ConfigError
from kd_edge.ir.lowering import lower
from kd_edge.search.space.student_space import StudentSpace


@pytest.mark.parametrize("shape", [(12,), (6, 4, 1)])
def test_an_autoencoder_narrows_to_its_bottleneck_and_answers_with_the_sample(shape):
    count = int(np.prod(shape))
    space = StudentSpace.family("autoencoder", shape, count)
    values = {"width": 16, "num_layers": 2, "growth": 0.5, "bottleneck": 4}
    student = space.blueprint(values).to_keras()
    units = [layer.units for layer in student.layers if isinstance(layer, keras.layers.Dense)]
    assert units == [16, 8, 4, 8, 16, count]
    graph = space.graph(values)
    assert graph == space.blueprint(values).to_graph() == lower(student)
    edges = zip([count, *units], units, strict=False)
    assert CostModel(load_device("nucleo-l4r5zi")).estimate(graph).macs == sum(a * b for a, b in edges)


def test_an_autoencoder_of_classes_is_refused():
    with pytest.raises(ConfigError, match=r"expected the task 'reconstruction', .* 12 numbers, received 3 outputs"):
        StudentSpace.family("autoencoder", (12,), 3).blueprint(
            {"width": 8, "num_layers": 1, "growth": 1.0, "bottleneck": 2}
        )


def test_the_teacher_of_a_reconstruction_has_the_proportions_of_mlperf_tinys():
    teacher = build_teacher((640,), 640, reconstructs=True)
    units = [layer.units for layer in teacher.layers if isinstance(layer, keras.layers.Dense)]
    assert units == [128] * 4 + [8] + [128] * 4 + [640]
    assert build_teacher((8, 4, 1), 32, width=16, reconstructs=True).output_shape == (None, 32)


@pytest.mark.parametrize("ending", ["linear", "sigmoid"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_students_of_a_teacher_keep_its_outputs_and_how_it_ends(ending, outputs):
    inputs = keras.Input((16, 16, 1))
    h = keras.layers.Conv2D(16, 3, activation="relu")(inputs)
    h = keras.layers.Dense(outputs, activation=ending)(keras.layers.GlobalAveragePooling2D()(h))
    space = StudentSpace.from_teacher(keras.Model(inputs, h))
    values = {name: options[0] for name, options in space.choices.items()}
    student = space.blueprint(values).to_keras()
    assert student.output_shape == (None, outputs)
    assert space.graph(values) == lower(student)
    answers = student.predict(np.random.default_rng(0).normal(size=(4, 16, 16, 1)), verbose=0)
    assert (ending == "linear") or ((answers > 0) & (answers < 1)).all()


def test_students_of_an_autoencoder_still_answer_with_the_sample():
    space = StudentSpace.from_teacher(build_teacher((10,), 10, width=16, reconstructs=True))
    student = space.blueprint({name: options[0] for name, options in space.choices.items()}).to_keras()
    assert student.output_shape == (None, 10)
    assert student.count_params() < build_teacher((10,), 10, width=16, reconstructs=True).count_params()


@pytest.mark.parametrize(
    ("kind", "asked", "found"),
    [
        ("multiclass", None, "accuracy"),
        ("binary", "macro_f1", "macro_f1"),
        ("multilabel", None, "label_accuracy"),
        ("regression", "skill", "skill"),
    ],
)
def test_networks_are_ranked_by_the_metric_of_the_task_or_by_what_was_asked_for(kind, asked, found):
    assert objective_for(asked, Task(kind, ("a", "b"))) == found


@pytest.mark.parametrize(
    ("kind", "asked"), [("regression", "accuracy"), ("multilabel", "macro_f1"), ("binary", "skill")]
)
def test_an_objective_of_another_task_is_refused(kind, asked):
    with pytest.raises(ConfigError, match=f"bad objective '{asked}': expected .* of the task '{kind}'"):
        objective_for(asked, Task(kind, ("a", "b")))
