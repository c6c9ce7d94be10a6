"""Trainings with a trainee beside the student: with what the halting rules observe, and gone on with without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.halting.gradient_probe import NUM_HELD_OUT, NUM_TAUGHT
from kd_edge.distillation.halting.gradient_rule import GradientEvidence
from kd_edge.distillation.halting.probe_batch import draw_batch
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.joint import GuidedLoss, Joint, make_joint_loop
from tools.studies.halting.loop import Loss, Order, divergence
from tools.studies.halting.networks import FlatNetwork, State, rates
from tools.studies.halting.trainings import Plan, Score, Trainer, feed

APART = 2  # epochs between two looks at the validation samples


@dataclass(frozen=True)
class Observed:
    """What the halting rules see after an epoch.

    Attributes:
        divergence: Of the trainee from the student, the epoch's mean.
        agreement: Share of the samples for which both name the same class, the epoch's mean.
        evidence: How the trainee's gradient lies to others.
    """

    divergence: float
    agreement: float
    evidence: GradientEvidence

    def value(self, metric: str) -> Any:
        """Return what a rule observes by the name of its metric."""
        return {"divergence": self.divergence, "agreement": self.agreement, "gradients": self.evidence}.get(metric)


@dataclass(frozen=True)
class Watched:
    """A training in which the trainee stays.

    Attributes:
        states: The student before the first epoch and after each.
        scores: By epoch, where the validation samples were looked at.
        observed: Per epoch; empty where nobody asked.
    """

    states: Sequence[State]
    scores: Mapping[int, Score]
    observed: Sequence[Observed]

    @property
    def best(self) -> int:
        """The epoch with the best score on the validation samples."""
        return max(self.scores, key=lambda epoch: self.scores[epoch])


class Guided:
    """Trains a student beside a trainee of one form, for all seeds and folds.

    Args:
        trainer: Of the student alone.
        joint: Student and trainee.
        num_classes: Of the labels.
    """

    def __init__(self, trainer: Trainer, joint: Joint, num_classes: int) -> None:
        self._trainer, self._joint = trainer, joint
        self.macs = joint.macs
        self._loop = make_joint_loop(joint, num_classes)
        self._probe = make_probe(trainer.network, joint)

    def train(self, data: Dataset, plan: Plan, seed: int, targets: SoftTargets | None, *, observe: bool) -> Watched:
        """Train to the end with the trainee.

        Args:
            data: The samples.
            plan: How the student is trained.
            seed: Of the weights and the order.
            targets: The teacher's; `None` without one.
            observe: Whether to measure what the halting rules see.
        """
        pool, order = feed(data, seed, targets)
        is_guided = targets is not None or self._joint.hint > 0
        weights = plan.temperature, plan.labels if is_guided else 1.0, 0.0 if targets is None else 1.0
        loss = GuidedLoss(*map(tf.constant, weights))
        rate = rates(plan.rate, plan.epochs, order.steps_per_epoch)
        state = self._joint.start(self._trainer.start(data, seed), seed)
        states, scores, observed = [self._joint.student(state)], {}, []
        batches = _probe_batches(data, order)
        for epoch in range(plan.epochs):
            steps = order.epochs(epoch, epoch + 1, rate)
            state, watch = self._loop(state, pool, steps, loss, tf.constant(epoch * order.steps_per_epoch))
            states.append(self._joint.student(state))
            if (epoch + 1) % APART == 0 or epoch + 1 == plan.epochs:
                scores[epoch + 1] = self._trainer.score(states[-1], data)
            if observe:
                gram = self._probe(state, *batches, loss.temperature).numpy().astype(np.float64)
                divergence, agreement = (float(value) / order.steps_per_epoch for value in watch)
                observed.append(Observed(divergence, agreement, _evidence(gram)))
        return Watched(states, scores, observed)

    def without(
        self, watched: Watched, epoch: int, data: Dataset, plan: Plan, seed: int, targets: SoftTargets
    ) -> Watched:
        """Return the training in which the trainee leaves after an epoch: from there on the teacher teaches alone."""
        pool, order = feed(data, seed, targets)
        loss = Loss(tf.constant(plan.temperature), tf.constant(plan.labels))
        rate = rates(plan.rate, plan.epochs, order.steps_per_epoch)
        states = list(watched.states[: epoch + 1])
        scores = {e: score for e, score in watched.scores.items() if e <= epoch}
        for now in range(epoch, plan.epochs):
            steps, first = order.epochs(now, now + 1, rate), tf.constant(now * order.steps_per_epoch)
            states.append(self._trainer.loop("none")(states[-1], pool, steps, loss, first)[0])
            if (now + 1) % APART == 0 or now + 1 == plan.epochs:
                scores[now + 1] = self._trainer.score(states[-1], data)
        return Watched(states, scores, watched.observed[:epoch])


def make_probe(student: FlatNetwork, joint: Joint) -> Any:
    """Return what measures the inner products of the student's gradients as `GradientProbe` does.

    They are those of the held-out labels' loss, of the trainee's divergence on training samples, and of the teacher's
    there: `(state, held_out, labels, taught, told, temperature)`.
    """

    def products(state: State, held_out: Any, labels: Any, taught: Any, told: Any, temperature: Any) -> Any:
        own = joint.student(state)
        shown = joint.answer(state.weights, state.others, taught)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(own.weights)
            logits, _ = student.call(own.weights, own.others, held_out, training=True)
            losses = [tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))]
            logits, _ = student.call(own.weights, own.others, taught, training=True)
            losses += [divergence(guide, logits, temperature) for guide in (shown, told)]
        rows = tf.stack([tape.gradient(loss, own.weights) for loss in losses])
        return tf.matmul(rows, rows, transpose_b=True)

    return tf.function(products, reduce_retracing=True)


def _probe_batches(data: Dataset, order: Order) -> tuple[Any, Any, Any, Any]:
    """Return held-out samples, their labels, training samples, and what the teacher says of these."""
    held_out = draw_batch(data.x_val, data.y_val, num_samples=NUM_HELD_OUT)
    taught = draw_batch(data.x_train, data.y_train, num_samples=NUM_TAUGHT)
    if order.targets is None:
        told = np.zeros((len(taught.y), order.num_classes), np.float32)
    else:
        told = order.targets.outputs(order.targets.find_all(taught.x.numpy()))[0]
    return held_out.x, held_out.y, taught.x, tf.constant(told)


def _evidence(gram: np.ndarray) -> GradientEvidence:
    norms = np.sqrt(np.diag(gram))
    cosines = gram / np.outer(norms, norms)
    return GradientEvidence(float(cosines[0, 1]), float(max(cosines[1, 2], 0.0) ** 2), "teacher")
