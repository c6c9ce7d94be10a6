"""What a file's answers on the test samples are worth: accuracies, their intervals, and the checks on them."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from kd_edge.cost.gate import Gate, at_least, at_most
from kd_edge.data.class_metrics import Classification, classification_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics import score_of
from kd_edge.verification.confidence import (
    FEW_GROUPS,
    Interval,
    accuracy_interval,
    paired_difference,
    score_interval,
)
from kd_edge.verification.results import Accuracy

_SCORES = ("balanced_accuracy", "macro_f1")


@dataclass(frozen=True, eq=False)
class Answers:
    """The class that each network names for each test sample; `None` where it was not run.

    Attributes:
        int8_litert: The file in LiteRT.
        int8_tflm: The file in TFLM.
        float_keras: The float student in Keras.
        float_tflite: The float student as a `.tflite` file in LiteRT.
        teacher: The teacher in Keras.
    """

    int8_litert: np.ndarray
    int8_tflm: np.ndarray | None = None
    float_keras: np.ndarray | None = None
    float_tflite: np.ndarray | None = None
    teacher: np.ndarray | None = None


def accuracy_of(answers: Answers, data: Dataset) -> Accuracy:
    """Return the share of the test samples that each network classifies right."""
    shares = {name: None if right is None else float(right.mean()) for name, right in _right(answers, data)}
    return Accuracy(
        float_keras=shares["float_keras"],
        float_tflite=shares["float_tflite"],
        int8_litert=shares["int8_litert"] or 0.0,
        int8_tflm=shares["int8_tflm"],
        teacher=shares["teacher"],
    )


def accuracy_intervals(answers: Answers, data: Dataset) -> dict[str, Interval]:
    """Return the interval of each accuracy that is known; see `accuracy_interval`."""
    known = ((name, right) for name, right in _right(answers, data) if right is not None)
    return {name: accuracy_interval(right, data.group_test) for name, right in known}


def classification(answers: Answers, data: Dataset) -> tuple[Classification, dict[str, Interval]]:
    """Return how good the file is class by class, and the intervals of its balanced accuracy and its macro-F1."""
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

    `better_than_majority`: its accuracy is not below what naming the largest class always would give, with its whole
    interval. `classes_named`: it names more than one class. `accuracy_loss`: what int8 has taken from the float
    student; the samples are drawn one by one even where they have groups, since both are the same network.
    `teacher_loss`: what the file lacks of the teacher, where one was given. A loss against no float student has no
    limit.

    Args:
        answers: Of the file and, where they are known, of the float student and the teacher.
        data: Its test samples.
        max_accuracy_loss: Largest loss against the float student.
        max_teacher_loss: Largest loss against the teacher; `None` for no limit.
    """
    found, groups = classification_of(answers.int8_litert, data.y_test, data.class_names), data.group_test
    right = answers.int8_litert == data.y_test
    interval = accuracy_interval(right, groups)
    more = _more_samples(groups)
    by_teacher = _loss(answers.teacher, right, data, max_teacher_loss, groups=groups, more=more)
    return {
        "better_than_majority": at_least(
            float(right.mean()),
            found.majority_share,
            low=interval.ci95_low,
            high=interval.ci95_high,
            reason=f"always naming {found.majority_class!r} may be as good; {more}, a better student, or "
            'class_weight = "balanced" in [data]',
        ),
        "classes_named": at_least(found.num_named, 2),
        "accuracy_loss": _loss(answers.float_keras, right, data, max_accuracy_loss, more="more test samples"),
        **({} if answers.teacher is None else {"teacher_loss": by_teacher}),
    }


def _right(answers: Answers, data: Dataset) -> list[tuple[str, np.ndarray | None]]:
    return [(name, None if named is None else named == data.y_test) for name, named in vars(answers).items()]


def _more_samples(groups: np.ndarray | None) -> str:
    if groups is None:
        return "more test samples"
    num_groups = len(np.unique(groups))
    few = f"{num_groups} groups say little of others: " if num_groups < FEW_GROUPS else ""
    return f"{few}test samples of more groups"


def _loss(
    other: np.ndarray | None,
    right: np.ndarray,
    data: Dataset,
    limit: float | None,
    *,
    more: str,
    groups: np.ndarray | None = None,
) -> Gate:
    if other is None:
        return at_most(None, None)
    loss = paired_difference(other == data.y_test, right, groups=groups)
    return at_most(
        loss["difference"],
        limit,
        low=loss["ci95_low"],
        high=loss["ci95_high"],
        reason=f"the interval of the loss reaches beyond the limit; {more}, or a larger limit",
    )
