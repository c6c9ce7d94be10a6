"""MCUNet's networks for ImageNet, named for their speed on an STM32F746 (arXiv 2007.10319).

The numbers are those of `mcunet/assets/configs/mcunet-10fps_imagenet.json` and `mcunet-5fps_imagenet.json` in
github.com/mit-han-lab/tinyml.
"""

import keras
from keras import layers

from tools.studies.devices.shapes.parts import convolution, convolved, depthwise, end, start

# Of each block: by how much channels expand, channels that leave, stride, window.
Blocks = tuple[tuple[int, int, int, int], ...]
_TEN_FPS: Blocks = (
    *((1, 16, 1, 3), (4, 16, 2, 5), (3, 16, 1, 3), (4, 16, 1, 3)),
    *((5, 24, 2, 7), (4, 24, 1, 5), (5, 24, 1, 5)),
    *((5, 48, 2, 7), (4, 48, 1, 5), (5, 56, 1, 3), (4, 56, 1, 5), (5, 56, 1, 3)),
    *((6, 112, 2, 3), (4, 112, 1, 5), (6, 192, 1, 3)),
)
_FIVE_FPS: Blocks = (
    *((1, 8, 1, 3), (4, 16, 2, 3), (3, 16, 1, 3)),
    *((3, 24, 2, 7), (5, 24, 1, 3)),
    *((5, 40, 2, 3), (4, 40, 1, 7), (4, 48, 1, 5), (3, 48, 1, 3), (4, 48, 1, 3)),
    *((5, 96, 2, 7), (4, 96, 1, 5), (4, 96, 1, 5), (6, 160, 1, 3)),
)


def ten_fps(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The network of 10 images a second: 15 inverted residual blocks, for images of 48 pixels."""
    return _inverted_residual(shape, classes, 24, _TEN_FPS)


def five_fps(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The network of 5 images a second: 14 narrower blocks, for images of 96 pixels."""
    return _inverted_residual(shape, classes, 16, _FIVE_FPS)


def _inverted_residual(shape: tuple[int, ...], classes: int, stem: int, blocks: Blocks) -> keras.Model:
    source, x = start(shape)
    x = convolved(x, stem, 3, 2, limit=6.0)
    for expansion, filters, stride, window in blocks:
        x = _block(x, expansion, filters, stride, window)
    return end(source, x, classes)


def _block(x: keras.KerasTensor, expansion: int, filters: int, stride: int, window: int) -> keras.KerasTensor:
    """Return what leaves a block; what entered is added where the shapes are equal."""
    channels = x.shape[-1]
    inner = x if expansion == 1 else convolved(x, expansion * channels, 1, 1, limit=6.0)
    inner = depthwise(inner, window, stride, limit=6.0)
    inner = layers.BatchNormalization()(convolution(inner, filters, 1, 1))
    return layers.Add()([x, inner]) if stride == 1 and filters == channels else inner
