"""The receiver operating characteristic: anomalies found against false alarms, at every threshold of a score."""

import numpy as np


def roc_cells(scores: np.ndarray, labels: np.ndarray, *, max_levels: int | None = None) -> tuple[np.ndarray, int]:
    """Return the cell of each sample in a table of labels and levels of the score.

    Args:
        scores: Larger for what is rather an anomaly, shape `(samples,)`.
        labels: 1 for anomalies, else 0.
        max_levels: Scores are brought together into so many quantiles at most. Defaults to `None`: each is a level.

    Returns:
        `label * levels + level`, shape `(samples,)`, and the number of levels.
    """
    levels = np.unique(scores, return_inverse=True)[1].reshape(-1)
    num_levels = int(levels.max()) + 1
    if max_levels is not None and num_levels > max_levels:
        levels, num_levels = levels * max_levels // num_levels, max_levels
    return np.asarray(labels) * num_levels + levels, num_levels


def roc_counts(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many normal samples (row 0) and anomalies (row 1) have each score, from the lowest: `(2, levels)`."""
    cells, num_levels = roc_cells(scores, labels)
    return np.bincount(cells, minlength=2 * num_levels).reshape(2, num_levels)


def roc_points(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false positive rates and recalls at every threshold, from (0, 0) to (1, 1).

    Args:
        counts: From `roc_counts`, shape `(..., 2, levels)`; a resample of it without a normal sample, or without an
            anomaly, has no such rates: NaN.

    Returns:
        Two arrays of shape `(..., levels + 1)`.
    """
    from_above = np.cumsum(np.asarray(counts, np.float64)[..., ::-1], axis=-1)
    totals = from_above[..., -1:]
    rates = np.divide(from_above, totals, out=np.full_like(from_above, np.nan), where=totals > 0)
    rates = np.concatenate([np.zeros((*rates.shape[:-1], 1)), rates], axis=-1)
    return rates[..., 0, :], rates[..., 1, :]


def auc_of(counts: np.ndarray) -> np.ndarray:
    """Return the area under the curve: how often an anomaly scores above a normal sample, a tie being half of one.

    Args:
        counts: See `roc_points`.

    Returns:
        Shape `(...)`; NaN where there are no rates.
    """
    false_alarms, recalls = roc_points(counts)
    return np.asarray((np.diff(false_alarms) * (recalls[..., 1:] + recalls[..., :-1]) / 2).sum(axis=-1))


def partial_auc_of(counts: np.ndarray, max_false_positive_rate: float) -> np.ndarray:
    """Return the area up to a false positive rate, standardised: 1 is the best, 0.5 what chance gives.

    `(1 + (A - m) / (M - m)) / 2` with the area `A`, the largest possible one `M` and that of chance `m`. Source: D. K.
    McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9 (1989), 190-195; it is what
    scikit-learn's `roc_auc_score(max_fpr=...)` returns.

    Args:
        counts: See `roc_points`.
        max_false_positive_rate: Above 0, up to 1.

    Returns:
        Shape `(...)`.
    """
    false_alarms, recalls = roc_points(counts)
    ends = np.minimum(false_alarms, max_false_positive_rate)
    widths, whole = np.diff(ends), np.diff(false_alarms)
    steps = np.diff(recalls) * np.divide(widths, whole, out=np.ones_like(whole), where=whole > 0)
    area = (widths * (recalls[..., :-1] + steps / 2)).sum(axis=-1)
    largest, chance = max_false_positive_rate, max_false_positive_rate**2 / 2
    return np.asarray((1 + (area - chance) / (largest - chance)) / 2)
