"""How good a classifier is, class by class: a model that only ever names the largest class looks good without it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kd_edge.data.metrics.named_class import confusion_matrix, score_of
from tflite_bench.provenance import Computed, Measured


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How often one class is named rightly.

    Attributes:
        name: Of the class.
        support: Samples of the class.
        recall: Share of them that were named so; `None` without samples.
        precision: Share of the samples named so that are of the class; `None` where none was.
        f1: Harmonic mean of the two, `2 TP / (2 TP + FP + FN)`; `None` without samples.
    """

    name: str
    support: Measured[int]
    recall: Measured[float | None]
    precision: Measured[float | None]
    f1: Measured[float | None]


@dataclass(frozen=True, slots=True)
class Classification:
    """How good a classifier is on some samples.

    Attributes:
        balanced_accuracy: Mean of the recalls of the classes that have samples; see `score_of`.
        macro_f1: Mean of their F1.
        majority_class: The class with most samples, of equal ones the first.
        majority_share: Its share of the samples, which a model that always names it gets right.
        num_named: How many classes the model names at all.
        classes: Each class.
        confusion: Samples per true class (rows) and class named (columns).
    """

    balanced_accuracy: Measured[float]
    macro_f1: Measured[float]
    majority_class: str
    majority_share: Computed[float]
    num_named: Measured[int]
    classes: tuple[ClassMetrics, ...]
    confusion: Measured[tuple[tuple[int, ...], ...]]


def classification_of(named: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Classification:
    """Return how good the classes are that a model named.

    Args:
        named: Classes from 0, shape `(samples,)`; from `named_classes`.
        labels: The true ones.
        class_names: One name per class.

    Returns:
        Shares from 0 to 1; of a class without samples, or that is never named, `None` where there is none.
    """
    table = confusion_matrix(named, labels, len(class_names))
    support, answers = table.sum(axis=1), table.sum(axis=0)
    classes = tuple(
        _class_metrics(name, int(table[i, i]), int(support[i]), int(answers[i])) for i, name in enumerate(class_names)
    )
    largest = int(support.argmax())
    return Classification(
        balanced_accuracy=float(score_of(table, "balanced_accuracy")),
        macro_f1=float(score_of(table, "macro_f1")),
        majority_class=class_names[largest],
        majority_share=float(support[largest] / support.sum()),
        num_named=int((answers > 0).sum()),
        classes=classes,
        confusion=tuple(map(tuple, table.tolist())),
    )


def _class_metrics(name: str, right: int, support: int, answers: int) -> ClassMetrics:
    return ClassMetrics(
        name,
        support,
        recall=right / support if support else None,
        precision=right / answers if answers else None,
        f1=2 * right / (support + answers) if support else None,
    )
