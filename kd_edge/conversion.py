"""Converts Keras models to `.tflite`."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.errors import ConfigError, DataError, ModelError, nearest
from kd_edge.quiet import quiet

QUANTIZE_MODES = ("int8", "int16x8", "float16", "dynamic", "none")


def convert(
    model: keras.Model,
    data: np.ndarray | None = None,
    *,
    quantize: str = "int8",
    num_calibration_samples: int = 300,
    seed: int = 0,
) -> bytes:
    """Return a Keras model as the bytes of a `.tflite` file for one sample at a time.

    The model is cloned with a batch of 1 before converting: a dynamic batch leaves SHAPE, STRIDED_SLICE and PACK ops
    in the file.

    Args:
        model: A functional or sequential model with one input.
        data: Training samples, shape `(samples, ...)`, scaled as for training; int8 and int16x8 calibrate on them.
        quantize: `"int8"` (weights per channel, activations, input and output), `"int16x8"` (16-bit activations),
            `"float16"` (weights), `"dynamic"` (weights int8, arithmetic chosen at run time) or `"none"`.
        num_calibration_samples: How many samples of `data` are drawn for calibration.
        seed: Draws them.

    Raises:
        ConfigError: `quantize` is unknown.
        DataError: Samples are needed and missing, or do not have the model's input shape.
        ModelError: TensorFlow cannot convert the model; its reason is in the message.
    """
    if quantize not in QUANTIZE_MODES:
        raise ConfigError(f"unknown quantize mode {quantize!r}: {nearest(quantize, QUANTIZE_MODES)}")
    converter = tf.lite.TFLiteConverter.from_keras_model(_batch_of_one(model))
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int8", "int16x8"):
        samples = _calibration_samples(model, data, num_calibration_samples, seed)
        _quantize_fully(converter, samples, sixteen_bits=quantize == "int16x8")
    try:
        with quiet():
            return bytes(converter.convert())
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot convert {model.name!r} to {quantize}: {reason}") from error


def _batch_of_one(model: keras.Model) -> keras.Model:
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot convert {model.name!r}: expected a functional or sequential Keras model, built")
    if len(model.inputs) != 1:
        raise ModelError(f"cannot convert {model.name!r}: expected one input, received {len(model.inputs)}")
    shape = model.inputs[0].shape[1:]
    if None in shape:
        raise ModelError(f"cannot convert {model.name!r}: expected a static input shape, received {tuple(shape)}")
    # A fixed name: Keras' running number would make the bytes of the file differ from call to call.
    source = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=(1, *shape), dtype=tensor.dtype, name="input"),
        model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
    )
    clone = keras.models.clone_model(model, input_tensors=source)
    clone.set_weights(model.get_weights())
    return clone


def _calibration_samples(model: keras.Model, data: np.ndarray | None, count: int, seed: int) -> np.ndarray:
    shape = tuple(model.inputs[0].shape[1:])
    if data is None:
        raise DataError("no calibration data: int8 and int16x8 need training samples; give them with --data or data=")
    if tuple(data.shape[1:]) != shape:
        raise DataError(f"bad calibration data: expected samples of shape {shape}, received {tuple(data.shape[1:])}")
    if not np.isfinite(data).all():
        raise DataError("bad calibration data: expected finite numbers, received NaN or infinity")
    chosen = np.random.default_rng(seed).permutation(len(data))[:count]
    return data[np.sort(chosen)].astype(np.float32)


def _quantize_fully(converter: Any, samples: np.ndarray, *, sixteen_bits: bool) -> None:
    def representative_dataset() -> Iterator[list[np.ndarray]]:
        for sample in samples:
            yield [sample[np.newaxis]]

    ops = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    if sixteen_bits:
        ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [ops]
    converter.inference_input_type = converter.inference_output_type = tf.int16 if sixteen_bits else tf.int8
