"""How far a network's measured values are from the true ones, each in its own unit."""

from dataclasses import dataclass

import numpy as np

from kd_edge.data.task import Task
from tflite_bench.provenance import Computed, Measured

# Samples that a plot shows.
_NUM_POINTS = 100


@dataclass(frozen=True, slots=True)
class ValueMetrics:
    """How far one measured value is from the true one, in its unit.

    Attributes:
        name: Of the value.
        unit: Empty where it is not known.
        mae: Mean absolute error.
        rmse: Root of the mean square error.
        r2: `1 - sum of squared errors / sum of squares about the mean`; `None` where all true values are the same.
        constant_mae: Mean absolute error of always answering the median of the true values.
        points: True value and answer of some samples, for a plot.
    """

    name: str
    unit: str
    mae: Measured[float]
    rmse: Measured[float]
    r2: Measured[float | None]
    constant_mae: Computed[float]
    points: Measured[tuple[tuple[float, float], ...]]


@dataclass(frozen=True, slots=True)
class RegressionMetrics:
    """How far the measured values of some samples are from the true ones.

    Attributes:
        skill: See `Task.credits`: 1 is the best, 0 as good as the median.
        values: Each value.
    """

    skill: Measured[float]
    values: tuple[ValueMetrics, ...]


def regression_of(decisions: np.ndarray, targets: np.ndarray, task: Task) -> RegressionMetrics:
    """Return how far a network's answers are from the true values.

    Args:
        decisions: What the network answered, shape `(samples, values)`; from `Task.decisions`.
        targets: What it should have answered, of the same shape.
        task: Names and units, and what brings the answers back to them.
    """
    answers, true = in_units(decisions, task), in_units(targets, task)
    return RegressionMetrics(
        skill=float(task.credits(decisions, targets).mean()),
        values=tuple(_value(name, _unit(task, i), answers[:, i], true[:, i]) for i, name in enumerate(task.names)),
    )


def in_units(values: np.ndarray, task: Task) -> np.ndarray:
    """Return values as the network answers them in their units: `value * deviation + mean`, float64."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    return rows * np.asarray(task.deviation) + np.asarray(task.mean) if task.mean else rows


def from_units(values: np.ndarray, task: Task) -> np.ndarray:
    """Return values in their units as the network answers them, float64: the inverse of `in_units`."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    return (rows - np.asarray(task.mean)) / np.asarray(task.deviation) if task.mean else rows


def differing(targets: np.ndarray) -> np.ndarray:
    """Return which measured values are not the same for all samples: a mask of shape `(values,)`.

    Args:
        targets: Shape `(samples, values)`, or `(samples,)` of one value.
    """
    rows = targets.reshape(len(targets), -1)
    return np.asarray((rows != rows[:1]).any(axis=0))


def _unit(task: Task, number: int) -> str:
    return task.units[number] if task.units else ""


def _value(name: str, unit: str, answers: np.ndarray, true: np.ndarray) -> ValueMetrics:
    errors, spread = answers - true, np.square(true - true.mean()).sum()
    shown = np.linspace(0, len(true) - 1, min(len(true), _NUM_POINTS)).astype(int)
    return ValueMetrics(
        name,
        unit,
        mae=float(np.abs(errors).mean()),
        rmse=float(np.sqrt(np.square(errors).mean())),
        r2=float(1 - np.square(errors).sum() / spread) if spread else None,
        constant_mae=float(np.abs(true - np.median(true)).mean()),
        points=tuple((float(f"{true[i]:.6g}"), float(f"{answers[i]:.6g}")) for i in shown),
    )
