"""MicroNets (arXiv 2010.11267, table 5)."""

import keras

from tools.studies.devices.shapes.parts import separable


def micronet_kws_s(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The small keyword spotter, found by differentiable search: a convolution and five separable ones."""
    return separable(shape, classes, 84, (1, 1), (112, 84, 84, 84, 196), (2, 1, 1, 1, 1))
