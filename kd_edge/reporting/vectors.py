"""The test vectors of a bundle: which samples, and what the model's outputs for them say."""

import numpy as np

from kd_edge.data.anomaly_metrics import anomaly_scores
from kd_edge.data.dataset import Dataset
from kd_edge.data.regression_metrics import in_units
from kd_edge.data.task import Task

NUM_VECTORS = 10


def vector_rows(data: Dataset) -> np.ndarray:
    """Return the positions of the test samples that are vectors.

    Of classes, sets of labels and anomalies of each in turn; of measured values from the smallest first one to the
    largest.

    Args:
        data: The test samples.
    """
    if data.task.kind == "regression":
        order = np.argsort(data.y_test[:, 0], kind="stable")
        return np.asarray(order[np.linspace(0, len(order) - 1, min(len(order), NUM_VECTORS)).astype(int)])
    kinds = data.y_test
    if kinds.ndim > 1:
        kinds = np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1)
    by_kind = [np.flatnonzero(kinds == kind).tolist() for kind in np.unique(kinds)]
    chosen: list[int] = []
    while len(chosen) < NUM_VECTORS and any(by_kind):
        chosen += [samples.pop(0) for samples in by_kind if samples]
    return np.asarray(chosen[:NUM_VECTORS])


def vector_answers(task: Task, inputs: np.ndarray, outputs: np.ndarray, *, probabilities: bool) -> np.ndarray | None:
    """Return what outputs say, as the functions of `model_settings.h` compute it; `None` of classes.

    Args:
        task: What the model was asked.
        inputs: The vectors in real numbers, as the model reads them.
        outputs: Its answers in real numbers.
        probabilities: Whether outputs are probabilities, not logits.

    Returns:
        1 or 0 for a yes and each label, the measured values in their units, the score of an anomaly: shape
        `(vectors, answers)`.
    """
    if task.kind == "multiclass":
        return None
    decisions = task.decisions(outputs, probabilities=probabilities)
    if task.kind == "regression":
        return in_units(decisions, task)
    if task.kind == "reconstruction":
        return anomaly_scores(decisions, inputs)[:, None]
    return decisions.reshape(len(decisions), -1).astype(np.float64)
