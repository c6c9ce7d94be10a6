"""What a network is asked for, and what its answers are worth."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kd_edge.data.options import TASKS
from kd_edge.errors import ConfigError
from tflite_bench.provenance import Computed, Given

# Tasks whose answers are classes: each sample is right or wrong.
CLASSIFICATION = ("multiclass", "binary")
_METRICS = {"multilabel": "label_accuracy", "regression": "skill", "reconstruction": "skill"}


@dataclass(frozen=True, slots=True)
class Task:
    """What a network is asked for.

    `"multiclass"`: one of several classes, a logit each. `"binary"`: one of two classes, one logit, which is that of
    the second. `"multilabel"`: any of several labels, a logit each. `"regression"`: measured values.
    `"reconstruction"`: the sample itself; what a network reconstructs badly is an anomaly.

    Attributes:
        kind: One of `TASKS`.
        names: Of the classes, of a binary task the negative one first; of the labels; of the measured values; of a
            reconstruction `("normal", "anomaly")`.
        units: Of the measured values, as text; empty where they are not known.
        mean: Of the measured values, subtracted from them: the network answers `(value - mean) / deviation`. Empty
            where they were left as they are.
        deviation: By which they were divided.
        threshold: Probability from which on a binary network says yes, or a label counts. Defaults to 0.5.
    """

    kind: str
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    mean: Computed[tuple[float, ...]] = ()
    deviation: Computed[tuple[float, ...]] = ()
    threshold: Given[float] = 0.5

    def __post_init__(self) -> None:
        if self.kind not in TASKS:
            raise ConfigError(f"unknown task: expected one of {', '.join(TASKS)}, received {self.kind!r}")
        if not 0 < self.threshold < 1:
            raise ConfigError(f"bad threshold: expected a probability between 0 and 1, received {self.threshold}")

    @property
    def classifies(self) -> bool:
        """Whether each sample is of one class, so that an answer is right or wrong."""
        return self.kind in CLASSIFICATION

    @property
    def metric(self) -> str:
        """What `credits` is the mean of: `"accuracy"`, `"label_accuracy"` or `"skill"`."""
        return _METRICS.get(self.kind, "accuracy")

    def num_outputs(self, input_shape: tuple[int, ...]) -> int:
        """Return how many numbers a network answers with, for samples of a shape."""
        if self.kind == "reconstruction":
            return int(np.prod(input_shape))
        return 1 if self.kind == "binary" else len(self.names)

    def decisions(self, outputs: np.ndarray, *, probabilities: bool = False) -> np.ndarray:
        """Return what outputs say.

        Args:
            outputs: Numbers that a network answered with, dequantized, shape `(samples, ...)`.
            probabilities: Whether they are probabilities, not logits. Defaults to `False`.

        Returns:
            The class of each sample, int64, shape `(samples,)`; of labels whether each holds, bool, shape
            `(samples, labels)`; else the outputs, float64, shape `(samples, numbers)`.
        """
        rows = outputs.reshape(len(outputs), -1)
        if self.kind == "multiclass":
            return np.asarray(rows.argmax(axis=1))
        if self.kind in ("binary", "multilabel"):
            limit = self.threshold if probabilities else np.log(self.threshold / (1 - self.threshold))
            said = rows > limit
            return np.asarray(said[:, 0].astype(np.int64) if self.kind == "binary" else said)
        return np.asarray(rows, np.float64)

    def credits(self, decisions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return what each sample's answer is worth; the mean over samples is the task's metric, 1 the best.

        Of classes 1 where it is right, else 0: the mean is the accuracy. Of labels the share that is right. Of measured
        values and of reconstructions `1 - e / E` with the sample's error `e`, and `E` the mean error of the best
        constant answer: the mean is a skill score (A. H. Murphy, Monthly Weather Review 116 (1988), 2417-2424), 0 for
        a network as good as the constant, below 0 for a worse one. The error of measured values is the mean absolute
        one and the constant the median of the targets, each value in units of its own `E`; that of a reconstruction is
        the mean square and the constant their mean.

        Args:
            decisions: From `decisions`.
            targets: Classes, labels, measured values as the network answers them, or the samples themselves.

        Returns:
            Shape `(samples,)`, float64.
        """
        if self.classifies:
            return np.asarray(decisions == targets, np.float64)
        rows = targets.reshape(len(targets), -1)
        if self.kind == "multilabel":
            return np.asarray((decisions == (rows > 0)).mean(axis=1))
        if self.kind == "regression":
            constant = np.abs(rows - np.median(rows, axis=0)).mean(axis=0)
            return np.asarray(1 - (np.abs(decisions - rows) / _not_zero(constant)).mean(axis=1))
        constant = np.square(rows - rows.mean(axis=0)).mean()
        return np.asarray(1 - np.square(decisions - rows).mean(axis=1) / _not_zero(constant))


def _not_zero(values: Any) -> Any:
    return np.where(values > 0, values, 1.0)
