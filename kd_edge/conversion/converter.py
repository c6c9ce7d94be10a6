"""Converts Keras models to `.tflite`."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.clone.comparison import check_clone, drawn_samples
from kd_edge.clone.conversion_errors import reason_of
from kd_edge.clone.file_order import in_order_of
from kd_edge.clone.inference_clone import batch_of_one, without_state
from kd_edge.clone.layer_names import layer_in, names_of
from kd_edge.clone.short_names import with_short_names
from kd_edge.clone.tflm_operators import with_tflm_operators
from kd_edge.config.choices import QUANTIZE_MODES
from kd_edge.conversion.calibration_checks import suspicions
from kd_edge.conversion.calibration_samples import choose_samples
from kd_edge.conversion.streams.converter import check_mode, step_converter
from kd_edge.data.given_arrays import as_array
from kd_edge.errors import CalibrationWarning, ConfigError, ConversionWarning, DataError, ModelError, nearest
from kd_edge.silence import quiet
from tflite_bench.model.quantized_values import integers_text, unlike_integers
from tflite_bench.model.reader import read_model

_LOOPS = ("While", "StatelessWhile")

Samples = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]


def convert(
    model: keras.Model,
    data: Samples | None = None,
    *,
    quantize: str = "int8",
    num_calibration_samples: int = 300,
    calibration: str = "random",
    stream: int | None = None,
    seed: int = 0,
) -> bytes:
    """Return a Keras model as the bytes of a `.tflite` file for one sample at a time.

    The model is cloned with a batch of 1 before converting: a dynamic batch leaves SHAPE, STRIDED_SLICE and PACK ops
    in the file. Recurrent layers are unrolled for int8 and int16x8, since TensorFlow's calibrator crashes on loops: the
    file has their ops once per time step. Of the first step, where the state is 0, a SPLIT may stay float.
    Tensors are called by the model's layers, see `kd_edge.clone.short_names`, inputs and outputs as the converter does.
    Inputs that only embeddings read are `int32` in the file. Samples of bytes (uint8) make a single int8 input of scale
    1 and zero point -128, which reads each byte less 128. Inputs and outputs have the order of `model.inputs` and
    `model.outputs`, whatever they are called. The clone is compared with the model before anything else.

    Args:
        model: A functional or sequential model; for int8 and int16x8 with at most 128 time steps.
        data: Training samples, shape `(samples, ...)`, scaled as for training; int8 and int16x8 calibrate on them. For
            several inputs a list or tuple of arrays in the order of `model.inputs`, or a dict of arrays by their names.
        quantize: `"int8"` (weights per channel, activations, input and output), `"int16x8"` (16-bit activations),
            `"float16"` (weights), `"dynamic"` (weights int8, arithmetic chosen at run time) or `"none"`.
        num_calibration_samples: How many samples of `data` calibrate.
        calibration: Which: `"random"` or `"first"`; see `choose_samples` for choices that need labels.
        stream: How many frames of time, the first axis of a sample, the file reads at a time: it then keeps in resource
            variables what it needs of those before, and answers at every step for the window that ends there. By
            default it reads whole windows.
        seed: Draws the random ones.

    Raises:
        ConfigError: `quantize` or `calibration` is unknown, or `num_calibration_samples` not positive; or the model
            cannot take as many frames as `stream` says at a time.
        DataError: Samples are needed and missing, or do not have the model's input shape.
        ModelError: A weight is not finite. Or TensorFlow cannot convert the model: the layer or TensorFlow's reason is
            in the message. Or the clone computes something else than the model: the layer at which they part is named.
            Or a layer cannot be streamed.

    Warns:
        CalibrationWarning: The samples do not look like those of the training: their activations are constant, or vary
            far more or less than BatchNormalization layers have seen.
        ConversionWarning: Of a `"dynamic"` file all weights stay float, since none has 1,024 numbers.
    """
    if quantize not in QUANTIZE_MODES:
        raise ConfigError(f"unknown quantize mode {quantize!r}: {nearest(quantize, QUANTIZE_MODES)}")
    if stream is not None:
        check_mode(quantize)
    calibrates = quantize in ("int8", "int16x8")
    _check_weights(model)
    clone = batch_of_one(model, unroll=calibrates)
    arrays = _arrays(model, data) if calibrates else arrays_or_drawn(model, data)
    check_clone(model, clone, arrays)
    if calibrates:
        for source, known, array in zip(model.inputs, clone.inputs, arrays, strict=True):
            _check_held(source, known.dtype, array)
    chosen = _choose(len(arrays[0]), num_calibration_samples, calibration, seed)
    alone = len(arrays) == 1
    pairs = zip(clone.inputs, arrays, strict=True)
    samples = [_read(array[chosen], source, whole_range=alone) for source, array in pairs]
    if calibrates:
        _check_no_loop(model, clone)
        if quantize == "int16x8":
            _check_no_integers(model, clone)
        for sentence in suspicions(without_state(model), samples):
            warnings.warn(sentence, CalibrationWarning, stacklevel=2)
    names = names_of(model)
    if stream is not None:
        step = step_converter(clone, samples[0], frames=stream, quantize=quantize)
        return with_short_names(_converted(step, model, quantize), names)
    converter = tf.lite.TFLiteConverter.from_keras_model(clone)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if calibrates:
        named = {source.name: values for source, values in zip(clone.inputs, samples, strict=True)}
        _quantize_fully(converter, named, sixteen_bits=quantize == "int16x8")
    content = in_order_of(clone, _converted(converter, model, quantize))
    if quantize == "dynamic":
        _warn_of_floats(content, model)
    return with_short_names(content, names)


def arrays_or_drawn(model: keras.Model, data: Samples | None) -> list[np.ndarray]:
    """Return the samples of each input, random ones where `data` has none that fit: for a comparison alone.

    Args:
        model: What reads them.
        data: As for `convert`.
    """
    try:
        return _arrays(model, data)
    except DataError:
        return drawn_samples(model)


def _converted(converter: Any, model: keras.Model, quantize: str) -> bytes:
    try:
        with quiet():
            return with_tflm_operators(bytes(converter.convert()))
    except Exception as error:
        raise ModelError(f"cannot convert {model.name!r} to {quantize}: {reason_of(error, model)}") from error


def _warn_of_floats(content: bytes, model: keras.Model) -> None:
    if not any(tensor.dtype == "int8" for tensor in read_model(content).tensors):
        warnings.warn(
            f"the weights of {model.name!r} stay float: TensorFlow's dynamic quantization leaves constants of fewer "
            "than 1,024 numbers as they are",
            ConversionWarning,
            stacklevel=3,
        )


def _check_no_loop(model: keras.Model, clone: keras.Model) -> None:
    """Refuse models that loop: TensorFlow's calibrator crashes on them, and the process with it."""
    sources = clone.inputs[0] if isinstance(clone, keras.Sequential) else clone.input
    specs = keras.tree.map_structure(lambda source: tf.TensorSpec(source.shape, source.dtype), sources)
    graph = tf.function(lambda x: clone(x, training=False)).get_concrete_function(specs).graph
    for operation in graph.get_operations():
        if operation.type in _LOOPS:
            layer = layer_in(operation.name, names_of(model)) or operation.name
            raise ModelError(
                f"cannot quantize {model.name!r}: expected a model without loops, received one in layer {layer!r}; "
                "convert to dynamic or float16"
            )


def _check_no_integers(model: keras.Model, clone: keras.Model) -> None:
    """Refuse inputs that TensorFlow wants ranges of and then records none."""
    if found := [source.name for source, known in zip(model.inputs, clone.inputs, strict=True) if "int" in known.dtype]:
        raise ModelError(
            f"cannot convert {model.name!r} to int16x8: expected inputs of numbers, received indices in {found}; "
            "convert to int8, float16 or dynamic"
        )


def _check_weights(model: keras.Model) -> None:
    """Refuse a model whose training ran away: its file would answer nothing, and compare equal to it.

    Raises:
        ModelError: A weight is not finite.
    """
    for weight in model.weights:
        array = np.asarray(weight)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(
                f"cannot convert {model.name!r}: expected finite weights, received nan or inf in {weight.path!r}; "
                "train it again, at a lower learning rate"
            )


def _check_held(source: Any, dtype: str, array: np.ndarray) -> None:
    """Refuse samples that the integers of an input do not hold."""
    if (strange := unlike_integers(array, dtype)) is not None:
        raise DataError(
            f"bad calibration data for input {source.name!r}: expected {integers_text(dtype)}, received {strange:g}"
        )


def _read(samples: np.ndarray, source: Any, *, whole_range: bool) -> np.ndarray:
    """Return samples as an input reads them, bytes maybe such that they reach 0 and 255, in one number each.

    The int8 input then has a scale of 1 and a zero point of -128: what is read is a byte less 128, exactly. Not so with
    several inputs: those that are joined have one scale, and that of bytes is too coarse for others.

    Args:
        samples: Of one input.
        source: The input, by its type: indices, which stay integers, are no such bytes.
        whole_range: Whether bytes reach 0 and 255.
    """
    if whole_range and samples.dtype == np.uint8 and "int" not in source.dtype:
        samples.flat[[0, -1]] = 0, 255
    return samples.astype(source.dtype)


def _choose(num_samples: int, count: int, choice: str, seed: int) -> np.ndarray:
    if choice == "balanced":
        raise ConfigError("bad choice of calibration samples: expected one without labels, received 'balanced'")
    return choose_samples(np.zeros(num_samples), num_samples=count, choice=choice, seed=seed)


def _arrays(model: keras.Model, data: Samples | None) -> list[np.ndarray]:
    """Return the samples of each input."""
    if data is None:
        raise DataError("no calibration data: int8 and int16x8 need training samples; give them with --data or data=")
    arrays = _one_per_input(model, data)
    for source, array in zip(model.inputs, arrays, strict=True):
        expected, received = tuple(source.shape[1:]), tuple(array.shape[1:])
        if received != expected:
            which = f" for input {source.name!r}" if len(arrays) > 1 else ""
            raise DataError(f"bad calibration data{which}: expected samples of shape {expected}, received {received}")
        if not len(array):
            raise DataError("no calibration data: expected one or more samples, received none")
        if not np.isfinite(array).all():
            raise DataError("bad calibration data: expected finite numbers, received NaN or infinity")
        _check_held(source, source.dtype, array)
    if len(lengths := {len(array) for array in arrays}) > 1:
        raise DataError(f"bad calibration data: expected as many samples for each input, received {sorted(lengths)}")
    return arrays


def _one_per_input(model: keras.Model, data: Samples) -> list[np.ndarray]:
    names = [source.name for source in model.inputs]
    if isinstance(data, Mapping):
        if set(data) != set(names):
            raise DataError(f"bad calibration data: expected arrays for {names}, received {sorted(data)}")
        return [_numbers(data[name]) for name in names]
    arrays = [_numbers(array) for array in data] if isinstance(data, list | tuple) else [_numbers(data)]
    if len(arrays) != len(model.inputs):
        raise DataError(
            f"bad calibration data: expected one array for each of {len(names)} inputs, received {len(arrays)}; "
            f"their names are {names}"
        )
    return arrays


def _numbers(values: Any) -> np.ndarray:
    array = as_array(values, "samples", "the calibration data")
    array = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    if array.dtype.kind not in "biuf":
        raise DataError(f"bad calibration data: expected numbers, received {array.dtype}")
    return array


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
