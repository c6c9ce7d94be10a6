"""MLPerf Tiny's networks (arXiv 2106.07597; github.com/mlcommons/tiny).

Convolutions before batch normalization have no biases: it would take them away again.
"""

import keras
from keras import layers

from tools.studies.devices.shapes.parts import convolution, convolved, depthwise, end, separable, start


def ds_cnn(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MLPerf Tiny's keyword spotter: a convolution and four separable ones of 64 channels (arXiv 2106.07597)."""
    return separable(shape, classes, 64, (2, 2), (64,) * 4, (1,) * 4)


def resnet_8(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MLPerf Tiny's image classifier: three residual blocks of 16, 32 and 64 channels (arXiv 2106.07597)."""
    source, x = start(shape)
    x = convolved(x, 16, 3, 1)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        branch = convolved(x, filters, 3, stride)
        branch = layers.BatchNormalization()(convolution(branch, filters, 3, 1))
        x = x if stride == 1 else convolution(x, filters, 1, stride)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return end(source, x, classes)


def mobilenet_quarter(shape: tuple[int, ...], classes: int) -> keras.Model:
    """MobileNetV1 of a quarter of the width, MLPerf Tiny's person detector (arXiv 1704.04861, 2106.07597)."""
    source, x = start(shape)
    x = convolved(x, 8, 3, 2)
    plan = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    for filters, stride in plan:
        x = convolved(depthwise(x, 3, stride), filters, 1, 1)
    return end(source, x, classes)
