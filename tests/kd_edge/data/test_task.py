"""Tests of what answers are worth."""

import numpy as np
import pytest

from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError


def test_one_logit_says_yes_above_the_logit_of_the_threshold():
    outputs = np.array([[-0.1], [0.1], [1.5]])
    assert Task("binary", ("no", "yes")).decisions(outputs).tolist() == [0, 1, 1]
    # The logit of 0.8 is log(4) = 1.386.
    assert Task("binary", ("no", "yes"), threshold=0.8).decisions(outputs).tolist() == [0, 0, 1]


def test_one_probability_says_yes_above_the_threshold():
    task = Task("binary", ("no", "yes"))
    assert task.decisions(np.array([[0.4], [0.6]]), probabilities=True).tolist() == [0, 1]


def test_labels_are_decided_and_credited_one_by_one():
    task = Task("multilabel", ("rain", "wind", "hail"))
    decisions = task.decisions(np.array([[3.0, -1.0, -1.0], [2.0, 2.0, 2.0]]))
    assert task.credits(decisions, np.array([[1, 0, 0], [1, 0, 0]])).tolist() == [1.0, pytest.approx(1 / 3)]


def test_answering_the_median_of_measured_values_has_no_skill_and_the_values_themselves_have_all():
    task, targets = Task("regression", ("weight",)), np.array([[1.0], [2.0], [6.0]])
    assert task.credits(np.full((3, 1), 2.0), targets).mean() == pytest.approx(0)
    assert task.credits(targets, targets).tolist() == [1, 1, 1]
    # Off by 1 each, where the median is off by (1 + 0 + 4) / 3.
    assert task.credits(targets + 1, targets).mean() == pytest.approx(1 - 3 / 5)


def test_a_reconstruction_by_the_mean_sample_has_no_skill():
    task, samples = Task("reconstruction", ("normal", "anomaly")), np.array([[[1.0], [3.0]], [[3.0], [5.0]]])
    mean = np.broadcast_to(samples.mean(axis=0).reshape(1, -1), (2, 2))
    assert task.credits(task.decisions(mean), samples).mean() == pytest.approx(0)
    assert task.num_outputs((2, 1)) == 2


def test_an_unknown_task_and_a_threshold_that_is_no_probability_are_refused():
    with pytest.raises(ConfigError, match=r"expected one of multiclass, .*, received 'detection'"):
        Task("detection", ())
    with pytest.raises(ConfigError, match=r"between 0 and 1, received 1\.5"):
        Task("binary", ("no", "yes"), threshold=1.5)


def test_a_data_set_without_a_task_names_classes_and_any_other_task_names_its_own():
    arrays = {f"{a}_{s}": np.zeros((2, 3)) for a in "xy" for s in ("train", "val", "test")}
    assert Dataset("kws", **arrays, class_names=("a", "b")).task == Task("multiclass", ("a", "b"))
    binary = Dataset("wake", **arrays, class_names=(), task=Task("binary", ("no", "yes")))
    assert (binary.class_names, binary.num_outputs) == (("no", "yes"), 1)
