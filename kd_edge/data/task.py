"""What a network is asked for, and what its answers are worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kd_edge.data.options import SEVERAL, TASKS
from kd_edge.data.records import as_records
from kd_edge.errors import ConfigError
from tflite_bench.provenance import Computed, Given

# Tasks whose answers are classes: each sample is right or wrong.
CLASSIFICATION = ("multiclass", "binary")
_METRICS = {"multilabel": "label_accuracy", "regression": "skill", "reconstruction": "skill", SEVERAL: "score"}


@dataclass(frozen=True, slots=True)
class Task:
    """What a network is asked for.

    `"multiclass"`: one of several classes, a logit each. `"binary"`: one of two classes, one logit, which is that of
    the second. `"multilabel"`: any of several labels, a logit each. `"regression"`: measured values.
    `"reconstruction"`: the sample itself; what a network reconstructs badly is an anomaly. `"several"`: a task for
    each of several outputs.

    Attributes:
        kind: One of `TASKS`, or `"several"`.
        names: Of the classes, of a binary task the negative one first; of the labels; of the measured values; of a
            reconstruction `("normal", "anomaly")`; of several outputs their own.
        units: Of the measured values, as text; empty where they are not known.
        mean: Of the measured values, subtracted from them: the network answers `(value - mean) / deviation`. Empty
            where they were left as they are.
        deviation: By which they were divided.
        threshold: Probability from which on a binary network says yes, or a label counts. Defaults to 0.5.
        parts: Of several outputs the task of each, in the order of `names`.
    """

    kind: str
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    mean: Computed[tuple[float, ...]] = ()
    deviation: Computed[tuple[float, ...]] = ()
    threshold: Given[float] = 0.5
    parts: "tuple[Task, ...]" = ()

    def __post_init__(self) -> None:
        if self.kind not in (*TASKS, SEVERAL):
            raise ConfigError(f"unknown task: expected one of {', '.join(TASKS)}, received {self.kind!r}")
        if (self.kind == SEVERAL) != bool(self.parts) or (self.parts and len(self.parts) != len(self.names)):
            raise ConfigError(
                f"bad task: expected a task for each of several outputs, and for these alone, received {self.kind!r} "
                f"with {len(self.names)} names and {len(self.parts)} tasks"
            )
        if unfit := [part.kind for part in self.parts if part.kind in ("reconstruction", SEVERAL)]:
            raise ConfigError(
                f"bad task of one of several outputs: expected one of {', '.join(TASKS[:-1])}, received {unfit[0]!r}"
            )
        if not 0 < self.threshold < 1:
            raise ConfigError(f"bad threshold: expected a probability between 0 and 1, received {self.threshold}")

    @property
    def classifies(self) -> bool:
        """Whether each sample is of one class, so that an answer is right or wrong."""
        return self.kind in CLASSIFICATION

    @property
    def by_output(self) -> "dict[str, Task]":
        """The task of each of several outputs, by its name; of one output none."""
        return dict(zip(self.names, self.parts, strict=True)) if self.parts else {}

    @property
    def decides(self) -> bool:
        """Whether answers of two networks can be the same decision: a class, or which labels hold."""
        return self.classifies or self.kind == "multilabel" or any(part.decides for part in self.parts)

    @property
    def answers_values(self) -> bool:
        """Whether a network answers with numbers that are no decision, at one output or more."""
        return self.kind in ("regression", "reconstruction") or any(part.answers_values for part in self.parts)

    @property
    def metric(self) -> str:
        """What `credits` is the mean of: `"accuracy"`, `"label_accuracy"`, `"skill"`, of several outputs `"score"`."""
        return _METRICS.get(self.kind, "accuracy")

    def num_outputs(self, input_shape: tuple[int, ...]) -> int:
        """Return how many numbers a network answers with, for samples of a shape."""
        if self.kind == "reconstruction":
            return int(np.prod(input_shape))
        if self.parts:
            return sum(part.num_outputs(input_shape) for part in self.parts)
        return 1 if self.kind == "binary" else len(self.names)

    def decisions(self, outputs: Any, *, probabilities: Any = False) -> np.ndarray:
        """Return what outputs say.

        Args:
            outputs: Numbers that a network answered with, dequantized, shape `(samples, ...)`; of several outputs a
                mapping of their names to those.
            probabilities: Whether they are probabilities, not logits; of several outputs a mapping. By default they
                are logits.

        Returns:
            The class of each sample, int64, shape `(samples,)`; of labels whether each holds, bool, shape
            `(samples, labels)`; else the outputs, float64, shape `(samples, numbers)`. Of several outputs records with
            these, see `as_records`.
        """
        if self.parts:
            return as_records(_each(self.by_output, outputs, probabilities))
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
        the mean square and the constant their mean. Of several outputs the mean of what each is worth.

        Args:
            decisions: From `decisions`.
            targets: Classes, labels, measured values as the network answers them, or the samples themselves.

        Returns:
            Shape `(samples,)`, float64.
        """
        if self.parts:
            known = [part.credits(decisions[name], targets[name]) for name, part in self.by_output.items()]
            return np.asarray(np.mean(known, axis=0))
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


def _each(tasks: Mapping[str, Task], outputs: Any, probabilities: Any) -> dict[str, np.ndarray]:
    known = probabilities or {}
    return {name: task.decisions(outputs[name], probabilities=known.get(name, False)) for name, task in tasks.items()}


def _not_zero(values: Any) -> Any:
    return np.where(values > 0, values, 1.0)
