"""Finds a learning rate by a short training in which it rises."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kd_edge.distillation.batches import Batches
from kd_edge.distillation.trainer_support import build_before_trace
from kd_edge.errors import ModelError

_LOWEST, _HIGHEST = 1e-4, 3.0
_NUM_STEPS = 200
_SMOOTHING = 0.9
_DIVERGED = 4.0
# Of the rate with the lowest loss; see docs/halting.md.
_SHARE = 1 / 3
_LARGEST = 0.16


def find_learning_rate(fitted: keras.Model, network: keras.Model, batches: Batches, *, loss: Any) -> float:
    """Return a peak learning rate for a network by the learning rate range test, and leave the network as it was.

    Over 200 steps the rate rises exponentially from 1e-4 to 3. A third of the rate at which the smoothed loss is
    lowest is taken, at most 0.16, rounded to two digits: beyond the lowest loss training begins to diverge.

    Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, arXiv 1506.01186, section
    3.3; smoothing and stopping as in the test's usual form. The share is this package's own; `docs/halting.md` has
    what it picks against the best of a grid.

    Args:
        fitted: What is fitted: the network, or a `Distiller` of it. It has to be compiled anew afterwards.
        network: Whose weights change.
        batches: Training samples.
        loss: Of the labels.

    Raises:
        ModelError: The loss is no number from the start.
    """
    weights = network.get_weights()
    schedule = keras.optimizers.schedules.ExponentialDecay(_LOWEST, _NUM_STEPS, _HIGHEST / _LOWEST)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2)
    fitted.compile(optimizer=optimizer, loss=loss, metrics=[])  # without `metrics` Keras keeps those of before
    recorder, feed = _Losses(), batches.feed(math.ceil(_NUM_STEPS / batches.num_steps))
    if fitted is network:
        build_before_trace(network, feed.element_spec)
    fitted.fit(
        feed,
        steps_per_epoch=_NUM_STEPS,
        callbacks=[recorder],
        shuffle=False,
        verbose=0,
    )
    network.set_weights(weights)
    return suggested_rate(np.geomspace(_LOWEST, _HIGHEST, _NUM_STEPS), recorder.losses)


def suggested_rate(rates: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray) -> float:
    """Return the rate to take after a range test.

    Args:
        rates: Of each step, rising.
        losses: After each step; there may be fewer, and some no number once training has diverged.

    Raises:
        ModelError: The first loss is no number.
    """
    if not len(losses) or not math.isfinite(losses[0]):
        raise ModelError(
            f"no learning rate can be found: expected a finite loss in the first step, received "
            f"{losses[0] if len(losses) else 'none'}; look for NaN in samples, labels and weights, or give a number"
        )
    mean, best, best_rate = 0.0, math.inf, float(rates[0])
    for step, (rate, loss) in enumerate(zip(rates, losses, strict=False), 1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smooth = mean / (1 - _SMOOTHING**step)
        if not math.isfinite(smooth) or smooth > _DIVERGED * best:
            break
        if smooth < best:
            best, best_rate = smooth, float(rate)
    return float(f"{min(best_rate * _SHARE, _LARGEST):.2g}")


class _Losses(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the loss of each step, of which Keras reports the mean so far; ends a training that diverged."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self._total = 0.0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take the last step's loss out of the mean."""
        total = float((logs or {})["loss"]) * (batch + 1)
        self.losses.append(total - self._total)
        self._total = total
        if not math.isfinite(total):
            self.model.stop_training = True
