"""Turns networks over sequences into networks over images of width 1, which TFLite runs with fewer ops."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from kd_edge.ir import layers
from kd_edge.ir.layers import Layer, Node


def is_sequential(nodes: tuple[Node, ...]) -> bool:
    """Return whether a network has layers over sequences, such as Conv1D."""
    return any(type(node.layer).__name__.endswith("1D") for node in nodes)


def as_image_layers(layer: Layer) -> tuple[Layer, ...]:
    """Return the layers that do over `(time, 1, channels)` what a layer does over `(time, channels)`.

    Args:
        layer: Any layer. One that is not over sequences is returned as it is; a causal convolution becomes a padding
            and a convolution.
    """
    kind = type(layer).__name__
    if kind == "Reshape":
        return (_reshaped(layer),)
    if not kind.endswith("1D"):
        return (layer,)
    target: Any = getattr(layers, f"{kind[:-2]}2D")
    values = {f.name: _CONVERTED.get(f.name, _same)(getattr(layer, f.name)) for f in fields(layer)}
    if kind == "DepthwiseConv1D" or kind == "SeparableConv1D":
        # TensorFlow runs depthwise convolutions with equal strides only; a width of 1 stays 1.
        values["strides"] = (values["strides"][0],) * 2
    if values.get("padding") != "causal":
        return (target(**values),)
    before = (values["kernel_size"][0] - 1) * values.get("dilation_rate", (1, 1))[0]
    return layers.ZeroPadding2D(((before, 0), (0, 0))), target(**values | {"padding": "valid"})


def _reshaped(layer: Any) -> Layer:
    target = layer.target_shape
    return layers.Reshape((target[0], 1, target[1])) if len(target) == 2 else layer


def _pair(value: Any) -> tuple[int, int]:
    return (value[0] if isinstance(value, tuple) else value, 1)


def _padding(value: Any) -> Any:
    return value if isinstance(value, str) else (value, (0, 0))


def _same(value: Any) -> Any:
    return value


_CONVERTED: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "kernel_size": _pair,
        "strides": _pair,
        "pool_size": _pair,
        "dilation_rate": _pair,
        "size": _pair,
        "padding": _padding,
        "cropping": _padding,
    }
)
