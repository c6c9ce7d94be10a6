"""How sure the difference of two networks on the same samples is."""

import numpy as np
import pytest

from kd_edge.verification.intervals.difference import paired_difference


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


@pytest.mark.parametrize("gain", [0.25, -2.0])
def test_one_sample_proves_no_difference(gain):
    found = paired_difference(np.array([gain]), np.array([0.0]))
    assert found["ci95_low"] <= min(gain, 0)
    assert found["ci95_high"] > max(gain, 0)


@pytest.mark.parametrize("num_samples", [1, 6])
def test_few_worths_that_never_differ_prove_no_more_than_as_few_answers_that_are_right(num_samples):
    worth, right = np.full(num_samples, 0.9), np.ones(num_samples)
    assert paired_difference(worth, worth) == paired_difference(right, right)


def test_one_person_says_nothing_of_the_difference_for_others():
    right = np.arange(100) < 90
    found = paired_difference(right, ~right, groups=np.zeros(100, int))
    assert (found["ci95_low"], found["ci95_high"]) == (-1.0, 1.0)


@pytest.mark.parametrize("lost", [0, 1])
def test_labels_of_which_none_or_one_is_lost_are_judged_alike(lost):
    before = np.full(60, 0.9)
    after = before - 0.1 * (np.arange(60) < lost)
    found = paired_difference(before, after)
    assert 0 <= found["ci95_low"] <= found["ci95_high"] <= 0.02
