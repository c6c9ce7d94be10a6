"""How good a network is that names any of several labels, label by label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kd_edge.data.metrics.classification import ClassMetrics
from tflite_bench.provenance import Computed, Measured


@dataclass(frozen=True, slots=True)
class MultilabelMetrics:
    """How good the labels of some samples are.

    Attributes:
        label_accuracy: Share of all labels that are right.
        exact_match: Share of the samples whose labels are all right.
        macro_f1: Mean of the labels' F1, of those that some sample has.
        constant_share: Share of the labels that is right where each always has its more frequent value.
        labels: Each label.
    """

    label_accuracy: Measured[float]
    exact_match: Measured[float]
    macro_f1: Measured[float]
    constant_share: Computed[float]
    labels: tuple[ClassMetrics, ...]


def multilabel_of(named: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> MultilabelMetrics:
    """Return how good the labels are that a network named.

    Args:
        named: Whether each label was named, bool, shape `(samples, labels)`; from `Task.decisions`.
        targets: Whether it holds, of the same shape.
        names: One per label.
    """
    true = np.asarray(targets) > 0
    counts = label_counts(named, true).sum(axis=0)
    shares = true.mean(axis=0)
    return MultilabelMetrics(
        label_accuracy=float((named == true).mean()),
        exact_match=float((named == true).all(axis=1).mean()),
        macro_f1=float(macro_f1_of(counts)),
        constant_share=float(np.maximum(shares, 1 - shares).mean()),
        labels=tuple(_label(name, *map(int, counts[:, i])) for i, name in enumerate(names)),
    )


def label_counts(named: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return for each sample which labels are right, named and true: float64, shape `(samples, 3, labels)`."""
    return np.stack([named & true, named, true], axis=1).astype(np.float64)


def macro_f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the labels that some sample has, `2 TP / (named + true)` each; 0 where none has any.

    Args:
        counts: Sums of `label_counts`, shape `(..., 3, labels)`.

    Returns:
        Shape `(...)`.
    """
    right, named, true = (counts[..., i, :] for i in range(3))
    present = true > 0
    f1 = np.divide(2 * right, named + true, out=np.zeros_like(right), where=present)
    return np.asarray(f1.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def _label(name: str, right: int, named: int, support: int) -> ClassMetrics:
    return ClassMetrics(
        name,
        support,
        recall=right / support if support else None,
        precision=right / named if named else None,
        f1=2 * right / (support + named) if support else None,
    )
