"""Tests of what each task's answers are measured by."""

from dataclasses import replace

import numpy as np
import pytest

from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.anomaly import anomalies_of, anomaly_scores, threshold_of
from kd_edge.data.metrics.multilabel import multilabel_of
from kd_edge.data.metrics.regression import regression_of
from kd_edge.data.metrics.roc import auc_of, partial_auc_of, roc_counts, roc_points
from kd_edge.data.task import Task
from kd_edge.errors import DataError

WEIGHT = Task("regression", ("weight",), units=("g",), mean=(100.0,), deviation=(10.0,))


def data(task, x, y, groups=None):
    return Dataset("some", x, y, x, y, x, y, (), task=task, group_test=groups)


def test_labels_are_counted_one_by_one_and_a_label_that_no_sample_has_is_left_out_of_the_mean():
    named = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], bool)
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    found = multilabel_of(named, targets, ("rain", "wind", "hail"))
    rain, wind, hail = found.labels
    assert (rain.support, rain.recall, rain.precision) == (1, 1.0, 0.5)
    assert rain.f1 == pytest.approx(2 / 3)
    assert (wind.f1, hail.recall, hail.precision, hail.f1) == (1.0, None, None, None)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert (found.label_accuracy, found.exact_match) == (pytest.approx(8 / 9), pytest.approx(2 / 3))
    # Never: right in 2, 2 and 3 of 3 samples.
    assert found.constant_share == pytest.approx(7 / 9)


def test_errors_of_measured_values_are_told_in_their_unit():
    # 100, 110 and 120 g, answered 5 g too low, right, and 10 g too high.
    found = regression_of(np.array([[-0.5], [1.0], [3.0]]), np.array([[0.0], [1.0], [2.0]]), WEIGHT)
    (weight,) = found.values
    assert (weight.name, weight.unit, weight.mae, weight.constant_mae) == ("weight", "g", 5.0, pytest.approx(20 / 3))
    assert weight.rmse == pytest.approx(np.sqrt(125 / 3))
    assert weight.r2 == pytest.approx(1 - 125 / 200)
    assert found.skill == pytest.approx(1 - 5 / (20 / 3))
    assert weight.points == ((100, 95), (110, 110), (120, 130))


def test_values_that_are_all_the_same_have_no_share_of_variance_explained():
    found = regression_of(np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]]), Task("regression", ("depth",)))
    assert (found.values[0].r2, found.values[0].mae, found.values[0].unit) == (None, 0.5, "")


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order_and_a_tie_is_half_of_one():
    # Of 2 x 2 pairs the anomaly 3 is above 1 and ties with 3, 4 is above both: 3.5 of 4.
    counts = roc_counts(np.array([1, 3, 3, 4]), np.array([0, 0, 1, 1]))
    assert counts.tolist() == [[1, 1, 0], [0, 1, 1]]
    assert float(auc_of(counts)) == 3.5 / 4
    assert [points.tolist() for points in roc_points(counts)] == [[0, 0, 0.5, 1], [0, 0.5, 1, 1]]


def test_a_resample_of_one_kind_of_sample_alone_has_no_area():
    kinds = np.array([[[3, 1], [0, 0]], [[0, 0], [1, 1]], [[1, 0], [0, 1]]])
    np.testing.assert_array_equal(auc_of(kinds), [np.nan, np.nan, 1])
    np.testing.assert_array_equal(partial_auc_of(kinds, 0.1), [np.nan, np.nan, 1])


def test_the_partial_area_is_standardised_so_that_chance_is_a_half():
    chance, sure = np.array([[10, 10], [10, 10]]), np.array([[10, 0], [0, 10]])
    for limit in (0.1, 0.5, 1.0):
        assert float(partial_auc_of(chance, limit)) == pytest.approx(0.5)
        assert float(partial_auc_of(sure, limit)) == pytest.approx(1)
    # Up to 0.1 the recall rises from 0.5 to 0.6: the area is 0.055, of 0.005 by chance and 0.1 at most.
    half = np.array([[1, 1, 0], [0, 1, 1]])
    assert float(partial_auc_of(half, 0.1)) == pytest.approx((1 + (0.055 - 0.005) / 0.095) / 2)


def test_the_areas_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.4
    scores = np.round(rng.normal(size=300) + labels, 1)  # with ties
    counts = roc_counts(scores, labels.astype(int))
    assert float(auc_of(counts)) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert float(partial_auc_of(counts, 0.1)) == pytest.approx(metrics.roc_auc_score(labels, scores, max_fpr=0.1))


def test_a_sample_is_an_anomaly_where_it_is_reconstructed_worse_than_nine_tenths_of_the_training():
    threshold = threshold_of(np.arange(11.0))
    assert threshold == 9.0
    scores = anomaly_scores(np.zeros((4, 2, 1)), np.array([[1, 1], [5, 5], [1, 3], [4, 0]]).reshape(4, 2, 1))
    assert scores.tolist() == [1, 25, 5, 8]
    found = anomalies_of(scores, np.array([0, 1, 0, 1]), threshold=threshold, skill=0.5)
    assert (found.recall, found.false_positive_rate, found.auc) == (0.5, 0, 1)
    assert (found.num_normal, found.num_anomalies, found.threshold_percentile) == (2, 2, 90)


def test_without_anomalies_no_curve_is_drawn():
    found = anomalies_of(np.array([1.0, 10.0]), np.zeros(2, int), threshold=9.0, skill=0.1)
    assert (found.auc, found.partial_auc, found.recall, found.roc) == (None, None, None, ())
    assert found.false_positive_rate == 0.5


def test_a_reconstruction_is_judged_by_the_normal_samples_and_every_other_task_by_all():
    x = np.array([[1.0], [3.0], [9.0]])
    normal = data(Task("reconstruction", ("normal", "anomaly")), x, np.array([0, 0, 1]), np.array([4, 5, 5]))
    judged = Judged.of(normal)
    assert (judged.rows.tolist(), judged.groups.tolist(), judged.constant) == ([0, 1], [4, 5], 0)
    # The mean of the two is off by 1 square each; the anomaly counts for nothing.
    assert judged.credits(np.array([[1.0], [2.0], [0.0]])).tolist() == [1, 0]
    weights = Judged.of(data(WEIGHT, x, x.astype("f4")), "val")
    assert weights.credits(x).tolist() == [1, 1, 1]
    with pytest.raises(DataError, match=r"expected normal samples, with 0 in y_test, .* received 3 anomalies"):
        Judged.of(replace(normal, y_test=np.ones(3, int)))


def test_the_best_constant_answer_is_the_largest_class_or_the_more_frequent_value_of_each_label():
    x = np.zeros((4, 1))
    assert Judged.of(data(Task("binary", ("no", "yes")), x, np.array([0, 0, 0, 1]))).constant == 0.75
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0]])
    assert Judged.of(data(Task("multilabel", ("a", "b")), x, labels)).constant == 0.75
