"""The score of a network with several outputs: the mean of what each is measured by."""

from collections.abc import Mapping
from typing import Any

import keras

from kd_edge.data.task import Task


class MeanScore(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes `score` and `val_score` in each epoch, by which epochs are compared: the mean of the outputs' own metrics.

    Args:
        task: Of several outputs; without effect for one.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._metrics = [f"{name}_{part.metric}" for name, part in task.by_output.items()]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the means to the history."""
        if not self._metrics or logs is None:
            return
        for prefix in ("", "val_"):
            logs[f"{prefix}score"] = _mean(logs, [prefix + name for name in self._metrics])


def _mean(logs: Mapping[str, Any], names: list[str]) -> float:
    return sum(float(logs[name]) for name in names) / len(names)
