"""Converts Keras models to `.tflite`."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.errors import CalibrationWarning, ConfigError, DataError, ModelError, nearest
from kd_edge.origins import layer_in, names_of
from kd_edge.quiet import quiet
from kd_edge.ranges import suspicions

_NO_TFLITE_OP = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_LOOPS = ("While", "StatelessWhile")

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
        ModelError: TensorFlow cannot convert the model: the layer or TensorFlow's reason is in the message.

    Warns:
        CalibrationWarning: The samples do not look like those of the training: their activations are constant, or vary
            far more or less than BatchNormalization layers have seen.
    """
    if quantize not in QUANTIZE_MODES:
        raise ConfigError(f"unknown quantize mode {quantize!r}: {nearest(quantize, QUANTIZE_MODES)}")
    clone = batch_of_one(model)
    converter = tf.lite.TFLiteConverter.from_keras_model(clone)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int8", "int16x8"):
        samples = _calibration_samples(model, data, num_calibration_samples, seed)
        _check_no_loop(model, clone)
        for sentence in suspicions(model, samples):
            warnings.warn(sentence, CalibrationWarning, stacklevel=2)
        _quantize_fully(converter, samples, sixteen_bits=quantize == "int16x8")
    try:
        with quiet():
            return bytes(converter.convert())
    except Exception as error:
        raise ModelError(f"cannot convert {model.name!r} to {quantize}: {_reason(error, model)}") from error


def batch_of_one(model: keras.Model) -> keras.Model:
    """Return a clone of a model, weights included, that reads one sample at a time.

    Raises:
        ModelError: The model is subclassed or not built, has several inputs, or a size that is not known.
    """
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
    clone = keras.models.clone_model(model, input_tensors=source, clone_function=_clone_layer)
    clone.set_weights(model.get_weights())
    return clone


def _clone_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.layers.Lambda):
        # Its function is already running in this process; reading it from a configuration is refused by Keras.
        return keras.layers.Lambda(layer.function, arguments=layer.arguments, name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _check_no_loop(model: keras.Model, clone: keras.Model) -> None:
    """Refuse models that loop: TensorFlow's calibrator crashes on them, and the process with it."""
    source = clone.inputs[0]
    function = tf.function(lambda x: clone(x, training=False))
    graph = function.get_concrete_function(tf.TensorSpec(source.shape, source.dtype)).graph
    for operation in graph.get_operations():
        if operation.type in _LOOPS:
            layer = layer_in(operation.name, names_of(model)) or operation.name
            raise ModelError(
                f"cannot quantize {model.name!r}: expected a model without loops, received one in layer {layer!r}; "
                "give recurrent layers unroll=True"
            )


def _reason(error: Exception, model: keras.Model) -> str:
    text = str(error).strip()
    ops = sorted(set(_NO_TFLITE_OP.findall(text)))
    if not ops:
        return text.splitlines()[0] if text else type(error).__name__
    paths = (re.search(rf'fused\["{op}:", "([^"@]+)', text) for op in ops)
    layers = [layer_in(path[1], names_of(model)) if path else None for path in paths]
    made = ", ".join(f"{op} (layer {layer!r})" for op, layer in zip(ops, layers, strict=True))
    return f"TFLite has no operator for {made}; replace the layer by one that is made of TFLite's operators"


def _calibration_samples(model: keras.Model, data: np.ndarray | None, count: int, seed: int) -> np.ndarray:
    shape = tuple(model.inputs[0].shape[1:])
    if data is None:
        raise DataError("no calibration data: int8 and int16x8 need training samples; give them with --data or data=")
    if not len(data):
        raise DataError("no calibration data: expected one or more samples, received none")
    if tuple(data.shape[1:]) != shape:
        raise DataError(f"bad calibration data: expected samples of shape {shape}, received {tuple(data.shape[1:])}")
    if not np.isfinite(data).all():
        raise DataError("bad calibration data: expected finite numbers, received NaN or infinity")
    chosen = np.random.default_rng(seed).permutation(len(data))[:count]
    return data[np.sort(chosen)].astype(model.inputs[0].dtype)


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
