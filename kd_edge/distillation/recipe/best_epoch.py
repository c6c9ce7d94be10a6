"""Keeps the epoch that is best on validation samples."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from kd_edge.distillation.results import WEIGHTED_ACCURACY, metric_in
from kd_edge.errors import ModelError


class BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives a network, at the end of its training, the weights of its best epoch, and stops one that has gone wrong.

    Best is the highest validation accuracy, or metric of another task, of equal ones the lowest validation loss, of
    equal ones the first. Where classes have weights in the training, they have them here, too: else the epoch that
    neglects the rare ones wins.

    Args:
        network: Whose weights: what is fitted, or the student of a `Distiller`.

    Attributes:
        epoch: Number of the best epoch, from 1; 0 before the first one.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self._network = network
        self._weights = network.get_weights()
        self._best = (-math.inf, -math.inf)
        self.epoch = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep the weights where the epoch is the best so far."""
        logs = logs or {}
        if not math.isfinite(logs["loss"]):
            self._network.set_weights(self._weights)
            raise ModelError(
                f"training stopped in epoch {epoch + 1}: expected a finite loss, received {logs['loss']}; "
                "lower the learning rate"
            )
        ranked = logs.get(WEIGHTED_ACCURACY, logs[f"val_{metric_in(logs)}"])
        score = (float(ranked), -float(logs["val_loss"]))
        if score > self._best:
            self._best, self._weights, self.epoch = score, self._network.get_weights(), epoch + 1

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Go back to the best epoch."""
        self._network.set_weights(self._weights)
