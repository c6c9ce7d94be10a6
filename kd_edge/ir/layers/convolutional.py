"""Convolution layers: Keras' names and arguments, and the TFLite ops each becomes.

A one-dimensional layer becomes the two-dimensional op over an image of height 1, between two RESHAPE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kd_edge.errors import ModelError
from kd_edge.ir.graph_builder import GraphBuilder, Scaling
from kd_edge.ir.layers.base import Layer

Pair = tuple[int, int]


def slide(sizes: Pair, window: Pair, strides: Pair, padding: str, dilations: Pair = (1, 1)) -> Pair:
    """Return how many positions a window takes along the height and the width.

    Raises:
        ModelError: The window is larger than the image.
    """
    if padding == "same":
        return -(-sizes[0] // strides[0]), -(-sizes[1] // strides[1])
    reach = ((window[0] - 1) * dilations[0] + 1, (window[1] - 1) * dilations[1] + 1)
    if reach[0] > sizes[0] or reach[1] > sizes[1]:
        raise ModelError(f"bad window: expected one within {sizes}, received {reach} with valid padding")
    return (sizes[0] - reach[0]) // strides[0] + 1, (sizes[1] - reach[1]) // strides[1] + 1


def _same_paddings(sizes: Pair, window: Pair, strides: Pair, dilations: Pair) -> tuple[Pair, ...]:
    """Return how a SAME convolution pads every dimension, before and after."""
    paddings: list[Pair] = [(0, 0)]
    for size, width, stride, dilation in zip(sizes, window, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        paddings.append((total // 2, total - total // 2))
    return (*paddings, (0, 0))


@dataclass(frozen=True, slots=True)
class Conv(Layer):
    """What the convolutions share; no layer of Keras."""

    weighted: ClassVar[bool] = True

    def _convolve(
        self,
        to: GraphBuilder,
        source: int,
        weights: tuple[int, int, int, int],
        strides: Pair,
        padding: str,
        dilations: Pair,
    ) -> int:
        """Emit a convolution with weights of the shape TFLite stores; one filter deep means depthwise."""
        kind = "DEPTHWISE_CONV_2D" if self._is_depthwise() else "CONV_2D"
        channels = weights[3] if self._is_depthwise() else weights[0]
        window = (weights[1], weights[2])

        def size_of(tensor: int) -> Pair:
            _, height, width, _ = to.shape(tensor)
            return height, width

        def same(tensor: int) -> tuple[Pair, ...]:
            return _same_paddings(size_of(tensor), window, strides, dilations)

        if padding == "valid" and (unpadded := to.before_padding(source, same)) is not None:
            source, padding = unpadded, "same"
        source = to.before_scaling(source, takes=lambda s: _folds_forward(s, padding))
        shape = (1, *slide(size_of(source), window, strides, padding, dilations), channels)
        constants = (to.constant(weights, num_scales=channels), to.constant((channels,), "int32", channels))
        args: dict[str, Any] = {"strides": strides, "padding": padding.upper(), "dilations": dilations}
        output = to.op(kind, (source, *constants), shape, **args)
        to.lengthen(output, 2 if self._has_bias() else 0)
        return output

    def _has_bias(self) -> bool:
        return bool(getattr(self, "use_bias", True))

    def _is_depthwise(self) -> bool:
        return False


def _folds_forward(scaling: Scaling, padding: str) -> bool:
    return scaling.scalar and (padding == "valid" or not scaling.adds)


def as_image(to: GraphBuilder, tensor: int) -> int:
    """Return a sequence as an image of height 1."""
    _, steps, channels = to.shape(tensor)
    return to.reshape(tensor, (1, 1, steps, channels))


def as_sequence(to: GraphBuilder, tensor: int) -> int:
    """Return an image of height 1 as a sequence."""
    _, _, steps, channels = to.shape(tensor)
    return to.reshape(tensor, (1, steps, channels))


@dataclass(frozen=True, slots=True)
class Conv2D(Conv):
    """`keras.layers.Conv2D`."""

    filters: int
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: Pair = (1, 1)
    groups: int = 1

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (self.filters, *self.kernel_size, to.shape(inputs[0])[3] // self.groups)
        output = self._convolve(to, inputs[0], weights, self.strides, self.padding, self.dilation_rate)
        return to.activate(output, self.activation)


@dataclass(frozen=True, slots=True)
class Conv1D(Conv):
    """`keras.layers.Conv1D`."""

    filters: int
    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    groups: int = 1

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        source, padding = inputs[0], self.padding
        if padding == "causal":
            before = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            source = to.pad(source, ((0, 0), (before, 0), (0, 0))) if before else source
            padding = "valid"
        weights = (self.filters, 1, *self.kernel_size, to.shape(source)[2] // self.groups)
        image = as_image(to, source)
        output = self._convolve(to, image, weights, (1, *self.strides), padding, (1, *self.dilation_rate))
        to.lengthen(output, 1)
        return to.activate(as_sequence(to, output), self.activation)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D(Conv):
    """`keras.layers.DepthwiseConv2D`."""

    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: Pair = (1, 1)

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (1, *self.kernel_size, to.shape(inputs[0])[3] * self.depth_multiplier)
        output = self._convolve(to, inputs[0], weights, self.strides, self.padding, self.dilation_rate)
        return to.activate(output, self.activation)

    def _is_depthwise(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class DepthwiseConv1D(Conv):
    """`keras.layers.DepthwiseConv1D`."""

    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (1, 1, *self.kernel_size, to.shape(inputs[0])[2] * self.depth_multiplier)
        image = as_image(to, inputs[0])
        strides = (self.strides[0], self.strides[0])
        output = self._convolve(to, image, weights, strides, self.padding, (1, *self.dilation_rate))
        return to.activate(as_sequence(to, output), self.activation)

    def _is_depthwise(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class SeparableConv2D(Layer):
    """`keras.layers.SeparableConv2D`: depthwise, then 1x1."""

    filters: int
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: Pair = (1, 1)
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        depthwise = DepthwiseConv2D(
            *(self.kernel_size, self.strides, self.padding, self.depth_multiplier, "linear", False),
            dilation_rate=self.dilation_rate,
        )
        pointwise = Conv2D(self.filters, (1, 1), activation=self.activation, use_bias=self.use_bias)
        return pointwise.emit(to, (depthwise.emit(to, inputs),))


@dataclass(frozen=True, slots=True)
class SeparableConv1D(Layer):
    """`keras.layers.SeparableConv1D`: depthwise, then over single steps."""

    filters: int
    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        depthwise = DepthwiseConv1D(
            *(self.kernel_size, self.strides, self.padding, self.depth_multiplier, "linear", False),
            dilation_rate=self.dilation_rate,
        )
        pointwise = Conv1D(self.filters, (1,), activation=self.activation, use_bias=self.use_bias)
        return pointwise.emit(to, (depthwise.emit(to, inputs),))


@dataclass(frozen=True, slots=True)
class Conv2DTranspose(Layer):
    """`keras.layers.Conv2DTranspose`."""

    filters: int
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        _, *sizes, channels = to.shape(inputs[0])
        height, width = (
            size * stride + (max(window - stride, 0) if self.padding == "valid" else 0)
            for size, window, stride in zip(sizes, self.kernel_size, self.strides, strict=True)
        )
        shape = (1, height, width, self.filters)
        constants = [to.numbers(*shape), to.constant((self.filters, *self.kernel_size, channels), "int8", self.filters)]
        bias = [to.constant((self.filters,), "int32", self.filters)] if self.use_bias else []
        args: dict[str, Any] = {"strides": self.strides, "padding": self.padding.upper()}
        output = to.op("TRANSPOSE_CONV", (*constants, inputs[0], *bias), shape, **args)
        to.lengthen(output, 2 if self.use_bias else 0)
        return to.activate(output, self.activation)
