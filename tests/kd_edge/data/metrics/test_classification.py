"""Figures of a classifier class by class, and weights of classes."""

from dataclasses import replace

import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.class_weights import with_class_weight
from kd_edge.data.metrics.classification import classification_of
from kd_edge.data.metrics.named_class import confusion_matrix, score_of
from kd_edge.errors import ConfigError

NAMES = ("N", "V", "S")
# 6 of N, of which 5 named N and 1 V; 3 of V, of which 2 named V and 1 N; 1 of S, named N.
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
NAMED = np.array([0, 0, 0, 0, 0, 1, 1, 1, 0, 0])


def test_figures_class_by_class_are_those_of_their_formulas():
    found = classification_of(NAMED, LABELS, NAMES)
    assert [c.support for c in found.classes] == [6, 3, 1]
    assert [c.recall for c in found.classes] == pytest.approx([5 / 6, 2 / 3, 0])
    assert [c.precision for c in found.classes[:2]] == pytest.approx([5 / 7, 2 / 3])
    assert found.classes[2].precision is None
    assert [c.f1 for c in found.classes] == pytest.approx([10 / 13, 2 / 3, 0])
    assert found.balanced_accuracy == pytest.approx((5 / 6 + 2 / 3) / 3)
    assert found.macro_f1 == pytest.approx((10 / 13 + 2 / 3) / 3)
    assert (found.majority_class, found.majority_share, found.num_named) == ("N", 0.6, 2)
    assert found.confusion == ((5, 1, 0), (1, 2, 0), (1, 0, 0))


def test_a_constant_answer_has_the_majoritys_share_right_and_a_balanced_accuracy_of_chance():
    found = classification_of(np.zeros(10, int), LABELS, NAMES)
    assert found.majority_share == score_of(np.array(found.confusion), "accuracy") == 0.6
    assert (found.balanced_accuracy, found.num_named) == (pytest.approx(1 / 3), 1)


def test_a_class_without_samples_has_no_recall_and_does_not_count():
    found = classification_of(np.array([0, 1]), np.array([0, 1]), NAMES)
    assert (found.balanced_accuracy, found.macro_f1) == (1.0, 1.0)
    assert (found.classes[2].recall, found.classes[2].f1) == (None, None)


def test_scores_of_several_matrices_at_once_are_those_of_each():
    tables = np.stack([confusion_matrix(NAMED, LABELS, 3), confusion_matrix(LABELS, LABELS, 3)])
    for objective in ("accuracy", "balanced_accuracy", "macro_f1"):
        one, other = (float(score_of(table, objective)) for table in tables)
        assert score_of(tables, objective).tolist() == [one, other]
        assert other == 1.0


@pytest.fixture
def data():
    arrays = {"x_train": np.zeros((10, 2), "f4"), "y_train": LABELS, "x_val": np.zeros((3, 2), "f4")}
    arrays |= {"y_val": np.arange(3), "x_test": np.zeros((3, 2), "f4"), "y_test": np.arange(3), "class_names": NAMES}
    return dataset_of("beats", arrays, "beats", None, 0)


def test_balanced_weights_make_all_classes_count_alike_and_a_sample_one_on_average(data):
    weighted = with_class_weight(data, "balanced")
    assert weighted.class_weight == pytest.approx((10 / (3 * 6), 10 / (3 * 3), 10 / 3))
    weights = weighted.weights_of(LABELS)
    assert [weights[i == LABELS].sum() for i in range(3)] == pytest.approx([10 / 3] * 3)
    assert weights.mean() == pytest.approx(1.0)


def test_a_table_gives_weights_by_name_and_one_to_the_others(data):
    assert with_class_weight(data, {"S": 5}).class_weight == (1.0, 1.0, 5.0)


def test_weights_make_it_another_data_set_and_none_leave_it_as_it_was(data):
    assert with_class_weight(data, None) is data
    assert with_class_weight(data, "balanced").sha256 != data.sha256
    assert replace(with_class_weight(data, "balanced"), class_weight=None).sha256 == data.sha256


def test_a_class_that_is_not_there_is_named_with_the_nearest(data):
    with pytest.raises(ConfigError, match="unknown class 'W' in 'class_weight': known: N, S, V"):
        with_class_weight(data, {"W": 2.0})
    with pytest.raises(ConfigError, match="expected 'balanced' or a table by class name, received 'even'"):
        with_class_weight(data, "even")
