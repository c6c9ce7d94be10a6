"""The large network that guides the students: built here, or read from a file."""

from collections.abc import Mapping
from types import MappingProxyType

import keras

from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.heads import with_heads
from kd_edge.ir.layers import Add, Conv2D, Flatten, GlobalAveragePooling2D, ReLU, Reshape
from kd_edge.ir.layers.core import BatchNormalization, Dense, Dropout, SpatialDropout2D

_GROWTH = (1.0, 1.0, 1.5, 2.0)


def build_teacher(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    width: int = 64,
    reconstructs: bool = False,
    heads: Mapping[str, int] = MappingProxyType({}),
) -> keras.Model:
    """Return an untrained residual network (arXiv 1512.03385) with dropout, or a dense one for flat samples.

    For a reconstruction it is an autoencoder of dense layers in the proportions of MLPerf Tiny's (arXiv 2106.07597).

    Args:
        input_shape: Shape of one sample: `(features,)`, `(time, channels)` or `(height, width, channels)`.
        num_classes: Number of outputs, `Dataset.num_outputs`: of classes the logits.
        width: Channels of the first convolution; a dense network has four times as many units, an autoencoder twice.
        reconstructs: Whether it answers with the sample. Defaults to `False`.
        heads: `Dataset.heads`: of several outputs how many of the numbers each has, by its name. Defaults to one
            output.

    Returns:
        The network, named `"teacher"`, with fresh weights from Keras' global generator.
    """
    if reconstructs:
        drawn = _autoencoder(input_shape, num_classes, width)
    elif len(input_shape) == 1:
        drawn = _dense_teacher(input_shape, num_classes, width)
    else:
        drawn = _residual_teacher(input_shape, num_classes, width)
    return with_heads(drawn, heads).to_keras(name="teacher")


def _residual_teacher(input_shape: tuple[int, ...], num_classes: int, width: int) -> Blueprint:
    sketch = Sketch(input_shape)
    flat = len(input_shape) == 2
    if flat:
        sketch.add(Reshape((input_shape[0], 1, input_shape[1])))
    kernel, step, stem = ((5, 1), (2, 1), (7, 1)) if flat else ((3, 3), (2, 2), (3, 3))
    last = _convolve(sketch, width, stem, step)
    sketch.add(ReLU())
    for index, growth in enumerate(_GROWTH[1:]):
        last = _residual(sketch, round(width * growth), kernel, step if index else (1, 1))
    sketch.add(GlobalAveragePooling2D(), last)
    sketch.add(Dropout(0.3))
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def _convolve(sketch: Sketch, filters: int, kernel: tuple[int, int], strides: tuple[int, int]) -> int:
    sketch.add(Conv2D(filters, kernel, strides, "same", use_bias=False))
    return sketch.add(BatchNormalization())


def _residual(sketch: Sketch, filters: int, kernel: tuple[int, int], strides: tuple[int, int]) -> int:
    shortcut = sketch.last
    _convolve(sketch, filters, kernel, strides)
    sketch.add(ReLU())
    sketch.add(SpatialDropout2D(0.1))
    branch = _convolve(sketch, filters, kernel, (1, 1))
    if strides != (1, 1):
        sketch.add(Conv2D(filters, (1, 1), strides, "same", use_bias=False), shortcut)
        shortcut = sketch.add(BatchNormalization())
    sketch.add(Add(), branch, shortcut)
    return sketch.add(ReLU())


def _autoencoder(input_shape: tuple[int, ...], num_outputs: int, width: int) -> Blueprint:
    sketch = Sketch(input_shape)
    if len(input_shape) > 1:
        sketch.add(Flatten())
    for units in (*[2 * width] * 4, max(width // 8, 1), *[2 * width] * 4):
        sketch.add(Dense(units, use_bias=False))
        sketch.add(BatchNormalization())
        sketch.add(ReLU())
    return sketch.blueprint(sketch.add(Dense(num_outputs)))


def _dense_teacher(input_shape: tuple[int, ...], num_classes: int, width: int) -> Blueprint:
    sketch = Sketch(input_shape)
    for _ in range(3):
        sketch.add(Dense(4 * width, activation="relu"))
        sketch.add(Dropout(0.3))
    return sketch.blueprint(sketch.add(Dense(num_classes)))
