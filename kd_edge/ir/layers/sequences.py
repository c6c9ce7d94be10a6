"""One-dimensional layers as two-dimensional ones: images of width 1 take fewer ops in TFLite than sequences."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer


@dataclass(frozen=True, slots=True)
class SequenceLayer(Layer):
    """What layers over `(time, channels)` share; no layer of Keras.

    Attributes:
        image: The class that does the same over images, with arguments of the same names.
    """

    over_sequences: ClassVar[bool] = True
    image: ClassVar[type[Layer]]

    def as_image_layers(self) -> tuple[Layer, ...]:
        return (self.image(**self.image_arguments()),)

    def image_arguments(self) -> dict[str, Any]:
        """Return the arguments of the class over images."""
        return {f.name: _CONVERTED.get(f.name, _same)(getattr(self, f.name)) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class DepthwiseSequenceLayer(SequenceLayer):
    """What depthwise and separable convolutions over sequences share; no layer of Keras."""

    def image_arguments(self) -> dict[str, Any]:
        # TensorFlow runs depthwise convolutions with equal strides only; a width of 1 stays 1.
        own: Any = self
        return SequenceLayer.image_arguments(self) | {"strides": own.strides * 2}


def as_image(to: GraphBuilder, tensor: int) -> int:
    """Return a sequence as an image of height 1."""
    _, steps, channels = to.shape(tensor)
    return fusion.reshape(to, tensor, (1, 1, steps, channels))


def as_sequence(to: GraphBuilder, tensor: int) -> int:
    """Return an image of height 1 as a sequence."""
    _, _, steps, channels = to.shape(tensor)
    return fusion.reshape(to, tensor, (1, steps, channels))


def convolved(to: GraphBuilder, image: int, *, use_bias: bool, activation: str) -> int:
    """Return what a convolution over time made as a sequence, activated; the bias of a single filter is an ADD."""
    sequence = as_sequence(to, image)
    _, steps, channels = shape = to.shape(sequence)
    if use_bias and channels == 1 < steps:
        sequence = to.op("ADD", (sequence, to.constant((1,))), shape)
    return fusion.activate(to, sequence, activation)


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
