"""What the answers of a file are worth by a task's own metrics, where those are no classes."""

from collections.abc import Callable
from functools import partial

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.anomaly import MAX_FALSE_POSITIVE_RATE, AnomalyMetrics, anomalies_of
from kd_edge.data.metrics.multilabel import MultilabelMetrics, label_counts, macro_f1_of, multilabel_of
from kd_edge.data.metrics.regression import RegressionMetrics, in_units, regression_of
from kd_edge.data.metrics.roc import auc_of, partial_auc_of, roc_cells
from kd_edge.data.options import SEVERAL
from kd_edge.verification.intervals.confidence import accuracy_interval, cell_interval, mean_interval, sums_interval
from kd_edge.verification.intervals.interval import Interval

TaskMetrics = MultilabelMetrics | RegressionMetrics | AnomalyMetrics
# Levels of the score by which resamples of a curve are drawn.
_MAX_LEVELS = 500


def task_metrics(
    decisions: np.ndarray, data: Dataset, *, scores: np.ndarray | None = None, threshold: float | None = None
) -> TaskMetrics | None:
    """Return what a file's answers on the test samples are worth; `None` for a task whose answers are classes.

    Args:
        decisions: From `Task.decisions`.
        data: The test samples.
        scores: Of a reconstruction, what the file scores them; see `scores_as_read`.
        threshold: Of a reconstruction, the score above which a sample is an anomaly; see `threshold_of`.
    """
    task = data.task
    if task.kind == "multilabel":
        return multilabel_of(decisions, data.y_test, task.names)
    if task.kind == "regression":
        return regression_of(decisions, data.y_test, task)
    if task.kind == "reconstruction":
        assert scores is not None
        assert threshold is not None
        skill = float(Judged.of(data).credits(decisions).mean())
        return anomalies_of(scores, data.y_test, threshold=threshold, skill=skill)
    return None


def task_intervals(decisions: np.ndarray, data: Dataset, *, scores: np.ndarray | None = None) -> dict[str, Interval]:
    """Return the 95 % intervals of the task's own metrics, beside the one of its accuracy or skill.

    Of labels `macro_f1` and `exact_match`; of measured values `mae.NAME`, in the value's unit; of anomalies `auc` and
    `partial_auc`, where there are both kinds of samples.

    Args:
        decisions: From `Task.decisions`.
        data: The test samples.
        scores: As for `task_metrics`.
    """
    return _INTERVALS[data.task.kind](decisions if scores is None else scores, data)


def anomaly_interval(
    scores: np.ndarray, data: Dataset, area: Callable[[np.ndarray], np.ndarray] = auc_of
) -> Interval | None:
    """Return the 95 % interval of the area under the curve, `None` without anomalies or without normal samples.

    Args:
        scores: As for `task_metrics`.
        data: The test samples.
        area: Takes counts as `auc_of` does. Defaults to `auc_of`.
    """
    labels = (data.y_test > 0).astype(np.int64)
    if not 0 < labels.sum() < len(labels):
        return None
    cells, levels = roc_cells(scores, labels, max_levels=_MAX_LEVELS)
    return cell_interval(
        cells, 2 * levels, lambda counts: area(counts.reshape(*counts.shape[:-1], 2, levels)), data.group_test
    )


def _of_classes(decisions: np.ndarray, data: Dataset) -> dict[str, Interval]:
    return {}


def _of_labels(decisions: np.ndarray, data: Dataset) -> dict[str, Interval]:
    true, num_labels = data.y_test > 0, data.y_test.shape[1]
    rows = label_counts(decisions, true).reshape(len(true), -1)

    def macro_f1(sums: np.ndarray) -> np.ndarray:
        return macro_f1_of(sums.reshape(*sums.shape[:-1], 3, num_labels))

    exact = (decisions == true).all(axis=1)
    return {
        "macro_f1": sums_interval(rows, macro_f1, data.group_test),
        "exact_match": accuracy_interval(exact, data.group_test),
    }


def _of_values(decisions: np.ndarray, data: Dataset) -> dict[str, Interval]:
    errors = np.abs(in_units(decisions, data.task) - in_units(data.y_test, data.task))
    pairs = zip(data.task.names, errors.T, strict=True)
    return {f"mae.{name}": mean_interval(values, data.group_test) for name, values in pairs}


def _of_anomalies(scores: np.ndarray, data: Dataset) -> dict[str, Interval]:
    areas: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    areas |= {"auc": auc_of, "partial_auc": partial(partial_auc_of, max_false_positive_rate=MAX_FALSE_POSITIVE_RATE)}
    found = {name: anomaly_interval(scores, data, area) for name, area in areas.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


_INTERVALS: dict[str, Callable[[np.ndarray, Dataset], dict[str, Interval]]] = {
    "multiclass": _of_classes,
    "binary": _of_classes,
    "multilabel": _of_labels,
    "regression": _of_values,
    "reconstruction": _of_anomalies,
    SEVERAL: _of_classes,
}
