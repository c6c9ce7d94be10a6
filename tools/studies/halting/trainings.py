"""Trains students: one compiled loop per data set and augmentation, for all seeds, rates and guides."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.data.metrics.named_class import classified_right
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.loop import Loss, Order, Pool, make_loop, make_predict, pool_of
from tools.studies.halting.networks import FlatNetwork, State, rates
from tools.studies.halting.tasks import Task

_NUM_CHECKS = 20


@dataclass(frozen=True)
class Plan:
    """How a student is trained.

    Attributes:
        rate: Peak of the learning rate.
        epochs: Of the training.
        augment: What changes the samples.
        temperature: Of the guides.
        labels: Weight of the labels beside guides.
    """

    rate: float
    epochs: int
    augment: str = "none"
    temperature: float = 2.0
    labels: float = 0.1


class Trained(NamedTuple):
    """What a training gave.

    Attributes:
        val: Validation accuracy of the best epoch that was looked at.
        test: Test accuracy after it.
        epoch: Its number, from 1.
        seconds: Wall-clock time.
    """

    val: float
    test: float
    epoch: int
    seconds: float


class Score(NamedTuple):
    """How good a student is on validation samples: higher accuracy, of equal ones lower loss, as for `BestEpoch`."""

    accuracy: float
    minus_loss: float


class Trainer:
    """Trains the student of a task by labels and stored targets.

    Args:
        task: The data set and its networks.
        data: Of any fold, for its shapes.
    """

    def __init__(self, task: Task, data: Dataset) -> None:
        self._task, self._num_classes = task, data.num_classes
        self.network = FlatNetwork(task.build_student(data, 0))
        self.predict = make_predict(self.network)
        self._loops: dict[str, Any] = {}

    def start(self, data: Dataset, seed: int) -> State:
        """Return the student of a seed before the first step."""
        return self.network.start(self._task.build_student(data, seed))

    def loop(self, augment: str) -> Any:
        """Return the compiled loop for an augmentation."""
        if augment not in self._loops:
            self._loops[augment] = make_loop(self.network, make_augmentation(augment), self._num_classes)
        return self._loops[augment]

    def train(self, data: Dataset, plan: Plan, seed: int, targets: SoftTargets | None = None) -> Trained:
        """Train a student, guided where there are targets, and keep its best epoch."""
        start = time.perf_counter()
        states = self.states(data, plan, seed, targets)
        scored = ((self.score(state, data), epoch, state) for epoch, state in states)
        score, epoch, state = max(scored, key=itemgetter(0))
        return Trained(score.accuracy, self.test(state, data), epoch, time.perf_counter() - start)

    def score(self, state: State, data: Dataset) -> Score:
        """Return how good a student is on the validation samples."""
        logits = self.predict(state, data.x_val)
        return Score(accuracy(logits, data.y_val), -_cross_entropy(logits, data.y_val))

    def test(self, state: State, data: Dataset) -> float:
        """Return the test accuracy."""
        return accuracy(self.predict(state, data.x_test), data.y_test)

    def states(
        self, data: Dataset, plan: Plan, seed: int, targets: SoftTargets | None, *, checks: int = _NUM_CHECKS
    ) -> Iterator[tuple[int, State]]:
        """Yield the number of finished epochs and the student, about `checks` times and after the last epoch."""
        pool, order = feed(data, seed, targets)
        loss = Loss(tf.constant(plan.temperature), tf.constant(1.0 if targets is None else plan.labels))
        rate = rates(plan.rate, plan.epochs, order.steps_per_epoch)
        state, apart = self.start(data, seed), -(-plan.epochs // checks)
        for first in range(0, plan.epochs, apart):
            last = min(first + apart, plan.epochs)
            steps = order.epochs(first, last, rate)
            state, _ = self.loop(plan.augment)(state, pool, steps, loss, tf.constant(first * order.steps_per_epoch))
            yield last, state


def feed(data: Dataset, seed: int, targets: SoftTargets | None) -> tuple[Pool, Order]:
    """Return the samples of a training and their order; those without labels are there where a teacher is."""
    pool = pool_of(data, unlabelled=targets is not None)
    rows = None if targets is None else targets.find_all(pool.x.numpy())
    return pool, Order(len(pool.y), data.num_classes, seed, targets, rows)


def accuracy(logits: np.ndarray, y: np.ndarray) -> float:
    """Return the share that is classified right."""
    return float(classified_right(logits, y).mean())


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> float:
    peak = logits.max(-1, keepdims=True)
    log_sum = np.log(np.exp(logits - peak).sum(-1)) + peak[:, 0]
    return float((log_sum - np.take_along_axis(logits, y[:, None], -1)[:, 0]).mean())
