"""Layers of Keras written in operators that TFLM has, where Keras writes them in operators that it lacks.

Keras makes TILE of an upsampling and of `RepeatVector`, SELECT of an `Embedding` (a negative index counts from the end)
and REDUCE_ANY of `Masking`.
"""

from typing import Any

import keras
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
    keras.layers.RepeatVector: _RepeatVector,
    keras.layers.Embedding: _Embedding,
    keras.layers.Masking: _Masking,
}


def class_for_tflm(layer: keras.layers.Layer) -> Any:
    """Return the class that makes a layer anew: its own, or one that does the same in operators that TFLM has."""
    return _WRITTEN_OTHERWISE.get(type(layer), type(layer))


def _resized(images: Any, factors: tuple[int, int]) -> Any:
    sizes = [images.shape[1] * factors[0], images.shape[2] * factors[1]]
    # That of the raw operator by its rounding is the one that repeats.
    return tf.raw_ops.ResizeNearestNeighbor(images=images, size=sizes, align_corners=False, half_pixel_centers=False)
