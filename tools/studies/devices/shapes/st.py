"""Networks of ST's model zoo (github.com/STMicroelectronics/stm32ai-modelzoo and stm32ai-modelzoo-services).

Their dropout is left out: each network of the study is trained by one recipe.
"""

import keras
from keras import layers

from tools.studies.devices.shapes.parts import convolved, depthwise, end, start


def gmp(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The smaller network for human activity: two convolutions along time, then the largest value of each channel.

    Sequences are images of one channel, as in the zoo: the axes of a sensor are never mixed before the maximum.
    """
    source = keras.Input(shape)
    x = source if len(shape) == 3 else layers.Reshape((*shape, 1))(source)
    for _ in range(2):
        x = layers.Conv2D(16, (5, 1))(layers.BatchNormalization()(x))
    return keras.Model(source, layers.Dense(classes)(layers.GlobalMaxPooling2D()(x)))


def mnist_v1(shape: tuple[int, ...], classes: int) -> keras.Model:
    """`st_mnist_v1`, for images as those of MNIST: three convolutions of 16, 32 and 64 channels, two depthwise ones."""
    source, x = start(shape)
    x = depthwise(convolved(x, 16, 3, 2), 3, 1)
    x = depthwise(convolved(x, 32, 3, 1), 3, 2)
    return end(source, convolved(x, 64, 1, 1), classes)
