"""Many steps of a training in one compiled loop over samples in memory.

A step of a student of 1,000 parameters is overhead: in such a loop it takes half of what it takes in `fit`. The order
of the samples, their views and their changes are those of `kd_edge.distillation.batches.Batches`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.augmentation.mixup import Mixup
from kd_edge.distillation.augmentation.registry import Augmentation
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.targets.views import changed, mixed
from tools.studies.halting.networks import FlatNetwork, State, stepped

BATCH_SIZE = 64
_NUM_SEEDS = 2**32


class Pool(NamedTuple):
    """Samples in memory, labelled ones first.

    Attributes:
        x: Samples.
        y: Labels, 0 where there is none.
        label_weight: 0 where there is no label; their mean is 1.
    """

    x: Any
    y: Any
    label_weight: Any


class Steps(NamedTuple):
    """What some steps take; the first axis is that of the steps.

    Attributes:
        index: Positions of the samples, `(steps, batch)`.
        seeds: One for each, by which they are changed.
        taught: What the teacher said of them, `(steps, batch, classes)`; zeros without a teacher.
        rate: Learning rates.
    """

    index: Any
    seeds: Any
    taught: Any
    rate: Any


class Loss(NamedTuple):
    """How the parts of the student's loss are weighted.

    Attributes:
        temperature: Of what the guides say.
        labels: Weight of the labels; the guides have the rest.
    """

    temperature: Any
    labels: Any


def pool_of(data: Dataset, *, unlabelled: bool) -> Pool:
    """Return the training samples of a data set, with those that have no label or without."""
    x, y = data.x_train, data.y_train
    weight = np.ones(len(y), np.float32)
    if unlabelled and data.x_unlabeled is not None:
        num_more = len(data.x_unlabeled)
        x, y = np.concatenate([x, data.x_unlabeled]), np.concatenate([y, np.zeros(num_more, y.dtype)])
        weight = np.repeat(np.array([len(x) / (len(x) - num_more), 0], np.float32), [len(x) - num_more, num_more])
    return Pool(tf.constant(x), tf.constant(y), tf.constant(weight))


@dataclass(frozen=True)
class Order:
    """What the steps of a training take, epoch by epoch.

    Attributes:
        num_samples: In the pool.
        num_classes: Of the labels.
        seed: All that is random follows from it.
        targets: The teacher's; `None` without one.
        rows: Where they are for each sample.
    """

    num_samples: int
    num_classes: int
    seed: int
    targets: SoftTargets | None = None
    rows: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Full batches."""
        return self.num_samples // min(BATCH_SIZE, self.num_samples)

    def epochs(self, first: int, last: int, rate: np.ndarray) -> Steps:
        """Return the steps from an epoch to before another, with the learning rates of all steps of the training."""
        parts = [self._epoch(epoch) for epoch in range(first, last)]
        size = min(BATCH_SIZE, self.num_samples)
        joined = (np.concatenate(column) for column in zip(*parts, strict=True))
        batches = (column.reshape(-1, size, *column.shape[1:]) for column in joined)
        rates = tf.constant(rate[first * self.steps_per_epoch :][: len(parts) * self.steps_per_epoch])
        return Steps._make([*map(tf.constant, batches), rates])

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        seed, count = tf.constant([self.seed, epoch], tf.int64), self.num_samples
        index = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed).numpy()
        seeds = tf.random.stateless_uniform([count], seed, 0, _NUM_SEEDS, tf.int64).numpy()
        used = self.steps_per_epoch * min(BATCH_SIZE, count)
        index, seeds = index[:used], seeds[:used]
        if self.targets is None or self.rows is None:
            return index, seeds, np.zeros((used, self.num_classes), np.float32)
        rows = self.rows[index]
        if self.targets.views is None:
            return index, seeds, self.targets.outputs(rows)[0]
        view = self.targets.views.turn(rows, epoch)
        return index, self.targets.seeds(rows, view), self.targets.outputs(rows, view)[0]


class Looked(NamedTuple):
    """A batch as the networks see it: changed samples, one-hot labels and their weights."""

    x: Any
    y: Any
    label_weight: Any


def look(pool: Pool, index: Any, seeds: Any, augmentation: Augmentation | None, num_classes: int) -> Looked:
    """Return a batch, its samples changed, with mixup its labels too; as `Batches` does it."""
    x, y, weight = (tf.gather(part, index) for part in pool)
    y = tf.one_hot(y, num_classes)
    if augmentation is None:
        return Looked(x, y, weight)
    x = changed(x, seeds, augmentation, pool.x)
    if isinstance(augmentation, Mixup):
        partner = augmentation.partners(seeds, len(pool.x))
        y = mixed(y, tf.one_hot(tf.gather(pool.y, partner), num_classes), augmentation.shares(seeds))
        weight *= tf.cast(tf.gather(pool.label_weight, partner) > 0, weight.dtype)
    return Looked(x, y, weight)


def labels_loss(batch: Looked, logits: Any) -> Any:
    """Return the mean cross-entropy of those that have a label."""
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(batch.y, logits) * batch.label_weight)


def divergence(guide: Any, logits: Any, temperature: Any) -> Any:
    """Return `T^2 KL(guide || student)`, the mean over the batch (Hinton et al., arXiv 1503.02531)."""
    log_ratio = tf.nn.log_softmax(guide / temperature) - tf.nn.log_softmax(logits / temperature)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(guide / temperature) * log_ratio, -1))


def make_loop(network: FlatNetwork, augmentation: Augmentation | None, num_classes: int) -> Callable[..., Any]:
    """Return the function `(state, pool, steps, loss, first_step)` of the state after the steps and of their losses.

    It is compiled at its first call, for all seeds, rates, weights of the losses and numbers of samples.
    """

    def run(state: State, pool: Pool, steps: Steps, loss: Loss, first_step: Any) -> tuple[State, Any]:
        count = tf.shape(steps.rate)[0]
        losses = tf.TensorArray(tf.float32, count)
        for i in tf.range(count):
            batch = look(pool, steps.index[i], steps.seeds[i], augmentation, num_classes)
            with tf.GradientTape() as tape:
                tape.watch(state.weights)
                logits, others = network.call(state.weights, state.others, batch.x, training=True)
                total = loss.labels * labels_loss(batch, logits)
                total += (1 - loss.labels) * divergence(steps.taught[i], logits, loss.temperature)
            gradient = tape.gradient(total, state.weights)
            step = tf.cast(first_step + i, tf.float32)
            state = stepped(state, gradient, steps.rate[i], step, network.decay, others)
            losses = losses.write(i, total)
        return state, losses.stack()

    return tf.function(run, reduce_retracing=True)


def make_predict(network: FlatNetwork) -> Callable[..., np.ndarray]:
    """Return the function `(state, x)` of the network's outputs."""
    run = tf.function(
        lambda weights, others, x: network.call(weights, others, x, training=False)[0], reduce_retracing=True
    )

    def predict(state: State, x: np.ndarray) -> np.ndarray:
        parts = [run(state.weights, state.others, x[start : start + 500]) for start in range(0, len(x), 500)]
        return np.concatenate([part.numpy() for part in parts])

    return predict
