"""Shapes of the values between layers, without the batch and without emitting any op."""

import math
from collections.abc import Sequence
from typing import Any

from kd_edge.ir.layers import Layer, Node

Shape = tuple[int, ...]


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of a layer's output.

    Layers are told apart by their fields, which are Keras' arguments, so that a new class needs nothing here as long as
    it calls things by the same names.

    Args:
        layer: The layer.
        inputs: Shapes of its inputs.
    """
    fields: Any = layer
    kind = type(layer).__name__
    if kind == "InputLayer":
        return tuple(fields.shape)
    shape = inputs[0]
    if (window := window_of(layer)) is not None:
        sizes = slid(layer, window, shape[:-1])
        channels = getattr(fields, "filters", None) or shape[-1] * getattr(fields, "depth_multiplier", 1)
        return (*sizes, channels)
    if hasattr(fields, "units"):
        return (*shape[:-1], fields.units)
    if kind.startswith("Global"):
        return (*[1] * (len(shape) - 1), shape[-1]) if fields.keepdims else shape[-1:]
    if kind == "Flatten":
        return (math.prod(shape),)
    if kind == "Reshape":
        known = math.prod(size for size in fields.target_shape if size != -1)
        return tuple(math.prod(shape) // known if size == -1 else size for size in fields.target_shape)
    return _moved(layer, kind, inputs)


def _moved(layer: Any, kind: str, inputs: Sequence[Shape]) -> Shape:
    shape = inputs[0]
    if kind.startswith("ZeroPadding"):
        return (*(s + sum(pair) for s, pair in zip(shape[:-1], layer.padding, strict=True)), shape[-1])
    if kind.startswith("UpSampling"):
        return (*(s * times for s, times in zip(shape[:-1], layer.size, strict=True)), shape[-1])
    if kind == "Concatenate":
        return (*shape[:-1], sum(i[-1] for i in inputs))
    return tuple(map(max, *inputs)) if len(inputs) > 1 else shape


def window_of(layer: Layer) -> tuple[int, ...] | None:
    """Return the window of a convolution or pooling, None for any other layer."""
    return getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)


def dilation_of(layer: Layer) -> tuple[int, ...]:
    """Return the dilation of a convolution, ones for pooling."""
    window = window_of(layer) or ()
    return getattr(layer, "dilation_rate", None) or (1,) * len(window)


def pools_globally(node: Node, shapes: Sequence[Shape]) -> bool:
    """Return whether a node pools over its whole input.

    Args:
        node: The node.
        shapes: Shapes of the network's nodes.
    """
    return getattr(node.layer, "pool_size", None) == shapes[node.inputs[0]][:-1] if node.inputs else False


def slid(layer: Layer, window: Shape, size: Shape) -> Shape:
    """Return the size of a layer's output when its window slides over an image.

    Args:
        layer: A convolution or pooling.
        window: Its window.
        size: Size of the image.
    """
    fields: Any = layer
    along = zip(size, window, fields.strides, dilation_of(layer), strict=True)
    if fields.padding == "same":
        return tuple(-(-whole // stride) for whole, _, stride, _ in along)
    return tuple((whole - (reach - 1) * dilation - 1) // stride + 1 for whole, reach, stride, dilation in along)
