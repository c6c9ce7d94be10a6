"""Tests of trainings by what a network is asked for."""

import keras
import numpy as np
import pytest

from kd_edge.data.class_weights import with_class_weight
from kd_edge.data.dataset import Dataset, checked
from kd_edge.data.targets import standardized_values
from kd_edge.data.task import Task
from kd_edge.distillation.outputs.decisions import accuracy, decisions_of
from kd_edge.distillation.results import Recipe, kept_accuracy, metric_in
from kd_edge.distillation.training import distill, epochs_shown, settle, train
from kd_edge.errors import ConfigError

RNG = np.random.default_rng(0)
CENTRE = RNG.normal(size=(1, 6))
METRICS = {"binary": "accuracy", "multilabel": "label_accuracy", "regression": "skill", "reconstruction": "skill"}


def task_data(kind, count=160):
    """Samples on a plane of 2 dimensions in 6, so that all four tasks can be learnt from them."""
    rng = np.random.default_rng(1)
    plane, hidden = rng.normal(size=(2, 6)), rng.normal(size=(3 * count, 2))
    x = (CENTRE + hidden @ plane).astype(np.float32)
    answers = {
        "binary": ((hidden[:, 0] > 0).astype(np.int64), Task("binary", ("no", "yes"))),
        "multilabel": ((hidden > 0).astype(np.int64), Task("multilabel", ("left", "up"))),
        "regression": (hidden * [3.0, 0.5] + 20, Task("regression", ("width", "height"), ("mm", "mm"))),
        "reconstruction": (np.zeros(len(x), np.int64), Task("reconstruction", ("normal", "anomaly"))),
    }
    y, task = answers[kind]
    splits = {
        f"{n}_{s}": part for n, whole in (("x", x), ("y", y)) for s, part in zip(SPLITS, _thirds(whole), strict=True)
    }
    data = Dataset(kind, **splits, class_names=task.names, task=task)
    return standardized_values(data) if kind == "regression" else checked(data)


SPLITS = ("train", "val", "test")


def _thirds(array):
    return np.split(array, 3)


def network(data, width=16, ending=None):
    return keras.Sequential(
        [
            keras.Input(data.input_shape),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(data.num_outputs, activation=ending),
        ]
    )


@pytest.fixture(scope="module", params=METRICS)
def taught(request):
    """The data of a task, and a teacher that was trained on it."""
    data = task_data(request.param)
    keras.utils.set_random_seed(0)
    return data, train(network(data, 64), data, Recipe(epochs=12, batch_size=32, learning_rate=2e-2))


def test_a_training_is_scored_by_what_its_answers_are_worth(taught):
    data, training = taught
    assert metric_in(training.history) == METRICS[data.task.kind]
    own = data.task.credits(decisions_of(training.model, data, "val"), data.targets("val")).mean()
    assert training.val_accuracy == pytest.approx(own, abs=2e-6)
    assert training.val_accuracy == kept_accuracy(training.history) == max(training.history[f"val_{data.task.metric}"])
    assert accuracy(training.model, data) > 0.7


def test_a_student_is_distilled_and_a_learning_rate_is_found(taught):
    data, training = taught
    keras.utils.set_random_seed(0)
    student = network(data, 8)
    recipe, _ = settle(student, data, Recipe(epochs=8, batch_size=32, learning_rate="auto"), teacher=training.model)
    shown = []
    callback = epochs_shown(lambda stage, done, message: shown.append(message), "distill", 8)
    found = distill(student, data, recipe, teacher=training.model, trainee="like_teacher", callbacks=[callback])
    assert accuracy(student, data) > 0.5
    assert [report.guide for report in found.halting] == ["teacher", "trainee"]
    assert f"validation {data.task.metric.replace('_', ' ')} 0." in shown[-1]


def test_a_network_that_ends_in_a_sigmoid_is_trained_and_scored_as_such():
    data = task_data("binary")
    keras.utils.set_random_seed(0)
    found = train(network(data, 16, "sigmoid"), data, Recipe(epochs=10, batch_size=32, learning_rate=2e-2))
    own = data.task.credits(decisions_of(found.model, data, "val"), data.y_val).mean()
    assert found.val_accuracy == pytest.approx(own, abs=1e-6)
    assert own > 0.9


def test_the_classes_of_a_binary_task_have_weights():
    data = with_class_weight(task_data("binary"), {"yes": 3.0})
    found = train(network(data), data, Recipe(epochs=2, learning_rate=1e-2))
    assert "val_weighted_accuracy" in found.history


@pytest.mark.parametrize("kind", ["multilabel", "regression", "reconstruction"])
def test_samples_of_no_one_class_have_no_class_weight(kind):
    with pytest.raises(ConfigError, match=f"expected samples of one class each, received the task '{kind}'"):
        with_class_weight(task_data(kind), "balanced")


@pytest.mark.parametrize(
    ("kind", "augment", "message"),
    [
        ("binary", "mixup", "it mixes several classes, received the task 'binary'"),
        ("reconstruction", "imu", "expected 'none' for a reconstruction.* received 'imu'"),
    ],
)
def test_changes_of_samples_that_make_no_sense_are_refused(kind, augment, message):
    data = task_data(kind)
    with pytest.raises(ConfigError, match=message):
        train(network(data), data, Recipe(epochs=1, augment=augment))
