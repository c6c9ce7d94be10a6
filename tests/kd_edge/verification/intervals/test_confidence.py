"""Intervals of shares and of their differences, over samples and over groups of them."""

import math
from functools import partial

import numpy as np
import pytest

from kd_edge.data.metrics.multilabel import label_counts, macro_f1_of
from kd_edge.data.metrics.named_class import score_of
from kd_edge.data.metrics.roc import auc_of, roc_cells
from kd_edge.verification.intervals.bootstrap import student_t95
from kd_edge.verification.intervals.confidence import (
    accuracy_interval,
    cell_interval,
    mean_interval,
    score_interval,
    share_interval,
    skill_interval,
    sums_interval,
    wilson_interval,
)
from kd_edge.verification.intervals.interval import Interval, unbounded_ends


@pytest.mark.parametrize(("num_right", "num_samples"), [(9, 10), (250, 300), (1, 2000)])
def test_each_end_lies_1_96_of_its_own_standard_errors_from_the_share(num_right, num_samples):
    found, share = wilson_interval(num_right, num_samples), num_right / num_samples
    for end in (found.ci95_low, found.ci95_high):
        assert abs(share - end) == pytest.approx(1.959964 * (end * (1 - end) / num_samples) ** 0.5, rel=1e-5)
    assert found.ci95_low < share < found.ci95_high


def test_all_right_or_none_leaves_an_interval_within_0_and_1():
    assert wilson_interval(20, 20).ci95_high == 1.0
    assert wilson_interval(20, 20).ci95_low == pytest.approx(20 / (20 + 1.959964**2))
    assert wilson_interval(0, 20).ci95_low == 0.0
    assert wilson_interval(0, 20).ci95_high == pytest.approx(1.959964**2 / (20 + 1.959964**2))


# The table of Student (W. S. Gosset), two-sided 95 %.
@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (8, 2.306), (30, 2.042), (120, 1.980), (10**6, 1.960)],
)
def test_the_quantiles_are_those_of_students_table(freedom, quantile):
    assert student_t95(freedom) == pytest.approx(quantile, rel=2e-3)


def people(shares, size=100):
    """Samples of people of whom each has so large a share right."""
    right = np.concatenate([np.arange(size) < round(share * size) for share in shares])
    return right, np.repeat(np.arange(len(shares)), size)


def test_without_groups_an_accuracy_has_wilsons_interval():
    right, _ = people([0.8])
    assert accuracy_interval(right) == wilson_interval(80, 100)


def test_two_people_say_little_and_the_interval_says_so():
    right, groups = people([0.82, 0.88])
    found = accuracy_interval(right, groups)
    # The mean of two drawn people is 0.82, 0.85 or 0.88 by 1/4, 1/2, 1/4: deviation 0.03 / sqrt(2), times sqrt(2).
    assert found.ci95_low == pytest.approx(0.85 - 12.706 * 0.03, rel=0.03)
    assert (found.ci95_high, found.num_groups) == (1.0, 2)


def test_one_person_says_nothing_of_others():
    right, groups = people([0.9])
    found = accuracy_interval(right, groups)
    assert (found.ci95_low, found.ci95_high, found.num_groups) == (0.0, 1.0, 1)


def test_people_who_are_all_alike_leave_the_interval_of_the_samples():
    right, groups = people([0.8] * 9)
    found, wilson = accuracy_interval(right, groups), wilson_interval(720, 900)
    assert (found.ci95_low, found.ci95_high) == (wilson.ci95_low, wilson.ci95_high)


def test_intervals_over_groups_cover_the_mean_of_all_people_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        shares = np.clip(rng.normal(0.8, 0.08, 5), 0, 1)
        right = np.concatenate([rng.random(200) < share for share in shares])
        found = accuracy_interval(right, np.repeat(np.arange(5), 200))
        covered += found.ci95_low <= 0.8 <= found.ci95_high
    # Of 300 at 95 %, 285 expected, standard deviation 3.8.
    assert covered >= 270


Z2 = 1.959964**2


@pytest.mark.parametrize("groups", [None, np.arange(12) % 3])
@pytest.mark.parametrize("objective", ["balanced_accuracy", "macro_f1"])
def test_a_score_of_samples_that_all_are_right_or_all_wrong_has_wilsons_interval_of_the_smallest_class(
    objective, groups
):
    labels = np.tile([0, 0, 1], 4)
    score = partial(score_of, objective=objective)
    right, wrong = (score_interval(named, labels, 2, score, groups) for named in (labels, 1 - labels))
    # Four samples are of class 1: Wilson's of 4 of 4, and of 0 of 4.
    assert (right.ci95_low, right.ci95_high) == (pytest.approx(4 / (4 + Z2)), 1.0)
    assert (wrong.ci95_low, wrong.ci95_high) == (0.0, pytest.approx(Z2 / (4 + Z2)))
    assert right.num_groups == (None if groups is None else 3)


def test_anomalies_of_two_groups_that_all_are_found_leave_an_interval_below_1():
    scores, labels = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])
    cells, levels = roc_cells(scores, labels)
    found = cell_interval(
        cells, 2 * levels, lambda n: auc_of(n.reshape(*n.shape[:-1], 2, levels)), np.array([0, 1, 0, 1])
    )
    assert (found.ci95_low, found.ci95_high, found.num_groups) == (pytest.approx(2 / (2 + Z2)), 1.0, 2)


def area(scores, labels, groups=None):
    cells, levels = roc_cells(scores, labels)
    return cell_interval(cells, 2 * levels, lambda n: auc_of(n.reshape(*n.shape[:-1], 2, levels)), groups)


@pytest.mark.parametrize(("share", "num_anomalies"), [(1.0, 3), (1.0, 1), (0.9, 1)])
def test_few_anomalies_leave_the_interval_of_as_few_samples_and_draws_without_one_have_no_area(share, num_anomalies):
    normals = np.arange(100.0)
    scores = np.concatenate([normals, np.full(num_anomalies, 100 * share - 0.5)])
    found = area(scores, np.repeat([0, 1], [100, num_anomalies]))
    wilson = wilson_interval(share * num_anomalies, num_anomalies)
    assert (found.ci95_low, found.ci95_high) == (pytest.approx(wilson.ci95_low), pytest.approx(wilson.ci95_high))


@pytest.mark.parametrize("num_groups", [2, 6])
def test_anomalies_of_one_group_say_nothing_of_other_groups(num_groups):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(num_groups), 20)
    assert area(rng.normal(size=len(groups)) + 2 * (groups == 1), groups == 1, groups) == Interval(0.0, 1.0, num_groups)


def test_labels_that_all_are_right_are_as_sure_as_the_rarest_of_them():
    true = np.arange(60)[:, None] % [2, 20] == 0  # 30 samples have the one label, 3 the other
    rows = label_counts(true, true).reshape(60, -1)
    found = sums_interval(rows, lambda sums: macro_f1_of(sums.reshape(*sums.shape[:-1], 3, 2)))
    assert (found.ci95_low, found.ci95_high) == (pytest.approx(3 / (3 + Z2)), 1.0)


def test_labels_that_nobody_has_and_no_answer_names_are_as_sure_as_all_samples():
    rows = label_counts(np.zeros((20, 3), bool), np.zeros((20, 3), bool)).reshape(20, -1)
    found = sums_interval(rows, lambda sums: macro_f1_of(sums.reshape(*sums.shape[:-1], 3, 3)))
    assert (found.ci95_low, found.ci95_high) == (0.0, pytest.approx(Z2 / (20 + Z2)))


def test_shares_of_labels_of_one_person_say_nothing_of_others_and_of_two_no_more_than_their_samples():
    shares = np.ones(50)
    assert share_interval(shares, np.zeros(50, int)) == Interval(0.0, 1.0, 1)
    two = share_interval(shares, np.arange(50) % 2)
    assert (two.ci95_low, two.ci95_high) == (pytest.approx(50 / (50 + Z2)), 1.0)


def test_shares_of_twenty_labels_are_surer_than_as_many_answers_that_are_right_or_wrong():
    shares = np.random.default_rng(0).binomial(20, 0.9, 200) / 20
    found, deviation = share_interval(shares), (0.9 * 0.1 / 20 / 200) ** 0.5
    assert found.ci95_high - found.ci95_low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


@pytest.mark.parametrize("errors", [[0.3], [3.0], [0.0, 0.0, 0.0]])
def test_errors_that_tell_no_spread_have_no_upper_end_and_never_the_interval_of_a_share(errors):
    for groups in (None, np.arange(len(errors))):
        found = mean_interval(np.array(errors), groups)
        assert (found.ci95_low, found.ci95_high) == (0.0, math.inf)
    reasons = unbounded_ends("task_metrics_ci95", {"mae.depth": found})
    assert reasons.keys() == {"task_metrics_ci95.mae.depth.ci95_high"}
    assert "more test samples" in reasons["task_metrics_ci95.mae.depth.ci95_high"]


def test_a_skill_of_one_sample_or_of_one_group_without_spread_has_no_lower_end():
    assert skill_interval(np.array([0.9])) == Interval(-math.inf, 1.0)
    assert skill_interval(np.ones(20), np.zeros(20, int)) == Interval(-math.inf, 1.0, 1)
    many = skill_interval(np.ones(20), np.arange(20) // 5)
    assert (many.ci95_low, many.ci95_high, many.num_groups) == (pytest.approx(20 / (20 + Z2)), 1.0, 4)


@pytest.mark.parametrize("num_samples", [2, 5])
def test_intervals_of_few_skills_cover_the_mean_of_all_samples_as_often_as_they_say(num_samples):
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        found = skill_interval(rng.normal(0.7, 0.1, num_samples))
        covered += found.ci95_low <= 0.7 <= found.ci95_high
    # Of 300 at 95 %, 285 expected, standard deviation 3.8.
    assert covered >= 270


def test_groups_with_the_same_mean_leave_the_interval_of_their_samples():
    errors, groups = np.tile([1.0, 3.0], 20), np.repeat([0, 1], 20)
    found, of_samples = mean_interval(errors, groups), mean_interval(errors)
    assert (found.ci95_low, found.ci95_high) == (of_samples.ci95_low, of_samples.ci95_high)
    assert found.ci95_low < 2 < found.ci95_high


@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_a_score_lies_in_its_interval_and_that_of_an_accuracy_is_wilsons_but_for_what_drawing_changes(objective):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [300, 60, 40])
    named = np.where(rng.random(400) < 0.8, labels, rng.integers(0, 3, 400))
    score = partial(score_of, objective=objective)
    found = score_interval(named, labels, 3, score)
    table = np.zeros((3, 3))
    np.add.at(table, (labels, named), 1)
    assert found.ci95_low < score(table) < found.ci95_high
    if objective == "accuracy":
        wilson = wilson_interval(int((named == labels).sum()), 400)
        assert found.ci95_low == pytest.approx(wilson.ci95_low, abs=0.01)
        assert found.ci95_high == pytest.approx(wilson.ci95_high, abs=0.01)


@pytest.mark.parametrize("objective", ["balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize("groups", [None, np.arange(60) % 4])
def test_a_score_has_the_same_interval_whichever_class_no_sample_is_of(objective, groups):
    labels = np.repeat([0, 1], 30)
    named = np.where(np.arange(60) % 10 == 0, 1 - labels, labels)
    score = partial(score_of, objective=objective)
    last, first = (score_interval(named + by, labels + by, 3, score, groups) for by in (0, 1))
    assert first.ci95_low == pytest.approx(last.ci95_low, abs=0.01)  # other draws
    assert (first.ci95_high, first.num_groups) == (pytest.approx(last.ci95_high, abs=0.01), last.num_groups)


def test_a_score_over_groups_has_a_wider_interval_than_over_samples_where_groups_differ():
    right, groups = people([0.5, 0.7, 0.9, 1.0, 0.6, 0.8])
    labels = np.arange(len(right)) % 2
    named = np.where(right, labels, 1 - labels)
    score = partial(score_of, objective="balanced_accuracy")
    over_samples, over_groups = (score_interval(named, labels, 2, score, g) for g in (None, groups))
    assert over_groups.num_groups == 6
    assert over_groups.ci95_high - over_groups.ci95_low > 2 * (over_samples.ci95_high - over_samples.ci95_low)
