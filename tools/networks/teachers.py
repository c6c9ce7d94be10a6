"""Architectures of teachers, as blueprints: small copies of what people train."""

from collections.abc import Callable

from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.layers import (
    Activation,
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ReLU,
    Reshape,
)
from kd_edge.ir.layers.core import BatchNormalization, Dense, Dropout


def _convolve(sketch: Sketch, layer: Conv2D | DepthwiseConv2D, *source: int, activate: bool = True) -> int:
    sketch.add(layer, *source)
    last = sketch.add(BatchNormalization())
    return sketch.add(ReLU()) if activate else last


def resnet8(shape: tuple[int, ...] = (32, 32, 3), num_classes: int = 10, activation: str = "softmax") -> Blueprint:
    """MLPerf Tiny's ResNet-8."""
    sketch = Sketch(shape)
    last = _convolve(sketch, Conv2D(16, (3, 3), padding="same"))
    for stage, width in enumerate((16, 32, 64)):
        strides = (2, 2) if stage else (1, 1)
        shortcut = last
        _convolve(sketch, Conv2D(width, (3, 3), strides, "same"), last)
        branch = _convolve(sketch, Conv2D(width, (3, 3), padding="same"), activate=False)
        if stage:
            shortcut = sketch.add(Conv2D(width, (1, 1), strides, "same"), last)
        sketch.add(Add(), branch, shortcut)
        last = sketch.add(ReLU())
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(num_classes, activation)))


def preactivation_resnet() -> Blueprint:
    """Residual blocks that begin with batch normalization, as in ResNet v2."""
    sketch = Sketch((16, 16, 3))
    last = sketch.add(Conv2D(16, (3, 3), padding="same"))
    for _ in range(2):
        sketch.add(BatchNormalization(), last)
        sketch.add(ReLU())
        _convolve(sketch, Conv2D(16, (3, 3), padding="same", use_bias=False))
        branch = sketch.add(Conv2D(16, (3, 3), padding="same"))
        last = sketch.add(Add(), branch, last)
    sketch.add(BatchNormalization())
    sketch.add(ReLU())
    sketch.add(GlobalAveragePooling2D(keepdims=True))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(5)))


def mobilenet_v1() -> Blueprint:
    """Depthwise separable blocks, two of them alike."""
    sketch = Sketch((48, 48, 3))
    _convolve(sketch, Conv2D(8, (3, 3), (2, 2), "same", use_bias=False))
    for width, stride in ((16, 1), (32, 2), (32, 1), (32, 1), (64, 2)):
        _convolve(sketch, DepthwiseConv2D((3, 3), (stride, stride), "same", use_bias=False))
        _convolve(sketch, Conv2D(width, (1, 1), use_bias=False))
    sketch.add(GlobalAveragePooling2D())
    sketch.add(Dropout(0.2))
    sketch.add(Dense(4))
    return sketch.blueprint(sketch.add(Activation("softmax")))


def mobilenet_v2() -> Blueprint:
    """Inverted residuals with linear bottlenecks."""
    sketch = Sketch((32, 32, 3))
    last, channels = _convolve(sketch, Conv2D(8, (3, 3), (2, 2), "same")), 8
    for width, stride in ((8, 1), (12, 2), (12, 1), (12, 1), (20, 2), (20, 1)):
        _convolve(sketch, Conv2D(6 * channels, (1, 1), use_bias=False), last)
        _convolve(sketch, DepthwiseConv2D((3, 3), (stride, stride), "same", use_bias=False))
        branch = _convolve(sketch, Conv2D(width, (1, 1), use_bias=False), activate=False)
        last = sketch.add(Add(), branch, last) if (stride, width) == (1, channels) else branch
        channels = width
    _convolve(sketch, Conv2D(64, (1, 1)), last)
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(6)))


def ds_cnn() -> Blueprint:
    """MLPerf Tiny's DS-CNN on 49x10 features."""
    sketch = Sketch((49, 10, 1))
    _convolve(sketch, Conv2D(64, (10, 4), (2, 2), "same"))
    sketch.add(Dropout(0.2))
    for _ in range(4):
        _convolve(sketch, DepthwiseConv2D((3, 3), padding="same"))
        _convolve(sketch, Conv2D(64, (1, 1), padding="same"))
    sketch.add(AveragePooling2D((25, 5), (25, 5)))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(12, "softmax")))


def vgg() -> Blueprint:
    """Repeated convolutions, pooling, and dense layers on the flattened image."""
    sketch = Sketch((28, 28, 1))
    for width, repeats in ((16, 2), (32, 3)):
        for _ in range(repeats):
            sketch.add(Conv2D(width, (3, 3), padding="same", activation="relu"))
        sketch.add(MaxPooling2D())
    sketch.add(Flatten())
    sketch.add(Dense(64, "relu"))
    sketch.add(Dropout(0.5))
    return sketch.blueprint(sketch.add(Dense(10)))


def lenet5(shape: tuple[int, ...] = (28, 28, 1), num_classes: int = 10) -> Blueprint:
    """LeNet-5: windows of 5 without padding."""
    sketch = Sketch(shape)
    sketch.add(Conv2D(6, (5, 5), padding="same", activation="tanh"))
    sketch.add(AveragePooling2D())
    sketch.add(Conv2D(16, (5, 5), activation="tanh"))
    sketch.add(AveragePooling2D())
    sketch.add(Flatten())
    sketch.add(Dense(120, "tanh"))
    sketch.add(Dense(84, "tanh"))
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def dense() -> Blueprint:
    """Dense layers, two of them alike."""
    sketch = Sketch((20,))
    for _ in range(3):
        sketch.add(Dense(64, "relu"))
        sketch.add(Dropout(0.3))
    return sketch.blueprint(sketch.add(Dense(4)))


def har() -> Blueprint:
    """Convolutions over 128 samples of 9 sensors, as images of width 1, with uneven strides."""
    sketch = Sketch((128, 9))
    sketch.add(Reshape((128, 1, 9)))
    _convolve(sketch, Conv2D(32, (7, 1), (2, 1), "same"))
    for width, stride in ((32, 1), (32, 1), (64, 2)):
        _convolve(sketch, Conv2D(width, (5, 1), (stride, 1), "same"))
    sketch.add(MaxPooling2D((2, 1), (2, 1)))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(6)))


def inception() -> Blueprint:
    """Parallel branches that are put side by side, one of them pooling."""
    sketch = Sketch((27, 27, 3))
    last = _convolve(sketch, Conv2D(16, (3, 3), (2, 2), "valid"))
    for _ in range(2):
        one = _convolve(sketch, Conv2D(8, (1, 1)), last)
        _convolve(sketch, Conv2D(8, (1, 1)), last)
        two = _convolve(sketch, Conv2D(8, (5, 5), padding="same"))
        three = sketch.add(MaxPooling2D((3, 3), (1, 1), "same"), last)
        last = sketch.add(Concatenate(), one, two, three)
    sketch.add(Concatenate(), sketch.add(Flatten(), last), sketch.add(GlobalAveragePooling2D(), last))
    return sketch.blueprint(sketch.add(Dense(3)))


def valid_branches() -> Blueprint:
    """Branches without padding, which match at the teacher's own size only."""
    sketch = Sketch((16, 16, 8))
    stem = _convolve(sketch, Conv2D(12, (5, 5)))
    sketch.add(Conv2D(8, (3, 3)), stem)
    one = sketch.add(Conv2D(8, (3, 3)))
    two = sketch.add(Conv2D(8, (5, 5)), stem)
    sketch.add(Add(), one, two)
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(3)))


TEACHERS: dict[str, Callable[[], Blueprint]] = {
    make.__name__: make
    for make in (
        resnet8, preactivation_resnet, mobilenet_v1, mobilenet_v2, ds_cnn, vgg, lenet5, dense, har, inception,
        valid_branches,
    )
}  # fmt: skip
