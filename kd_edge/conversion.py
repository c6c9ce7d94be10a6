"""Converts Keras models to `.tflite`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from kd_edge.errors import ConfigError, DataError, ModelError, nearest
from kd_edge.quiet import quiet

QUANTIZE_MODES = ("int8", "int16x8", "float16", "dynamic", "none")

Samples = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]


def convert(
    model: keras.Model,
    data: Samples | None = None,
    *,
    quantize: str = "int8",
    num_calibration_samples: int = 300,
    seed: int = 0,
) -> bytes:
    """Return a Keras model as the bytes of a `.tflite` file for one sample at a time.

    The model is cloned with a batch of 1 before converting: a dynamic batch leaves SHAPE, STRIDED_SLICE and PACK ops
    in the file.

    Args:
        model: A functional or sequential model.
        data: Training samples, shape `(samples, ...)`, scaled as for training; int8 and int16x8 calibrate on them. For
            several inputs a list or tuple of arrays in the order of `model.inputs`, or a dict of arrays by their names.
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
    clone = _batch_of_one(model)
    converter = tf.lite.TFLiteConverter.from_keras_model(clone)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int8", "int16x8"):
        samples = _calibration_samples(model, data, num_calibration_samples, seed)
        named = {source.name: values for source, values in zip(clone.inputs, samples, strict=True)}
        _quantize_fully(converter, named, sixteen_bits=quantize == "int16x8")
    try:
        with quiet():
            return _in_order(bytearray(converter.convert()), [source.name for source in clone.inputs])
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot convert {model.name!r} to {quantize}: {reason}") from error


def _batch_of_one(model: keras.Model) -> keras.Model:
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot convert {model.name!r}: expected a functional or sequential Keras model, built")
    for source in model.inputs:
        if None in source.shape[1:]:
            shape = tuple(source.shape[1:])
            raise ModelError(f"cannot convert {model.name!r}: expected a static input shape, received {shape}")
    # Fixed names: Keras' running number would make the bytes of the file differ from call to call.
    names = iter([f"input_{index}" for index in range(len(model.inputs))] if len(model.inputs) > 1 else ["input"])
    sources = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=next(names)),
        model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
    )
    clone = keras.models.clone_model(model, input_tensors=sources)
    clone.set_weights(model.get_weights())
    return clone


def _in_order(content: bytearray, input_names: list[str]) -> bytes:
    """Return a file that lists inputs and outputs as the model does; the converter's order is a hash of their names."""
    root = schema.Model.GetRootAs(content)
    graph, signature = root.Subgraphs(0), root.SignatureDefs(0)
    outputs = [f"output_{position}" for position in range(graph.OutputsLength())]
    for side, names in (("Inputs", input_names), ("Outputs", outputs)):
        entries = [getattr(signature, side)(i) for i in range(getattr(signature, f"{side}Length")())]
        tensors = {entry.Name().decode(): entry.TensorIndex() for entry in entries}
        if len(names) > 1 and set(names) == set(tensors):
            getattr(graph, f"{side}AsNumpy")()[:] = [tensors[name] for name in names]
    return bytes(content)


def _calibration_samples(model: keras.Model, data: Samples | None, count: int, seed: int) -> list[np.ndarray]:
    if data is None:
        raise DataError("no calibration data: int8 and int16x8 need training samples; give them with --data or data=")
    arrays = _arrays(model, data)
    for source, array in zip(model.inputs, arrays, strict=True):
        expected, received = tuple(source.shape[1:]), tuple(array.shape[1:])
        if received != expected:
            raise DataError(f"bad calibration data: expected samples of shape {expected}, received {received}")
        if not np.isfinite(array).all():
            raise DataError("bad calibration data: expected finite numbers, received NaN or infinity")
    if len(lengths := {len(array) for array in arrays}) > 1:
        raise DataError(f"bad calibration data: expected as many samples for each input, received {sorted(lengths)}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(arrays[0]))[:count])
    return [array[chosen].astype(np.float32) for array in arrays]


def _arrays(model: keras.Model, data: Samples) -> list[np.ndarray]:
    if isinstance(data, Mapping):
        names = [source.name for source in model.inputs]
        if set(data) != set(names):
            raise DataError(f"bad calibration data: expected arrays for {names}, received {sorted(data)}")
        return [data[name] for name in names]
    arrays = list(data) if isinstance(data, list | tuple) else [data]
    if len(arrays) != len(model.inputs):
        raise DataError(
            f"bad calibration data: expected one array for each of {len(model.inputs)} inputs, received {len(arrays)}"
        )
    return arrays


def _quantize_fully(converter: Any, samples: dict[str, np.ndarray], *, sixteen_bits: bool) -> None:
    def representative_dataset() -> Iterator[dict[str, np.ndarray]]:
        for values in zip(*samples.values(), strict=True):
            yield {name: value[np.newaxis] for name, value in zip(samples, values, strict=True)}

    ops = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    if sixteen_bits:
        ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [ops]
    converter.inference_input_type = converter.inference_output_type = tf.int16 if sixteen_bits else tf.int8
