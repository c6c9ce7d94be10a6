"""The task that a file tells, and data that are read as it asks."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.config import ConvertConfig
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.told_task import as_told, task_told
from kd_edge.data.dataset import Dataset
from kd_edge.data.regression_metrics import in_units
from kd_edge.data.task import Task

FLOAT = ConvertConfig("none")
X = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")
WEIGHT = Task("regression", ("weight",), units=("g",), mean=(50.0,), deviation=(10.0,))


def data(task, y, names=()):
    return Dataset("some", X, y, X, y, X, y, names, task=task)


def content(of):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(of.num_outputs)])
    return convert_for(model, of, FLOAT).content


def test_values_are_judged_by_the_mean_and_deviation_that_the_file_was_made_with():
    grams = 50 + 10 * X[:, :1]
    known = data(WEIGHT, X[:, :1])
    made = content(known)
    other = data(Task("regression", ("weight",), mean=(40.0,), deviation=(5.0,)), (grams - 40) / 5)
    found = as_told(made, other)
    assert (found.task, task_told(made)) == (WEIGHT, "regression")
    assert found.y_test == pytest.approx(known.y_test, abs=1e-5)
    assert in_units(found.y_test, found.task) == pytest.approx(grams, abs=1e-4)
    assert as_told(made, known).y_test is known.y_test


def test_two_classes_are_binary_for_a_file_with_one_output_and_its_threshold_counts():
    y = (X[:, 0] > 0).astype(int)
    made = content(data(Task("binary", ("no", "yes"), threshold=0.9), y))
    classes = data(Task("multiclass", ()), y, ("no", "yes"))
    found = as_told(made, classes)
    assert (found.task.kind, found.task.threshold, found.class_names) == ("binary", 0.9, ("no", "yes"))
    # A file with an output for each of the two, and one of three, are left alone.
    assert as_told(content(classes), classes) is classes
    three = replace(classes, class_names=("a", "b", "c"))
    assert as_told(made, three) is three
    assert task_told(content(classes)) is None


def test_a_file_of_another_task_changes_nothing():
    values = data(WEIGHT, X[:, :1])
    labels = data(Task("multilabel", ("a", "b")), (X[:, :2] > 0).astype(int))
    assert as_told(content(labels), values) is values
