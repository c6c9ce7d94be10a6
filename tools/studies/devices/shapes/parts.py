"""What the networks of others are built of: convolutions whose windows are cut to the samples."""

from collections.abc import Callable

import keras
from keras import layers

Build = Callable[[tuple[int, ...], int], keras.Model]


def separable(
    shape: tuple[int, ...],
    classes: int,
    stem: int,
    stem_stride: tuple[int, int],
    filters: tuple[int, ...],
    strides: tuple[int, ...],
) -> keras.Model:
    """Return a convolution of (10, 4) and separable ones, for sounds."""
    source, x = start(shape)
    kernel = (10, 4) if x.shape[2] > 1 else (10, 1)
    stride = (stem_stride[0], min(stem_stride[1], x.shape[2]))
    x = layers.Conv2D(stem, kernel, stride, "same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width, step in zip(filters, strides, strict=True):
        x = convolved(depthwise(x, 3, step), width, 1, 1)
    return end(source, x, classes)


def start(shape: tuple[int, ...]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the input, and the samples as images: sequences have a width of 1."""
    source = keras.Input(shape)
    return source, source if len(shape) == 3 else layers.Reshape((shape[0], 1, shape[1]))(source)


def end(source: keras.KerasTensor, x: keras.KerasTensor, classes: int) -> keras.Model:
    """Return the network that pools what leaves the convolutions."""
    return keras.Model(source, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def sizes(x: keras.KerasTensor, size: int, stride: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return window and stride: both along time alone where the width is 1."""
    flat = x.shape[2] == 1
    return (size, 1 if flat else size), (stride, 1 if flat else stride)


def convolution(x: keras.KerasTensor, filters: int, size: int, stride: int) -> keras.KerasTensor:
    """Return a convolution alone."""
    kernel, strides = sizes(x, size, stride)
    return layers.Conv2D(filters, kernel, strides, "same", use_bias=False)(x)


def convolved(
    x: keras.KerasTensor, filters: int, size: int, stride: int, limit: float | None = None
) -> keras.KerasTensor:
    """Return a convolution with batch normalization and ReLU, at most `limit`."""
    return layers.ReLU(limit)(layers.BatchNormalization()(convolution(x, filters, size, stride)))


def depthwise(x: keras.KerasTensor, size: int, stride: int, limit: float | None = None) -> keras.KerasTensor:
    """Return a depthwise convolution with batch normalization and ReLU, at most `limit`."""
    kernel, strides = sizes(x, size, stride)
    if kernel[0] != kernel[1] or strides[0] != strides[1]:
        # TensorFlow's depthwise convolutions have equal strides: the width is 1, so that a square one is the same.
        kernel, strides = (size, 1), (stride, stride)
    x = layers.DepthwiseConv2D(kernel, strides, "same", use_bias=False)(x)
    return layers.ReLU(limit)(layers.BatchNormalization()(x))
