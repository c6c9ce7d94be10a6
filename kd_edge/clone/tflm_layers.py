"""Layers and operations of Keras written in operators that TFLM has, where Keras writes them in ones that it lacks.

Keras makes TILE of an upsampling, of `RepeatVector`, `keras.ops.tile` and `keras.ops.repeat`, SELECT of an `Embedding`
(a negative index counts from the end), REDUCE_ANY of `Masking` and `keras.ops.any`, a comparison of bits of
`keras.ops.argmax` and `argmin`, GATHER by 64 bits of `keras.ops.take`, and EXP of a `selu`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class _UpSampling2D(keras.layers.UpSampling2D):  # type: ignore[misc]
    """Resizes to the nearest pixel, which by whole factors is to repeat."""

    def call(self, inputs: Any) -> Any:
        if self.interpolation != "nearest" or self.data_format != "channels_last":
            return super().call(inputs)
        return _resized(inputs, self.size)


class _UpSampling1D(keras.layers.UpSampling1D):  # type: ignore[misc]
    """Resizes an image of width 1."""

    def call(self, inputs: Any) -> Any:
        return tf.squeeze(_resized(tf.expand_dims(inputs, 2), (self.size, 1)), 2)


class _UpSampling3D(keras.layers.UpSampling3D):  # type: ignore[misc]
    """Resizes images whose channels are the last two axes, and then those whose height is the depth."""

    def call(self, inputs: Any) -> Any:
        if self.data_format != "channels_last":
            return super().call(inputs)
        depth, height, width, channels = inputs.shape[1:]
        by_depth, by_height, by_width = self.size
        flat = _resized(tf.reshape(inputs, (-1, height, width, channels)), (by_height, by_width))
        deep = _resized(tf.reshape(flat, (-1, depth, by_height * height * by_width * width, channels)), (by_depth, 1))
        return tf.reshape(deep, (-1, by_depth * depth, by_height * height, by_width * width, channels))


class _RepeatVector(keras.layers.RepeatVector):  # type: ignore[misc]
    """Puts the vector beside itself."""

    def call(self, inputs: Any) -> Any:
        return tf.concat([tf.expand_dims(inputs, 1)] * self.n, axis=1)


class _Embedding(keras.layers.Embedding):  # type: ignore[misc]
    """Gathers rows by indices from 0."""

    def call(self, inputs: Any) -> Any:
        table = tf.cast(tf.convert_to_tensor(self.embeddings), self.compute_dtype)
        return tf.gather(table, tf.cast(inputs, tf.int32))


class _Masking(keras.layers.Masking):  # type: ignore[misc]
    """Masks the steps whose largest distance from the mask's value is 0."""

    def call(self, inputs: Any) -> Any:
        return tf.where(tf.expand_dims(self.compute_mask(inputs), -1), inputs, tf.zeros_like(inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        del mask
        distance = inputs - self.mask_value if self.mask_value else inputs
        return keras.ops.max(keras.ops.abs(distance), axis=-1) > 0


_WRITTEN_OTHERWISE: dict[type, type] = {
    keras.layers.UpSampling2D: _UpSampling2D,
    keras.layers.UpSampling1D: _UpSampling1D,
    keras.layers.UpSampling3D: _UpSampling3D,
    keras.layers.RepeatVector: _RepeatVector,
    keras.layers.Embedding: _Embedding,
    keras.layers.Masking: _Masking,
}


def _tile(operation: Any, inputs: Any) -> Any:
    """Put a tensor beside itself along each axis."""
    repeats = [operation.repeats] if isinstance(operation.repeats, int) else [int(count) for count in operation.repeats]
    missing = len(repeats) - len(inputs.shape)
    tiled = tf.reshape(inputs, (*[1] * missing, *inputs.shape)) if missing > 0 else inputs
    for axis, count in zip(range(-len(repeats), 0), repeats, strict=True):
        tiled = tf.concat([tiled] * count, axis=axis) if count > 1 else tiled
    return tiled


def _repeat(operation: Any, inputs: Any) -> Any:
    """Put each slice beside itself."""
    axis, repeats = operation.axis, operation.repeats
    if axis is None or not isinstance(repeats, int) or axis % len(inputs.shape) == 0:
        return type(operation).call(operation, inputs)
    axis %= len(inputs.shape)
    shape = [-1, *inputs.shape[1:]]
    shape[axis] *= repeats
    return tf.reshape(tf.concat([tf.expand_dims(inputs, axis + 1)] * repeats, axis=axis + 1), shape)


def _any(operation: Any, inputs: Any) -> Any:
    """Ask whether the largest of zeros and ones is a one."""
    ones = tf.cast(tf.cast(inputs, tf.bool), tf.float32)
    return tf.reduce_max(ones, axis=operation.axis, keepdims=operation.keepdims) > 0


def _not_equal(operation: Any, one: Any, other: Any) -> Any:
    """Ask for the distance of numbers, as of a `Masking`: in int8 two that are equal may lie on two scales."""
    del operation
    one, other = tf.convert_to_tensor(one), tf.convert_to_tensor(other)
    return tf.abs(one - other) > 0 if one.dtype.is_floating and one.dtype == other.dtype else tf.not_equal(one, other)


def _argmax(operation: Any, inputs: Any, *, position: Any = tf.argmax) -> Any:
    """Ask for the position alone, where Keras asks for the sign of zeros first."""
    if operation.axis is None:
        return type(operation).call(operation, inputs)
    found = position(inputs, axis=operation.axis, output_type=tf.int32)
    return tf.expand_dims(found, operation.axis) if operation.keepdims else found


def _take(operation: Any, inputs: Any, indices: Any) -> Any:
    """Gather by indices of 32 bits, constant ones counted from the front."""
    if operation.axis is None or tf.is_tensor(indices):
        return type(operation).call(operation, inputs, indices)
    positions = np.asarray(indices)
    positions = np.where(positions < 0, positions + inputs.shape[operation.axis], positions)
    return tf.gather(inputs, positions.astype(np.int32), axis=operation.axis)


# Of Klambauer et al., arXiv 1706.02515.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _selu(inputs: Any) -> Any:
    """Add up ELU and RELU, where Keras takes the exponential of numbers above 0, too: in int8 those leave no steps."""
    return _SELU_SCALE * (_SELU_ALPHA * tf.nn.elu(inputs) + (1 - _SELU_ALPHA) * tf.nn.relu(inputs))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Any": _any,
    "Argmax": _argmax,
    "Argmin": partial(_argmax, position=tf.argmin),
    "NotEqual": _not_equal,
    "Repeat": _repeat,
    "Selu": lambda operation, inputs: _selu(inputs),
    "Take": _take,
    "Tile": _tile,
}
# What `kd_edge.ir` reads keeps the names that Keras gives it, by which the size of the file is predicted.
_KEEP_NAMES = frozenset(("Add", "Subtract", "Multiply", "TrueDivide", "Divide", "GetItem", "Stack"))


def operation_for_tflm(operation: Any) -> Any:
    """Return an operation such as `keras.ops.tile` anew, in operators that TFLM has where it is known how.

    Its name is a scope of its own in the file, as those of layers are: without one nobody could tell who made an
    operator.

    Args:
        operation: Of Keras; no layer.
    """
    made = type(operation).from_config(operation.get_config())
    kind = type(operation).__name__
    if kind not in _KEEP_NAMES:
        made.call = partial(_in_scope, made, partial(_OPERATIONS[kind], made) if kind in _OPERATIONS else made.call)
    return made


def _in_scope(operation: Any, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with tf.name_scope(f"{operation.name}_1"):  # as of a layer, whose second scope has a number
        return call(*args, **kwargs)


def layer_for_tflm(layer: keras.layers.Layer, config: Any) -> Any:
    """Return a layer anew, in operators that TFLM has where it is known how.

    Args:
        layer: Of Keras, or one's own.
        config: Of the new one.
    """
    kind: Any = _WRITTEN_OTHERWISE.get(type(layer), type(layer))
    made = kind.from_config(config)
    if getattr(made, "activation", None) is keras.activations.selu:
        made.activation = _selu
    return made


def _resized(images: Any, factors: tuple[int, int]) -> Any:
    sizes = [images.shape[1] * factors[0], images.shape[2] * factors[1]]
    # That of the raw operator by its rounding is the one that repeats.
    return tf.raw_ops.ResizeNearestNeighbor(images=images, size=sizes, align_corners=False, half_pixel_centers=False)
