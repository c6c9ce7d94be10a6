"""Chooses the training samples that calibrate a quantization."""

import numpy as np

from kd_edge.config.choices import CALIBRATIONS
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError, nearest


def choose_samples(labels: np.ndarray, *, num_samples: int, choice: str = "random", seed: int = 0) -> np.ndarray:
    """Return the positions of the chosen samples, ascending.

    Args:
        labels: Class of every sample.
        num_samples: How many are chosen; all where there are fewer.
        choice: `"random"`; `"balanced"`, the classes in turn, for rare classes that would be missed; or `"first"`.
        seed: Draws the random and the balanced ones.

    Raises:
        ConfigError: `choice` is unknown, or `num_samples` not positive.
    """
    if choice not in CALIBRATIONS:
        raise ConfigError(f"unknown choice of calibration samples {choice!r}: {nearest(choice, CALIBRATIONS)}")
    if num_samples < 1:
        raise ConfigError(f"bad number of calibration samples: expected 1 or more, received {num_samples}")
    if choice == "first":
        return np.arange(min(num_samples, len(labels)))
    order = np.random.default_rng(seed).permutation(len(labels))
    if choice == "balanced":
        turns = np.empty(len(labels), np.int64)
        for label in np.unique(labels):
            mine = np.flatnonzero(labels[order] == label)
            turns[mine] = np.arange(len(mine))
        order = order[np.argsort(turns, kind="stable")]
    return np.sort(order[:num_samples])


def kinds_of(data: Dataset) -> np.ndarray:
    """Return what makes training samples differ in kind: classes, sets of labels, fifths of the first value."""
    if data.task.parts:
        kinds = np.stack([kinds_of(part) for part in data.by_output.values()], axis=1)
        return np.asarray(np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1))
    if data.task.kind == "multilabel":
        return np.asarray(np.unique(data.y_train, axis=0, return_inverse=True)[1].reshape(-1))
    if data.task.kind == "regression":
        values = data.y_train[:, 0]
        return np.asarray(np.searchsorted(np.quantile(values, (0.2, 0.4, 0.6, 0.8)), values))
    return data.y_train
