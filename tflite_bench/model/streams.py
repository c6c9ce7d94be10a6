"""Streams: networks that read a few frames of time at a step and keep in variables what they need of those before."""

from typing import Any

import numpy as np

from tflite_bench.model.info import ModelInfo

Array = np.ndarray[Any, np.dtype[Any]]


def has_resources(model: ModelInfo) -> bool:
    """Return whether a network keeps something in resource variables from one inference to the next."""
    return any(op.name == "VAR_HANDLE" for graph in model.subgraphs for op in graph.ops)


def is_window(model: ModelInfo, shape: tuple[int, ...]) -> bool:
    """Return whether samples of a shape are windows of frames for a network that reads fewer frames at a step.

    Args:
        model: The network.
        shape: Of one sample, `(time, ...)`.
    """
    if not has_resources(model) or len(model.inputs) != 1:
        return False
    frames, *rest = model.input_tensors[0].shape[1:] or (0,)
    return len(shape) == 1 + len(rest) and shape[1:] == tuple(rest) and shape[0] > frames > 0


def steps_of(model: ModelInfo, sample: Array) -> Array:
    """Return what a network is fed with for one sample: one array of batch 1 per inference.

    Args:
        model: The network.
        sample: Of the shape `(1, ...)`.
    """
    if not is_window(model, sample.shape[1:]):
        return sample[np.newaxis]
    return in_steps(sample, model.input_tensors[0].shape[1])


def in_steps(window: Array, frames: int) -> Array:
    """Return a window cut into steps; the first one is filled up in front with the oldest frame.

    Args:
        window: Of the shape `(1, time, ...)`.
        frames: Of a step.

    Returns:
        Shape `(steps, 1, frames, ...)`.
    """
    missing = -window.shape[1] % frames
    filled = np.concatenate([np.repeat(window[:, :1], missing, axis=1), window], axis=1)
    return filled.reshape(-1, 1, frames, *window.shape[2:])
