"""What answers are measured by, in words: an older version knew the accuracy alone."""

from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]

_METRICS = ("accuracy", "label_accuracy", "skill", "score")


def metric_of(result: Result) -> str:
    """Return what a result with a field `metric` holds as its accuracies; see `Task.metric`."""
    return str(result.get("metric", "accuracy"))


def metric_word(metric: str) -> str:
    """Return a metric in words."""
    return metric.replace("_", " ")


def points_word(metric: str) -> str:
    """Return what a hundredth of a metric is called, in the plural."""
    return f"points of {metric}" if metric in ("skill", "score") else "points"


def searched_metric(design: Result) -> tuple[str, str | None]:
    """Return what the accuracies of a search's candidates are, and what else ranked them, `None` where that did."""
    objective = str(design.get("objective", "accuracy"))
    return (objective, None) if objective in _METRICS else ("accuracy", objective)
