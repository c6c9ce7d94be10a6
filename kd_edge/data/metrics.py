"""Which class a network names, and how often it is the right one."""

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
