"""What the outputs of a network say of samples, by their task."""

from typing import Any

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.distillation.outputs.logits import ends_in_sigmoid, ends_in_softmax, sigmoid_to_logits, to_logits
from kd_edge.distillation.outputs.names import answered, output_of
from kd_edge.distillation.outputs.predictions import predictions

_NUM_ASKED = 32  # samples whose outputs tell whether they are probabilities


def answers_probabilities(model: keras.Model, data: Dataset) -> Any:
    """Return whether a network answers the task of a data set with probabilities instead of logits.

    Of several outputs a mapping of their names to that.
    """
    if data.task.parts:
        return {name: answers_probabilities(output_of(model, name), part) for name, part in data.by_output.items()}
    batch = getattr(model, "inputs", None) and model.inputs[0].shape[0]
    samples = data.x_train[: batch or _NUM_ASKED]
    if data.task.kind == "multiclass":
        return ends_in_softmax(model, samples) == [True]
    return data.task.kind in ("binary", "multilabel") and ends_in_sigmoid(model, samples) == [True]


def answer_logits(model: keras.Model, data: Dataset, outputs: np.ndarray) -> np.ndarray:
    """Return a network's outputs for classes or labels as logits."""
    if not answers_probabilities(model, data):
        return outputs
    turn = to_logits if data.task.kind == "multiclass" else sigmoid_to_logits
    return np.asarray(turn(outputs, [True]))


def decisions_of(model: keras.Model, data: Dataset, split: str) -> np.ndarray:
    """Return what a network says of the samples of `"train"`, `"val"` or `"test"`; see `Task.decisions`."""
    answers: Any = predictions(model, getattr(data, f"x_{split}"))
    return data.task.decisions(answered(model, answers, data), probabilities=answers_probabilities(model, data))


def accuracy(model: keras.Model, data: Dataset) -> float:
    """Return the task's metric of a model on the test samples: of classes the share that it classifies right."""
    return float(test_samples_right(model, data).mean())


def test_samples_right(model: keras.Model, data: Dataset) -> np.ndarray:
    """Return for each test sample whether a model classifies it right, or what its answer is worth."""
    return Judged.of(data).credits(decisions_of(model, data, "test"))
