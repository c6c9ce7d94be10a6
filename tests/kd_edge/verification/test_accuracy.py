"""The checks of a file's answers: no constant answer passes, and what is not proven is said with the way out."""

import numpy as np
import pytest

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, verdict_of
from kd_edge.data.dataset import Dataset
from kd_edge.verification.accuracy import (
    Answers,
    accuracy_gates,
    accuracy_intervals,
    accuracy_of,
    classification,
)

# Heartbeats of four classes.
COUNTS = (2700, 120, 200, 60)
LABELS = np.repeat(np.arange(4), COUNTS)


def data(labels=LABELS, groups=None):
    x = np.zeros((len(labels), 1), "f4")
    return Dataset("beats", x, labels, x, labels, x, labels, ("N", "S", "V", "F"), group_test=groups)


def gates(named, *, labels=LABELS, groups=None, max_accuracy_loss=0.02, max_teacher_loss=None, **others):
    answers = Answers(int8_litert=named, **others)
    limits = {"max_accuracy_loss": max_accuracy_loss, "max_teacher_loss": max_teacher_loss}
    return accuracy_gates(answers, data(labels, groups), **limits)


def wrong(share, *, labels=LABELS, seed=0):
    """Answers of which a share, of every class alike, is the next class."""
    return np.where(np.random.default_rng(seed).random(len(labels)) < share, (labels + 1) % 4, labels)


def test_a_model_that_answers_one_class_never_passes_though_most_of_its_answers_are_right():
    for answer in range(4):
        found = gates(np.full(len(LABELS), answer))
        assert found["classes_named"].verdict == BROKEN
        assert found["better_than_majority"].verdict != HOLDS
    assert gates(np.zeros(len(LABELS), int))["better_than_majority"].measured == pytest.approx(2700 / 3080)


def test_a_constant_answer_does_not_pass_where_all_groups_are_alike_or_the_test_samples_are_of_one_class():
    labels, groups = np.tile([0, 0, 0, 1], 60), np.repeat([1, 2, 3], 80)
    for named in (np.zeros(240, int), np.full(240, 1)):
        found = gates(named, labels=labels, groups=groups)
        assert found["better_than_majority"].verdict != HOLDS
        assert verdict_of(found.values()) == BROKEN
    assert verdict_of(gates(np.zeros(50, int), labels=np.zeros(50, int)).values()) == BROKEN


def test_below_the_majoritys_share_is_broken_and_an_interval_around_it_proves_nothing():
    low, near, high = (gates(wrong(share))["better_than_majority"] for share in (0.2, 0.12, 0.05))
    assert [gate.verdict for gate in (low, near, high)] == [BROKEN, NOT_PROVEN, HOLDS]
    assert near.reason.startswith("always naming 'N' may be as good; more test samples, a better student")
    assert low.limit == pytest.approx(2700 / 3080)


def test_two_people_do_not_prove_what_as_many_samples_of_many_people_do():
    labels = np.tile(np.arange(4), 100)
    named = np.where(np.arange(400) < 40, (labels + 1) % 4, labels)  # all errors are the first person's
    people = {2: NOT_PROVEN, 100: HOLDS}
    for number, verdict in people.items():
        gate = gates(named, labels=labels, groups=np.arange(400) * number // 400)["better_than_majority"]
        assert gate.verdict == verdict
    two = gates(named, labels=labels, groups=np.arange(400) // 200)["better_than_majority"]
    assert "2 groups say little of others: test samples of more groups" in two.reason


def test_the_loss_by_int8_is_judged_by_its_paired_interval():
    float_keras = wrong(0.05)
    same, worse = gates(float_keras, float_keras=float_keras), gates(wrong(0.15), float_keras=float_keras)
    assert (same["accuracy_loss"].measured, same["accuracy_loss"].verdict) == (0, HOLDS)
    assert same["accuracy_loss"].high == pytest.approx(1.959964 / (3080 + 2))
    assert worse["accuracy_loss"].verdict == BROKEN
    # 3 of 100 lost: 3 points, between 0 and 7.
    labels = np.arange(100) % 4
    few = gates(np.where(np.arange(100) < 3, 3 - labels, labels), labels=labels, float_keras=labels)["accuracy_loss"]
    assert (few.measured, few.verdict) == (pytest.approx(0.03), NOT_PROVEN)
    assert few.low <= 0.01
    assert "more test samples, or a larger limit" in few.reason


def test_a_loss_against_the_teacher_has_a_check_where_there_is_a_teacher_and_a_limit_where_one_is_given():
    student, teacher = wrong(0.10), wrong(0.02, seed=1)
    assert "teacher_loss" not in gates(student)
    assert gates(student, teacher=teacher)["teacher_loss"].verdict is None
    loss = np.mean(teacher == LABELS) - np.mean(student == LABELS)
    for limit, verdict in ((0.05, BROKEN), (0.2, HOLDS)):
        gate = gates(student, teacher=teacher, max_teacher_loss=limit)["teacher_loss"]
        assert (gate.measured, gate.verdict) == (pytest.approx(loss), verdict)


def test_without_a_float_student_the_loss_by_int8_has_no_limit():
    gate = gates(wrong(0.05))["accuracy_loss"]
    assert (gate.measured, gate.limit, gate.verdict) == (None, None, None)


def test_every_accuracy_and_score_has_its_interval():
    groups = np.arange(len(LABELS)) % 20
    answers = Answers(int8_litert=wrong(0.1), float_keras=wrong(0.05))
    accuracy, intervals = accuracy_of(answers, data()), accuracy_intervals(answers, data(groups=groups))
    assert (accuracy.int8_tflm, accuracy.teacher, set(intervals)) == (None, None, {"int8_litert", "float_keras"})
    found, scores = classification(answers, data(groups=groups))
    assert found.classes[0].support == 2700
    for name, interval in (intervals | scores).items():
        share = getattr(accuracy, name, None) or getattr(found, name)
        assert interval.ci95_low < share < interval.ci95_high
        assert interval.num_groups == 20
