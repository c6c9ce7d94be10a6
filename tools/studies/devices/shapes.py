"""Networks of others with public architectures, for samples of any shape; ours to compare with.

The channels and strides are theirs, the windows are cut to the samples. Logits out.
"""

from collections.abc import Callable

import keras
from keras import layers

from kd_edge.distillation.models.teacher_models import build_teacher

Build = Callable[[tuple[int, ...], int], keras.Model]
TEACHER_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def ds_cnn(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MLPerf Tiny's keyword spotter: a convolution and four separable ones of 64 channels (arXiv 2106.07597)."""
    return _separable(shape, classes, 64, (2, 2), (64,) * 4, (1,) * 4)


def micronet_kws_s(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MicroNet-KWS-S, found by differentiable search (arXiv 2010.11267)."""
    return _separable(shape, classes, 84, (1, 1), (112, 84, 84, 84, 196), (2, 1, 1, 1, 1))


def resnet_8(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MLPerf Tiny's image classifier: three residual blocks of 16, 32 and 64 channels (arXiv 2106.07597)."""
    source, x = _start(shape)
    x = _convolved(x, 16, 3, 1)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        branch = _convolved(x, filters, 3, stride)
        branch = layers.BatchNormalization()(_convolution(branch, filters, 3, 1))
        x = x if stride == 1 else _convolution(x, filters, 1, stride)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return _end(source, x, classes)


def mobilenet_quarter(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MobileNetV1 of a quarter of the width, MLPerf Tiny's person detector (arXiv 1704.04861, 2106.07597)."""
    source, x = _start(shape)
    x = _convolved(x, 8, 3, 2)
    plan = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    for filters, stride in plan:
        x = _convolved(_depthwise(x, 3, stride), filters, 1, 1)
    return _end(source, x, classes)


def teacher_of(width: int) -> Build:
    """Return what builds the teacher's architecture with fewer channels everywhere."""
    return lambda shape, classes: build_teacher(shape, classes, width=width)


def _separable(
    shape: tuple[int, ...],
    classes: int,
    stem: int,
    stem_stride: tuple[int, int],
    filters: tuple[int, ...],
    strides: tuple[int, ...],
) -> keras.Model:
    source, x = _start(shape)
    kernel = (10, 4) if x.shape[2] > 1 else (10, 1)
    stride = (stem_stride[0], min(stem_stride[1], x.shape[2]))
    x = layers.Conv2D(stem, kernel, stride, "same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width, step in zip(filters, strides, strict=True):
        x = _convolved(_depthwise(x, 3, step), width, 1, 1)
    return _end(source, x, classes)


def _start(shape: tuple[int, ...]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the input, and the samples as images: sequences have a width of 1."""
    source = keras.Input(shape)
    return source, source if len(shape) == 3 else layers.Reshape((shape[0], 1, shape[1]))(source)


def _end(source: keras.KerasTensor, x: keras.KerasTensor, classes: int) -> keras.Model:
    return keras.Model(source, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def _sizes(x: keras.KerasTensor, size: int, stride: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return window and stride: both along time alone where the width is 1."""
    flat = x.shape[2] == 1
    return (size, 1 if flat else size), (stride, 1 if flat else stride)


def _convolution(x: keras.KerasTensor, filters: int, size: int, stride: int) -> keras.KerasTensor:
    kernel, strides = _sizes(x, size, stride)
    return layers.Conv2D(filters, kernel, strides, "same", use_bias=False)(x)


def _convolved(x: keras.KerasTensor, filters: int, size: int, stride: int) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(_convolution(x, filters, size, stride)))


def _depthwise(x: keras.KerasTensor, size: int, stride: int) -> keras.KerasTensor:
    kernel, strides = _sizes(x, size, stride)
    if kernel[0] != kernel[1] or strides[0] != strides[1]:
        # TensorFlow's depthwise convolutions have equal strides: the width is 1, so that a square one is the same.
        kernel, strides = (size, 1), (stride, stride)
    x = layers.DepthwiseConv2D(kernel, strides, "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


PUBLIC: dict[str, Build] = {
    "MLPerf DS-CNN": ds_cnn,
    "MLPerf ResNet-8": resnet_8,
    "MLPerf MobileNet 0.25": mobilenet_quarter,
    "MicroNet-KWS-S": micronet_kws_s,
}
