"""The checks of answers that are no classes: no constant answer passes, and what is not proven is said."""

import numpy as np
import pytest

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, verdict_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.anomaly import anomaly_scores
from kd_edge.data.task import Task
from kd_edge.verification.accuracy import Answers, accuracy_gates, accuracy_intervals, accuracy_of, classification
from kd_edge.verification.task_metrics import task_intervals, task_metrics

LABELS = Task("multilabel", ("a", "b", "c", "d"))
WEIGHT = Task("regression", ("weight",), units=("g",))
SOUND = Task("reconstruction", ("normal", "anomaly"))
RNG = np.random.default_rng(0)
TRUE = RNG.random((300, 4)) < (0.2, 0.5, 0.7, 0.1)
VALUES = RNG.normal(size=(300, 1))
SOUNDS = RNG.normal(size=(300, 6))


def data(task, x, y, groups=None):
    return Dataset("some", x, y, x, y, x, y, (), task=task, group_test=groups)


def gates(said, of, *, max_teacher_loss=None, **others):
    scores = anomaly_scores(said, of.x_test) if of.task.kind == "reconstruction" else None
    answers = Answers(int8_litert=said, scores=scores, **others)
    return accuracy_gates(answers, of, max_accuracy_loss=0.05, max_teacher_loss=max_teacher_loss)


CASES = {
    "multilabel": (data(LABELS, np.zeros((300, 1)), TRUE.astype(int)), TRUE, TRUE.mean(axis=0)[None] > 0.5),
    "regression": (data(WEIGHT, np.zeros((300, 1)), VALUES), VALUES, np.median(VALUES, axis=0)[None]),
    "reconstruction": (data(SOUND, SOUNDS, np.zeros(300, int)), SOUNDS, SOUNDS.mean(axis=0)[None]),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_best_constant_answer_is_broken_and_the_true_one_holds(kind):
    of, true, constant = CASES[kind]
    right = gates(true, of)
    assert (right["better_than_constant"].verdict, right["distinct_answers"].verdict) == (HOLDS, HOLDS)
    assert right["better_than_constant"].measured == 1
    always = gates(np.repeat(constant, 300, axis=0), of)
    assert always["better_than_constant"].measured == pytest.approx(always["better_than_constant"].limit)
    assert (always["distinct_answers"].measured, always["distinct_answers"].verdict) == (1, BROKEN)
    assert verdict_of(always.values()) == BROKEN
    assert "classes_named" not in always
    assert classification(Answers(true), of) == (None, {})


def test_a_value_that_is_answered_the_same_always_is_broken_unless_it_is_the_same():
    both = Task("regression", ("weight", "height"))
    true = RNG.normal(size=(300, 2))
    said = np.stack([true[:, 0], np.zeros(300)], axis=1)
    found = gates(said, data(both, np.zeros((300, 1)), true))
    assert (found["better_than_constant"].verdict, found["distinct_answers"].verdict) == (HOLDS, BROKEN)
    constant = true * (1, 0)
    assert gates(said, data(both, np.zeros((300, 1)), constant))["distinct_answers"].verdict == HOLDS


def test_values_that_all_are_the_same_prove_nothing_of_a_constant_answer():
    of = data(WEIGHT, np.zeros((50, 1)), np.ones((50, 1)))
    assert verdict_of(gates(np.ones((50, 1)), of).values()) == BROKEN


def test_answers_hardly_better_than_the_median_are_not_proven_and_the_way_out_is_told():
    of, true, _ = CASES["regression"]
    noisy = true + RNG.normal(size=true.shape)
    gate = gates(noisy, of)["better_than_constant"]
    assert (gate.verdict, gate.limit) == (NOT_PROVEN, 0)
    assert gate.reason == "always answering the median may be as good; more test samples, or a better student"
    worse = gates(true + 3 * RNG.normal(size=true.shape), of)["better_than_constant"]
    assert (worse.verdict, worse.measured < -1) == (BROKEN, True)


def test_with_anomalies_among_the_test_samples_they_have_to_be_told_from_the_others():
    anomalous = np.arange(300) < 100
    of = data(SOUND, SOUNDS, anomalous.astype(int))
    noise = RNG.normal(size=SOUNDS.shape)
    found = gates(SOUNDS + noise * np.where(anomalous, 2.0, 0.5)[:, None], of)
    assert "better_than_constant" not in found
    assert (found["better_than_chance"].verdict, found["better_than_chance"].limit) == (HOLDS, 0.5)
    chance = gates(SOUNDS + noise, of)["better_than_chance"]
    assert (chance.verdict, chance.low < 0.5 < chance.high) == (NOT_PROVEN, True)
    wrong = gates(SOUNDS + noise * np.where(anomalous, 0.5, 2.0)[:, None], of)["better_than_chance"]
    assert wrong.verdict == BROKEN


def test_an_anomaly_that_is_reconstructed_well_costs_nothing_of_the_skill():
    anomalous = np.arange(300) < 100
    of = data(SOUND, SOUNDS, anomalous.astype(int))
    bad_there = np.where(anomalous[:, None], SOUNDS + 5, SOUNDS)
    assert accuracy_of(Answers(bad_there), of).int8_litert == 1
    assert accuracy_of(Answers(SOUNDS), of).metric == "skill"
    found = task_metrics(bad_there, of, scores=anomaly_scores(bad_there, of.x_test), threshold=1.0)
    assert (found.auc, found.recall, found.false_positive_rate, found.skill) == (1, 1, 0, 1)


def test_losses_are_those_of_the_tasks_metric():
    of, true, _ = CASES["regression"]
    answers = true + 0.1 * RNG.normal(size=true.shape)
    found = gates(answers, of, float_keras=true, teacher=true, max_teacher_loss=0.01)
    scale = np.abs(true - np.median(true)).mean()
    loss = np.abs(answers - true).mean() / scale
    assert found["teacher_loss"].measured == pytest.approx(loss)
    assert found["teacher_loss"].verdict == BROKEN
    assert gates(true, of, float_keras=true)["accuracy_loss"].verdict == HOLDS


def test_intervals_of_few_groups_are_wide_and_finite_also_of_one_group():
    of, true, _ = CASES["regression"]
    answers = true + 0.3 * RNG.normal(size=true.shape)
    widths = {}
    for number in (1, 2, 60):
        groups = np.arange(300) % number
        (interval,) = accuracy_intervals(Answers(answers), data(WEIGHT, of.x_test, true, groups)).values()
        widths[number] = interval.ci95_high - interval.ci95_low
        assert np.isfinite(widths[number])
        assert interval.num_groups == number
    assert widths[1] > widths[60]


def test_labels_that_all_are_right_leave_an_interval_below_1():
    of, true, _ = CASES["multilabel"]
    (interval,) = accuracy_intervals(Answers(true), of).values()
    # Wilson's lower end of n right ones of n is n / (n + z^2).
    assert (interval.ci95_low, interval.ci95_high) == pytest.approx((300 / (300 + 1.96**2), 1), abs=1e-5)


def test_every_score_of_labels_has_an_interval_that_holds_it():
    of, true, _ = CASES["multilabel"]
    said = true ^ (RNG.random(true.shape) < 0.1)
    found, intervals = task_metrics(said, of), task_intervals(said, of)
    for name, interval in intervals.items():
        assert interval.ci95_low < getattr(found, name) < interval.ci95_high
    grouped = task_intervals(said, data(LABELS, of.x_test, of.y_test, np.arange(300) // 30))
    assert {interval.num_groups for interval in grouped.values()} == {10}
