"""The checks of answers that are no classes: no constant answer passes."""

import numpy as np

from kd_edge.cost.gate import Gate, at_least
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.regression import differing
from kd_edge.data.metrics.roc import auc_of, roc_counts
from kd_edge.verification.intervals.confidence import FEW_GROUPS
from kd_edge.verification.intervals.interval import Interval
from kd_edge.verification.task_metrics import anomaly_interval

_CHANCE = 0.5
_CONSTANTS = {
    "multilabel": "always giving each label its more frequent value",
    "regression": "always answering the median",
    "reconstruction": "always answering the mean sample",
}


def answer_gates(
    decisions: np.ndarray, data: Dataset, interval: Interval, *, scores: np.ndarray | None = None
) -> dict[str, Gate]:
    """Return the checks of a file's answers to a task without classes, by name.

    `better_than_constant`: the task's metric is not below that of the best constant answer (`Judged.constant`), with
    its whole interval. Of a reconstruction with anomalies among the test samples `better_than_chance` in its place: the
    area under the curve is not below 0.5. `distinct_answers`: it gives more than one answer, of measured values for
    each that differs among the test samples.

    Args:
        decisions: What the file answers, from `Task.decisions`.
        data: Its test samples.
        interval: Of the task's metric.
        scores: Of a reconstruction, what the file scores them; see `scores_as_read`.
    """
    chance = {} if scores is None else _against_chance(scores, data)
    found = chance or _against_constant(decisions, data, interval)
    return found | {"distinct_answers": at_least(_num_distinct(decisions, data), 2)}


def _num_distinct(decisions: np.ndarray, data: Dataset) -> int:
    """Return how many answers there are, of measured values of the one with the fewest."""
    if data.task.kind != "regression":
        return len(np.unique(decisions, axis=0))
    columns = decisions.reshape(len(decisions), -1)[:, differing(data.y_test)]
    return min((len(np.unique(column)) for column in columns.T), default=len(np.unique(decisions, axis=0)))


def more_samples(groups: np.ndarray | None) -> str:
    """Return what would make an interval narrower, in words."""
    if groups is None:
        return "more test samples"
    num_groups = len(np.unique(groups))
    few = f"{num_groups} groups say little of others: " if num_groups < FEW_GROUPS else ""
    return f"{few}test samples of more groups"


def _against_constant(decisions: np.ndarray, data: Dataset, interval: Interval) -> dict[str, Gate]:
    judged = Judged.of(data)
    reason = f"{_CONSTANTS[data.task.kind]} may be as good; {more_samples(judged.groups)}, or a better student"
    metric, ends = float(judged.credits(decisions).mean()), (interval.ci95_low, interval.ci95_high)
    return {"better_than_constant": at_least(metric, judged.constant, low=ends[0], high=ends[1], reason=reason)}


def _against_chance(scores: np.ndarray, data: Dataset) -> dict[str, Gate]:
    """Return the check of the area under the curve; none where there are no anomalies."""
    interval = anomaly_interval(scores, data)
    if interval is None:
        return {}
    counts = roc_counts(scores, (data.y_test > 0).astype(int))
    reason = f"chance may be as good; {more_samples(data.group_test)}, or a better student"
    ends = {"low": interval.ci95_low, "high": interval.ci95_high}
    return {"better_than_chance": at_least(float(auc_of(counts)), _CHANCE, **ends, reason=reason)}
