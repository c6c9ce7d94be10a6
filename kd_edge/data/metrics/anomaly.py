"""How well a network that reconstructs normal samples tells anomalies from them."""

from dataclasses import dataclass

import numpy as np

from kd_edge.data.metrics.roc import auc_of, partial_auc_of, roc_counts, roc_points
from tflite_bench.provenance import Computed, Given, Measured

# As in DCASE 2020, task 2, and MLPerf Tiny.
MAX_FALSE_POSITIVE_RATE = 0.1
# The share of training scores that the baselines of DCASE 2021 to 2023, task 2, set their threshold at.
THRESHOLD_PERCENTILE = 90.0
_NUM_POINTS = 100


@dataclass(frozen=True, slots=True)
class AnomalyMetrics:
    """How well anomalies are told from normal samples; what needs both is `None` where there is one kind.

    Attributes:
        skill: Of the reconstruction of the normal samples, see `Task.credits`: 1 is the best, 0 as good as their mean.
        num_normal: Normal test samples.
        num_anomalies: Anomalies among the test samples.
        auc: Area under the receiver operating characteristic; 0.5 is chance.
        partial_auc: The same up to `max_false_positive_rate`, standardised; see `partial_auc_of`.
        max_false_positive_rate: Where that ends.
        threshold: Score above which a sample is called an anomaly; see `threshold_of`.
        threshold_percentile: The percentile of the training samples' scores that it is.
        recall: Share of the anomalies that score above it.
        false_positive_rate: Share of the normal samples that do; `None` without any.
        roc: Points of the curve, false positive rate and recall, for a plot.
    """

    skill: Measured[float]
    num_normal: Measured[int]
    num_anomalies: Measured[int]
    auc: Measured[float | None]
    partial_auc: Measured[float | None]
    max_false_positive_rate: Given[float]
    threshold: Computed[float]
    threshold_percentile: Given[float]
    recall: Measured[float | None]
    false_positive_rate: Measured[float | None]
    roc: Measured[tuple[tuple[float, float], ...]] = ()


def anomaly_scores(outputs: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return how badly each sample is reconstructed: the mean square error, as in MLPerf Tiny.

    Args:
        outputs: The reconstructions, shape `(samples, ...)`.
        samples: What was reconstructed.

    Returns:
        Shape `(samples,)`, float64.
    """
    rows, wanted = (np.asarray(array, np.float64).reshape(len(array), -1) for array in (outputs, samples))
    return np.asarray(np.square(rows - wanted).mean(axis=1))


def threshold_of(training_scores: np.ndarray) -> float:
    """Return the score above which a sample is called an anomaly: the 90th percentile of the training samples' scores.

    A tenth of samples like those would be a false alarm. The baselines of DCASE 2021 to 2023, task 2, take that
    percentile of a gamma distribution fitted to the training scores (Y. Kawaguchi et al., "Description and discussion
    on DCASE 2021 challenge task 2", DCASE Workshop 2021); here it is that of the scores themselves.

    Args:
        training_scores: From `anomaly_scores`, of training samples, which are normal.
    """
    return float(np.percentile(training_scores, THRESHOLD_PERCENTILE))


def anomalies_of(scores: np.ndarray, labels: np.ndarray, *, threshold: float, skill: float) -> AnomalyMetrics:
    """Return how well scores tell anomalies from normal samples.

    Args:
        scores: From `anomaly_scores`, shape `(samples,)`.
        labels: 1 for anomalies, else 0.
        threshold: From `threshold_of`.
        skill: Of the reconstruction of the normal samples.
    """
    anomalous = np.asarray(labels) > 0
    num_anomalies = int(anomalous.sum())
    num_normal, said = len(scores) - num_anomalies, scores > threshold
    both = num_normal > 0 and num_anomalies > 0
    counts = roc_counts(scores, anomalous.astype(int)) if both else None
    return AnomalyMetrics(
        skill=skill,
        num_normal=num_normal,
        num_anomalies=num_anomalies,
        auc=None if counts is None else float(auc_of(counts)),
        partial_auc=None if counts is None else float(partial_auc_of(counts, MAX_FALSE_POSITIVE_RATE)),
        max_false_positive_rate=MAX_FALSE_POSITIVE_RATE,
        threshold=threshold,
        threshold_percentile=THRESHOLD_PERCENTILE,
        recall=float(said[anomalous].mean()) if num_anomalies else None,
        false_positive_rate=float(said[~anomalous].mean()) if num_normal else None,
        roc=() if counts is None else _thinned(counts),
    )


def _thinned(counts: np.ndarray) -> tuple[tuple[float, float], ...]:
    false_alarms, recalls = roc_points(counts)
    shown = np.linspace(0, len(recalls) - 1, min(len(recalls), _NUM_POINTS)).astype(int)
    return tuple((round(float(false_alarms[i]), 4), round(float(recalls[i]), 4)) for i in shown)
