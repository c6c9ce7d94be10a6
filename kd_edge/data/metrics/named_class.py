"""Which class a network names, how often it is the right one, and how often of each class."""

import numpy as np


def named_classes(scores: np.ndarray) -> np.ndarray:
    """Return the class with the highest score of each sample, of equal ones the first, as the runtimes do.

    Args:
        scores: Logits or probabilities, float or quantized, shape `(samples, ..., classes)` with ones between.

    Returns:
        Classes from 0, shape `(samples,)`.
    """
    return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1))


def classified_right(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each sample whether its class has the highest score.

    Args:
        scores: As for `named_classes`.
        labels: Classes from 0, shape `(samples,)`.

    Returns:
        Booleans, shape `(samples,)`.
    """
    return np.asarray(named_classes(scores) == labels)


def share_right(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of the samples whose class has the highest score, 0 to 1.

    Args:
        scores: As for `classified_right`.
        labels: As for `classified_right`.
    """
    return float(classified_right(scores, labels).mean())


def confusion_matrix(named: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return how many samples of each true class (rows) were named as each class (columns).

    Args:
        named: Classes from 0, shape `(samples,)`; from `named_classes`.
        labels: The true ones.
        num_classes: How many there are.

    Returns:
        int64, shape `(classes, classes)`.
    """
    cells = np.bincount(labels * num_classes + named, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def score_of(confusion: np.ndarray, objective: str) -> np.ndarray:
    """Return what a confusion matrix says in one number, 0 to 1.

    Only classes with samples count. `accuracy` is the share of samples that are right; `balanced_accuracy` the mean of
    the classes' recalls (K. H. Brodersen and others, "The balanced accuracy and its posterior distribution", ICPR
    2010); `macro_f1` the mean of the classes' F1 (M. Sokolova and G. Lapalme, Information Processing & Management 45
    (2009), 427-437, and as in scikit-learn's `average="macro"`).

    Args:
        confusion: Counts, shape `(..., classes, classes)`: several matrices at once, for resamples.
        objective: `"accuracy"`, `"balanced_accuracy"` or `"macro_f1"`.

    Returns:
        Shape `(...)`.
    """
    counts = np.asarray(confusion, np.float64)
    support = counts.sum(axis=-1)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    if objective == "accuracy":
        return np.asarray(right.sum(axis=-1) / support.sum(axis=-1))
    # F1 is 2 TP / (2 TP + FP + FN), and TP + FN are the samples of the class, TP + FP those named so.
    whole = support if objective == "balanced_accuracy" else (support + counts.sum(axis=-2)) / 2
    shares = np.divide(right, whole, out=np.zeros_like(right), where=whole > 0)
    present = support > 0
    return np.asarray((shares * present).sum(axis=-1) / present.sum(axis=-1))
