"""Measures how the gradients that guides and labels give a student lie to each other."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.keras import compiled_losses
from kd_edge.compat.tensorflow import free_memory
from kd_edge.distillation.feed import Feed
from kd_edge.distillation.guides.base import FINAL
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.distillation.halting.gradient_rule import GradientEvidence
from kd_edge.distillation.halting.probe_batch import ProbeBatch, draw_batch
from kd_edge.distillation.samples import inputs_of, label_weight_of
from kd_edge.errors import ConfigError

NUM_TAUGHT = 192
NUM_HELD_OUT = 256
LABELS = "labels"


class GradientProbe:
    """Measures the evidence for one guide, on two fixed batches.

    The guides' gradients are those on *training* samples, for there they teach: what a guide that has learnt its
    samples by heart says of others is not what moves the student. The labels' gradient is that on *held-out* samples,
    and where no other guide remains, the one on the training samples beside it. All are taken of the student as it is
    in a training step: batch normalisation by the statistics of the batch, whose moving averages lag behind the weights
    so far that with them one common correction outweighs all else. Nothing is updated, neither they nor the states of
    random generators.

    The function is traced once for each set of guides. A frozen teacher and stored targets are asked once for all.

    Args:
        distiller: The `Distiller`, compiled.
        guide: `"teacher"` or `"trainee"`.
        held_out: Samples that nobody is trained on, with labels.
        taught: Training samples, with labels.
    """

    def __init__(self, distiller: Any, guide: str, *, held_out: ProbeBatch, taught: ProbeBatch) -> None:
        self._distiller = distiller
        self._guide = guide
        self._batches = held_out, taught
        self._traced_for: tuple[str, ...] = ()
        self._gram: Any = None
        self._answers: dict[str, Any] = {}

    def measure(self) -> GradientEvidence:
        """Return the evidence of this moment."""
        if self._traced_for != self._distiller.guides:
            self._retrace()
        gram = self._gram(*self._batches, self._answers).numpy().astype(np.float64)
        # Of a gradient on the other side nothing is explained: what remains pulls one way only.
        explained = float(np.maximum(_cosine(gram, 1, 2), 0.0) ** 2)
        return GradientEvidence(_cosine(gram, 0, 1), explained, self._remaining)

    def forget_halted(self) -> None:
        """Let go of the weights of guides that have left since the last measurement."""
        if self._gram is not None and self._traced_for != self._distiller.guides:
            self._gram, self._answers, self._traced_for = None, {}, ()
            free_memory()

    @property
    def _remaining(self) -> str:
        return next((name for name in self._distiller.guides if name != self._guide), LABELS)

    def _retrace(self) -> None:
        guides = self._distiller.guide_set.guides
        fixed = [guide for guide in guides.values() if not isinstance(guide, Trainee)]
        self._answers = {guide.name: guide.answer(self._batches[1].x) for guide in fixed}
        self._traced_for = self._distiller.guides
        self._gram = tf.function(self._inner_products)

    def _inner_products(self, held_out: ProbeBatch, taught: ProbeBatch, answers: dict[str, Any]) -> Any:
        """Return the inner products of three gradients: the held-out labels', the guide's, and that of what remains."""
        guide_set = self._distiller.guide_set
        weights = self._distiller.student.trainable_weights
        with keras.StatelessScope(), tf.GradientTape(persistent=True) as tape:
            features = guide_set.look(inputs_of(held_out.x))
            losses = [self._labels_loss(held_out, features)]
            features = guide_set.look(inputs_of(taught.x))
            for name in (self._guide, self._remaining):
                if name == LABELS:
                    losses.append(self._labels_loss(taught, features))
                    continue
                guide = guide_set.guides[name]
                shown = answers[name] if name in answers else guide.answer(taught.x)
                all_labelled = label_weight_of(taught.x, None) is None
                context = {"sample_weight": taught.sample_weight, "labels": taught.y if all_labelled else None}
                losses.append(guide_set.divergence(guide, shown, features, **context))
        rows = tf.stack([_flat(tape.gradient(loss, weights, unconnected_gradients="zero")) for loss in losses])
        return tf.matmul(rows, rows, transpose_b=True)

    def _labels_loss(self, batch: ProbeBatch, features: dict[str, Any]) -> Any:
        weight = label_weight_of(batch.x, batch.sample_weight)
        return compiled_losses(self._distiller)(batch.y, features[FINAL], weight)


def make_probe(distiller: Any, guide: str, held_out: Any) -> GradientProbe:
    """Return what measures the evidence for a guide in a `fit` that begins.

    Args:
        distiller: The `Distiller` in `fit`.
        guide: `"teacher"` or `"trainee"`.
        held_out: `(x, y)` or `(x, y, sample_weight)`; `None` for the validation data of the fit.

    Raises:
        ConfigError: There are no held-out labels, or training samples cannot be drawn.
    """
    feed: Feed = distiller.feed
    source = feed.options.get("validation_data") if held_out is None else held_out
    parts = source if isinstance(source, tuple | list) else (source,)
    batch = draw_batch(*parts, num_samples=NUM_HELD_OUT)
    if batch is None:
        raise ConfigError(
            f"the rule of the {guide} needs held-out labels: expected held_out=(x, y), or arrays or a tf.data.Dataset "
            f"as validation_data, received {type(source).__name__}; pass one of them, or take rule='agreement'"
        )
    taught = draw_batch(feed.x, feed.y, feed.options.get("sample_weight"), num_samples=NUM_TAUGHT)
    if taught is None:
        raise ConfigError(
            f"the rule of the {guide} draws training samples with labels: expected arrays or a tf.data.Dataset, "
            f"received {type(feed.x).__name__}; pass one of them, or take rule='agreement'"
        )
    return GradientProbe(distiller, guide, held_out=batch, taught=taught)


def _flat(gradients: list[Any]) -> Any:
    return tf.concat([tf.reshape(tf.cast(gradient, tf.float32), (-1,)) for gradient in gradients], axis=0)


def _cosine(gram: np.ndarray, i: int, j: int) -> float:
    norms = math.sqrt(gram[i, i] * gram[j, j])
    return float(gram[i, j] / norms) if norms > 0 else math.nan
