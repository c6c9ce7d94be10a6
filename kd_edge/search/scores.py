"""What a network is worth on the validation samples."""

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.named_class import confusion_matrix, score_of
from kd_edge.distillation.outputs.decisions import decisions_of


def validation_score(model: keras.Model, data: Dataset, objective: str) -> float:
    """Return what a network is worth on the validation samples by an objective; see `objective_for`."""
    return score_of_decisions(decisions_of(model, data, "val"), data, objective)


def score_of_decisions(decisions: np.ndarray, data: Dataset, objective: str) -> float:
    """Return what decisions for the validation samples are worth by an objective; see `objective_for`."""
    if objective == data.task.metric:
        return float(Judged.of(data, "val").credits(decisions).mean())
    return float(score_of(confusion_matrix(decisions, data.y_val, data.num_classes), objective))
