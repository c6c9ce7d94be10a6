"""Intervals of shares and of their differences, over samples and over groups of them."""

from functools import partial

import numpy as np
import pytest

from kd_edge.data.metrics.named_class import score_of
from kd_edge.verification.confidence import (
    accuracy_interval,
    paired_difference,
    score_interval,
    student_t95,
    wilson_interval,
)


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
    difference = paired_difference(right, ~right, groups=groups)
    assert (difference["ci95_low"], difference["ci95_high"]) == (-1.0, 1.0)


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


def test_a_gain_of_one_person_alone_is_no_proven_gain():
    groups = np.repeat(np.arange(4), 50)
    other = np.zeros(200, bool)
    right = (groups == 0) & (np.arange(200) % 2 == 0)
    by_sample, by_group = paired_difference(right, other), paired_difference(right, other, groups=groups)
    assert by_sample["ci95_low"] > 0 > by_group["ci95_low"]
    assert by_group["difference"] == by_sample["difference"] == 0.125


@pytest.mark.parametrize("size", [10, 100])
def test_answers_that_never_differ_prove_only_what_so_few_samples_can(size):
    right = np.arange(size) % 2 == 0
    found = paired_difference(right, right)
    # Two more samples that differ by a half each way: variance 1 / (n + 2) of each of n + 2.
    half = 1.959964 / (size + 2)
    assert found["difference"] == 0.0
    assert (found["ci95_low"], found["ci95_high"]) == (pytest.approx(-half), pytest.approx(half))


def test_answers_that_always_differ_are_certain_but_for_what_so_few_samples_leave_open():
    found = paired_difference(np.ones(40, bool), np.zeros(40, bool))
    assert (found["difference"], found["ci95_high"]) == (1.0, 1.0)
    # 40 of 42 gain, of square 41 / 42: deviation sqrt(41 / 42 - (40 / 42)**2) = 0.263.
    assert found["ci95_low"] == pytest.approx(40 / 42 - 1.959964 * 0.2628 / 42**0.5, abs=1e-3)


@pytest.mark.parametrize("changed", [0.002, 0.02, 0.1])
def test_intervals_of_a_loss_cover_the_true_one_as_often_as_they_say(changed):
    rng, covered, loss = np.random.default_rng(0), 0, changed / 2
    for _ in range(1000):
        fate = rng.random(200)
        before, after = fate < 0.75 + changed / 4, (fate > changed * 0.75) & (fate < 0.75 + changed / 2)
        found = paired_difference(before, after)
        covered += found["ci95_low"] <= loss <= found["ci95_high"]
    # Of 1,000 at 95 %, 950 expected, standard deviation 6.9.
    assert covered >= 925


def test_a_difference_over_groups_is_no_surer_than_over_as_many_samples_of_no_group():
    right, groups = np.arange(100) % 2 == 0, np.arange(100) // 20
    by_group, by_sample = paired_difference(right, right, groups=groups), paired_difference(right, right)
    assert by_group == by_sample


def test_shares_and_skills_have_the_percentiles_of_drawn_samples():
    rng = np.random.default_rng(0)
    worth = rng.normal(0.8, 0.1, 400)
    found = paired_difference(worth + rng.normal(0.01, 0.05, 400), worth)
    deviation = 0.05 / 400**0.5
    assert found["ci95_high"] - found["ci95_low"] == pytest.approx(2 * 1.96 * deviation, rel=0.15)


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


def test_a_score_over_groups_has_a_wider_interval_than_over_samples_where_groups_differ():
    right, groups = people([0.5, 0.7, 0.9, 1.0, 0.6, 0.8])
    labels = np.arange(len(right)) % 2
    named = np.where(right, labels, 1 - labels)
    score = partial(score_of, objective="balanced_accuracy")
    over_samples, over_groups = (score_interval(named, labels, 2, score, g) for g in (None, groups))
    assert over_groups.num_groups == 6
    assert over_groups.ci95_high - over_groups.ci95_low > 2 * (over_samples.ci95_high - over_samples.ci95_low)
