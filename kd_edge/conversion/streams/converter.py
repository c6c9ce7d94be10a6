"""Converts the step of a streamed model: what it keeps between steps is quantized, too."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.tensorflow import quantize_variables
from kd_edge.conversion.streams.step import StreamStep, check_stream
from kd_edge.errors import ConfigError, ConversionWarning, ModelError

STREAM_MODES = ("int8", "float16", "dynamic", "none")
_NUM_CHECKED = 4


def check_mode(quantize: str) -> None:
    """Refuse what streams are not converted to.

    Raises:
        ConfigError: A stream is not converted so.
    """
    if quantize not in STREAM_MODES:
        raise ConfigError(
            f"bad quantize mode for a stream: expected one of {', '.join(STREAM_MODES)}, received {quantize!r}"
        )


def step_converter(clone: keras.Model, windows: np.ndarray, *, frames: int, quantize: str) -> Any:
    """Return a converter for a step of a model, whose quantization calibrates on windows, frame after frame.

    The ring buffers are not emptied between these windows, as in a stream.

    Args:
        clone: The model for one window at a time.
        windows: Samples as the model reads them, which calibrate; the first few also show that the step computes what
            the model does.
        frames: How many frames a step takes.
        quantize: One of `STREAM_MODES`.

    Raises:
        ConfigError: A step cannot take so many frames.
        ModelError: A layer cannot be streamed, or the step computes something else than the model.

    Warns:
        ConversionWarning: The model pads its windows with zeros, which a stream has in front of its first window only.
    """
    if "int" in clone.inputs[0].dtype:
        raise ModelError(f"cannot stream {clone.name!r}: expected frames of numbers, received indices")
    step = StreamStep(clone, frames)
    check_stream(clone, step, windows[:_NUM_CHECKED])
    step.forget()
    if step.stream.pads:
        warnings.warn(
            f"{clone.name!r} pads its windows in front: the stream's answer is the window's after its first "
            f"{step.stream.window} frames; later ones have seen older frames in the place of zeros",
            ConversionWarning,
            stacklevel=3,
        )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([step.run.get_concrete_function()], step)
    converter.experimental_enable_resource_variables = True
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        converter.representative_dataset = lambda: _frames(step, windows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        quantize_variables(converter)
    return converter


def _frames(step: StreamStep, windows: np.ndarray) -> Iterator[list[np.ndarray]]:
    for window in windows:
        for frames in step.steps(window):
            yield [frames]
