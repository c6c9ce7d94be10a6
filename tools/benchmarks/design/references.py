"""Networks that people made by hand for small devices: what a search has to beat at the same or a smaller budget."""

from collections.abc import Callable
from typing import NamedTuple

from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.layers import (
    Activation,
    AveragePooling2D,
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    MaxPooling2D,
    ReLU,
    Reshape,
)
from kd_edge.ir.layers.core import BatchNormalization, Dense, Dropout
from tools.networks import teachers

Shape = tuple[int, ...]


class Reference(NamedTuple):
    """A hand-made network and the data set on which it is compared."""

    data: str
    source: str
    draw: Callable[[Shape, int], Blueprint]


def ds_cnn(shape: Shape, num_classes: int) -> Blueprint:
    """MLPerf Tiny's DS-CNN: 64 channels, four separable blocks."""
    sketch = Sketch(shape)

    def convolve(layer: Conv2D | DepthwiseConv2D) -> None:
        sketch.add(layer)
        sketch.add(BatchNormalization())
        sketch.add(ReLU())

    convolve(Conv2D(64, (10, 4), (2, 2), "same"))
    sketch.add(Dropout(0.2))
    for _ in range(4):
        convolve(DepthwiseConv2D((3, 3), padding="same"))
        convolve(Conv2D(64, (1, 1), padding="same"))
    sketch.add(Dropout(0.4))
    size = (-(-shape[0] // 2), -(-shape[1] // 2))
    sketch.add(AveragePooling2D(size, size))
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def ign(shape: Shape, num_classes: int) -> Blueprint:
    """ST's IGN: one convolution along time for each sensor, two dense layers."""
    sketch = Sketch(shape)
    sketch.add(Reshape((*shape, 1)))
    sketch.add(Conv2D(24, (16, 1)))
    sketch.add(Activation("relu"))
    sketch.add(MaxPooling2D((3, 1), (3, 1)))
    sketch.add(Flatten())
    sketch.add(Dense(12))
    sketch.add(Dropout(0.5))
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def gmp(shape: Shape, num_classes: int) -> Blueprint:
    """ST's GMP: two convolutions along time for each sensor, then the maximum of all."""
    sketch = Sketch(shape)
    sketch.add(Reshape((*shape, 1)))
    sketch.add(BatchNormalization())
    sketch.add(Conv2D(16, (5, 1)))
    sketch.add(BatchNormalization())
    sketch.add(Conv2D(16, (5, 1)))
    size = (shape[0] - 8, shape[1])
    sketch.add(MaxPooling2D(size, size))
    sketch.add(Flatten())
    sketch.add(Dropout(0.5))
    return sketch.blueprint(sketch.add(Dense(num_classes)))


def resnet8(shape: Shape, num_classes: int) -> Blueprint:
    """MLPerf Tiny's ResNet-8."""
    return teachers.resnet8(shape, num_classes, "linear")


def lenet5(shape: Shape, num_classes: int) -> Blueprint:
    """LeNet-5."""
    return teachers.lenet5(shape, num_classes)


_ST = "STMicroelectronics/stm32ai-modelzoo, human_activity_recognition/src/models"
REFERENCES = {
    "lenet5": Reference("fashion", "LeCun et al. 1998", lenet5),
    "ign": Reference("har", _ST, ign),
    "gmp": Reference("har", _ST, gmp),
    "ds_cnn": Reference("arabic", "MLPerf Tiny keyword spotting", ds_cnn),
    "resnet8": Reference("fashion", "MLPerf Tiny image classification", resnet8),
}
