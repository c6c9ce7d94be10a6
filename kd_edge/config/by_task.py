"""What the task decides where a configuration leaves it open."""

from typing import TYPE_CHECKING

from kd_edge.config.choices import LEARNING_RATE, OBJECTIVES, VALUES_LEARNING_RATE
from kd_edge.errors import ConfigError, nearest

if TYPE_CHECKING:
    from kd_edge.data.task import Task


def learning_rate_for(task: "Task") -> float:
    """Return the learning rate of students where none is given: a lower one where they answer with values."""
    return VALUES_LEARNING_RATE if task.answers_values else LEARNING_RATE


def objective_for(objective: str | None, task: "Task") -> str:
    """Return what networks are ranked by on validation samples: as asked for, or the task's metric.

    Args:
        objective: One of `OBJECTIVES`; of one class each, the accuracy or what `score_of` makes of a confusion matrix;
            of other tasks their metric. `None` is the metric.
        task: What is asked of the networks.

    Raises:
        ConfigError: It is unknown, or of another task.
    """
    if objective is None:
        return task.metric
    known = OBJECTIVES[:3] if task.classifies else (task.metric,)
    if objective not in OBJECTIVES:
        raise ConfigError(f"unknown objective {objective!r}: {nearest(objective, known)}")
    if objective not in known:
        raise ConfigError(
            f"bad objective {objective!r}: expected {' or '.join(known)} of the task {task.kind!r}, received "
            f"{objective!r}; leave it out"
        )
    return objective
