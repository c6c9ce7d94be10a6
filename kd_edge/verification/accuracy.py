"""What a file's answers on the test samples are worth: the task's metric, its intervals, and the checks on them."""

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from kd_edge.cost.gate import Gate, at_least, at_most
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.classification import Classification, classification_of
from kd_edge.data.metrics.named_class import score_of
from kd_edge.verification.answer_gates import answer_gates, more_samples
from kd_edge.verification.intervals.confidence import (
    accuracy_interval,
    score_interval,
    share_interval,
    skill_interval,
)
from kd_edge.verification.intervals.difference import paired_difference
from kd_edge.verification.intervals.interval import Interval
from kd_edge.verification.results import Accuracy, OutputResult
from kd_edge.verification.task_metrics import task_intervals, task_metrics

_SCORES = ("balanced_accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class Answers:
    """What each network answers for each test sample, as `Task.decisions` reads it; `None` where it was not run.

    Attributes:
        int8_litert: The file in LiteRT.
        int8_tflm: The file in TFLM.
        float_keras: The float student in Keras.
        float_tflite: The float student as a `.tflite` file in LiteRT.
        teacher: The teacher in Keras.
        scores: Of a reconstruction, what the file scores each test sample; see `scores_as_read`.
    """

    int8_litert: np.ndarray
    int8_tflm: np.ndarray | None = None
    float_keras: np.ndarray | None = None
    float_tflite: np.ndarray | None = None
    teacher: np.ndarray | None = None
    scores: np.ndarray | None = None

    def of(self, output: str) -> "Answers":
        """Return what each answers at one of several outputs."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        columns: dict[str, Any] = {name: None if said is None else said[output] for name, said in known.items()}
        return replace(self, **columns)


def outputs_of(answers: Answers, data: Dataset) -> dict[str, OutputResult]:
    """Return what each of several outputs is worth, by its name; nothing for one output."""
    found = {}
    for name, part in data.by_output.items():
        own = answers.of(name)
        classes, scores_ci95 = classification(own, part)
        found[name] = OutputResult(
            task=part.task.kind,
            accuracy=accuracy_of(own, part),
            accuracy_ci95=accuracy_intervals(own, part),
            classification=classes,
            classification_ci95=scores_ci95,
            task_metrics=task_metrics(own.int8_litert, part),
            task_metrics_ci95=task_intervals(own.int8_litert, part),
        )
    return found


def accuracy_of(answers: Answers, data: Dataset) -> Accuracy:
    """Return the task's metric of each network on the test samples."""
    means = {name: None if worth is None else float(worth.mean()) for name, worth in _credits(answers, data)}
    return Accuracy(
        float_keras=means["float_keras"],
        float_tflite=means["float_tflite"],
        int8_litert=means["int8_litert"] or 0.0,
        int8_tflm=means["int8_tflm"],
        teacher=means["teacher"],
        metric=data.task.metric,
    )


def accuracy_intervals(answers: Answers, data: Dataset) -> dict[str, Interval]:
    """Return the interval of each network's metric that is known; of `accuracy_interval` and its siblings."""
    known = ((name, worth) for name, worth in _credits(answers, data) if worth is not None)
    return {name: _interval(worth, Judged.of(data)) for name, worth in known}


def classification(answers: Answers, data: Dataset) -> tuple[Classification | None, dict[str, Interval]]:
    """Return how good the file is class by class, and the intervals of its balanced accuracy and its macro-F1.

    `None` and no intervals for a task without classes.
    """
    if not data.task.classifies:
        return None, {}
    named, labels = answers.int8_litert, data.y_test
    intervals = {
        name: score_interval(named, labels, data.num_classes, partial(score_of, objective=name), data.group_test)
        for name in _SCORES
    }
    return classification_of(named, labels, data.class_names), intervals


def accuracy_gates(
    answers: Answers, data: Dataset, *, max_accuracy_loss: float, max_teacher_loss: float | None
) -> dict[str, Gate]:
    """Return the checks of the file's answers, by name.

    Of classes `better_than_majority`: its accuracy is not below what naming the largest class always would give, with
    its whole interval; and `classes_named`: it names more than one class. Of other tasks those of `answer_gates`.
    `accuracy_loss`: what int8 has taken from the float student; the samples count one by one even where they have
    groups, since both are the same network. `teacher_loss`: what the file lacks of the teacher, where one was given. A
    loss against no float student has no limit. Of several outputs these of each, named as in `accuracy_loss.speed`.

    Args:
        answers: Of the file and, where they are known, of the float student and the teacher.
        data: Its test samples.
        max_accuracy_loss: Largest loss against the float student.
        max_teacher_loss: Largest loss against the teacher; `None` for no limit.
    """
    if data.task.parts:
        limits: dict[str, Any] = {"max_accuracy_loss": max_accuracy_loss, "max_teacher_loss": max_teacher_loss}
        found = {name: accuracy_gates(answers.of(name), part, **limits) for name, part in data.by_output.items()}
        return {f"{gate}.{name}": check for name, gates in found.items() for gate, check in gates.items()}
    judged = Judged.of(data)
    worth, groups = judged.credits(answers.int8_litert), judged.groups
    more = more_samples(groups)
    by_teacher = _loss(answers.teacher, worth, judged, max_teacher_loss, groups=groups, more=more)
    constant = _class_gates if data.task.classifies else partial(answer_gates, scores=answers.scores)
    return {
        **constant(answers.int8_litert, data, _interval(worth, judged)),
        "accuracy_loss": _loss(answers.float_keras, worth, judged, max_accuracy_loss, more="more test samples"),
        **({} if answers.teacher is None else {"teacher_loss": by_teacher}),
    }


def _class_gates(named: np.ndarray, data: Dataset, interval: Interval) -> dict[str, Gate]:
    found = classification_of(named, data.y_test, data.class_names)
    return {
        "better_than_majority": at_least(
            float((named == data.y_test).mean()),
            found.majority_share,
            low=interval.ci95_low,
            high=interval.ci95_high,
            reason=f"always naming {found.majority_class!r} may be as good; {more_samples(data.group_test)}, a better "
            'student, or class_weight = "balanced" in [data]',
        ),
        "classes_named": at_least(found.num_named, 2),
    }


def _credits(answers: Answers, data: Dataset) -> list[tuple[str, np.ndarray | None]]:
    judged, networks = Judged.of(data), [(name, said) for name, said in vars(answers).items() if name != "scores"]
    return [(name, None if said is None else judged.credits(said)) for name, said in networks]


def _interval(worth: np.ndarray, judged: Judged) -> Interval:
    task = judged.task
    interval = accuracy_interval if task.classifies else skill_interval if task.answers_values else share_interval
    return interval(worth, judged.groups)


def _loss(
    other: np.ndarray | None,
    worth: np.ndarray,
    judged: Judged,
    limit: float | None,
    *,
    more: str,
    groups: np.ndarray | None = None,
) -> Gate:
    if other is None:
        return at_most(None, None)
    loss = paired_difference(judged.credits(other), worth, groups=groups)
    return at_most(
        loss["difference"],
        limit,
        low=loss["ci95_low"],
        high=loss["ci95_high"],
        reason=f"the interval of the loss reaches beyond the limit; {more}, or a larger limit",
    )
