"""What firmware has to know to read a model's output, for the templates: names, thresholds, units."""

import math
from typing import Any

import numpy as np

from kd_edge.data.task import Task
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.c_literals import c_float
from tflite_bench.model.info import TensorInfo


def task_values(settings: Settings, target: TensorInfo) -> dict[str, Any]:
    """Return what `task.h` needs beside the settings.

    Args:
        settings: With the task.
        target: The model's output.
    """
    task = settings.task
    count = len(task.names)
    values: dict[str, Any] = {
        "units": task.units or ("",) * count,
        "mean": task.mean or (0.0,) * count,
        "deviation": task.deviation or (1.0,) * count,
    }
    if task.kind in ("binary", "multilabel"):
        values["threshold_text"] = raw_threshold(task, target, probabilities=settings.probabilities)
        values["threshold_note"] = threshold_note(task, target, probabilities=settings.probabilities)
        values["threshold_type"] = "int32_t" if target.scales else "float"
    return values


def raw_threshold(task: Task, target: TensorInfo, *, probabilities: bool) -> str:
    """Return as C the raw output above which a binary network says yes, or a label counts.

    Of a quantized output it is the largest whole number whose real number does not exceed the limit, or next to the
    range of the output's type where that is beyond it.

    Args:
        task: Its threshold is a probability.
        target: The output.
        probabilities: Whether outputs are probabilities, not logits.
    """
    raw = _raw_limit(task, target, probabilities)
    if not target.scales:
        return c_float(raw)
    low, high = _reach(target, probabilities)
    return f"({int(max(low - 1, min(raw, high)))})"


def threshold_note(task: Task, target: TensorInfo, *, probabilities: bool) -> str:
    """Return a sentence on a threshold that makes all answers the same, for any other one nothing; see `raw_threshold`.

    Args:
        task: Its threshold is a probability.
        target: The output.
        probabilities: Whether outputs are probabilities, not logits.
    """
    raw, (low, high) = _raw_limit(task, target, probabilities), _reach(target, probabilities)
    if raw >= high:
        return f"No {target.dtype} output exceeds it: the answer is always no."
    return f"Every {target.dtype} output exceeds it: the answer is always yes." if raw < low else ""


def _raw_limit(task: Task, target: TensorInfo, probabilities: bool) -> float:
    limit = task.threshold if probabilities else math.log(task.threshold / (1 - task.threshold))
    if target.scales:
        return math.floor(limit / target.scales[0] + target.zero_points[0])
    return float(np.float32(limit))


def _reach(target: TensorInfo, probabilities: bool) -> tuple[float, float]:
    """Return the least and the largest raw number that an output can be."""
    if target.dtype != "float32":
        limits = np.iinfo(target.dtype)
        return int(limits.min), int(limits.max)
    return (0.0, 1.0) if probabilities else (-math.inf, math.inf)


def output_lines(settings: Settings) -> tuple[str, ...]:
    """Return what the comment of `model_invoke` and the README say of the output.

    Args:
        settings: With the task.
    """
    if settings.parts:
        return (
            f"MODEL_OUTPUT_ELEMENTS numbers, those of the outputs {', '.join(settings.parts)} one after the other;",
            "model_settings.h has functions that read each.",
        )
    if not settings.meaning_known:
        return (
            "MODEL_OUTPUT_ELEMENTS numbers; the file does not say what they mean:",
            "probabilities, which a softmax or sigmoid makes, of more than one answer."
            if settings.probabilities
            else "logits where it tells classes apart, since no softmax or sigmoid makes them.",
        )
    plural = {"probability": "probabilities", "logit": "logits"}.get(settings.output, "numbers")
    return {
        "multiclass": (
            f"MODEL_OUTPUT_ELEMENTS {plural}, one for each of model_class_names; the largest is the answer.",
        ),
        "binary": (
            f"one number, the {settings.output} of model_class_names[1];",
            "model_holds says whether it exceeds MODEL_OUTPUT_THRESHOLD.",
        ),
        "multilabel": (
            f"MODEL_OUTPUT_ELEMENTS {plural}, one for each of model_label_names;",
            "model_holds says which exceed MODEL_OUTPUT_THRESHOLD.",
        ),
        "regression": (
            "MODEL_OUTPUT_ELEMENTS numbers, neither logits nor probabilities, one for each of model_value_names;",
            "model_value gives each in its unit, model_value_units.",
        ),
        "reconstruction": (
            "the input, reconstructed, neither logits nor probabilities;",
            "model_anomaly_score of both exceeds MODEL_ANOMALY_THRESHOLD where the input is an anomaly.",
        ),
    }[settings.task.kind]
