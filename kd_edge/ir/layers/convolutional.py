"""Convolution layers: Keras' names and arguments, and the TFLite ops each becomes.

A one-dimensional layer becomes the two-dimensional op over an image of height 1, between two RESHAPE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Channels, Layer, register_layer
from kd_edge.ir.layers.convolution_base import Conv, DepthwiseConv, Pair, SeparableConv
from kd_edge.ir.layers.reshaping import ZeroPadding2D
from kd_edge.ir.layers.sequences import DepthwiseSequenceLayer, SequenceLayer, as_image, convolved
from kd_edge.ir.shape_inference import Shape


@register_layer
@dataclass(frozen=True, slots=True)
class DepthwiseConv2D(DepthwiseConv):
    """`keras.layers.DepthwiseConv2D`."""

    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: Pair = (1, 1)
    shrinkable: ClassVar[bool] = True
    absorbs_affine: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (1, *self.kernel_size, to.shape(inputs[0])[3] * self.depth_multiplier)
        output = self._convolve(to, inputs[0], weights, self.strides, self.padding, self.dilation_rate)
        return fusion.activate(to, output, self.activation)


@register_layer
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
    shrinkable: ClassVar[bool] = True
    absorbs_affine: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (self.filters, *self.kernel_size, to.shape(inputs[0])[3] // self.groups)
        output = self._convolve(to, inputs[0], weights, self.strides, self.padding, self.dilation_rate)
        return fusion.activate(to, output, self.activation)

    def separated(self) -> tuple[Layer, Layer] | None:
        if self.groups > 1:
            return None
        # TensorFlow runs depthwise convolutions with equal strides only; where they differ one size is 1, and stays so.
        strides, dilation = (max(self.strides),) * 2, self.dilation_rate
        depthwise = DepthwiseConv2D(self.kernel_size, strides, self.padding, use_bias=False, dilation_rate=dilation)
        return depthwise, Conv2D(self.filters, (1, 1), activation=self.activation, use_bias=self.use_bias)


@register_layer
@dataclass(frozen=True, slots=True)
class SeparableConv2D(SeparableConv):
    """`keras.layers.SeparableConv2D`: depthwise, then 1x1."""

    filters: int
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: Pair = (1, 1)
    shrinkable: ClassVar[bool] = True
    depthwise: ClassVar[type[Layer]] = DepthwiseConv2D
    pointwise: ClassVar[type[Layer]] = Conv2D


@register_layer
@dataclass(frozen=True, slots=True)
class Conv1D(Conv, SequenceLayer):
    """`keras.layers.Conv1D`."""

    filters: int
    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    groups: int = 1
    image: ClassVar[type[Layer]] = Conv2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        source, padding = inputs[0], self.padding
        if padding == "causal":
            before = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            source = fusion.pad(to, source, ((0, 0), (before, 0), (0, 0))) if before else source
            padding = "valid"
        weights = (self.filters, 1, *self.kernel_size, to.shape(source)[2] // self.groups)
        image = as_image(to, source)
        output = self._convolve(to, image, weights, (1, *self.strides), padding, (1, *self.dilation_rate))
        return convolved(to, output, use_bias=self.use_bias, activation=self.activation)

    def as_image_layers(self) -> tuple[Layer, ...]:
        values = self.image_arguments()
        if self.padding != "causal":
            return (self.image(**values),)
        before = (self.kernel_size[0] - 1) * self.dilation_rate[0]
        return ZeroPadding2D(((before, 0), (0, 0))), self.image(**values | {"padding": "valid"})


@register_layer
@dataclass(frozen=True, slots=True)
class DepthwiseConv1D(DepthwiseConv, DepthwiseSequenceLayer):
    """`keras.layers.DepthwiseConv1D`."""

    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    image: ClassVar[type[Layer]] = DepthwiseConv2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (1, 1, *self.kernel_size, to.shape(inputs[0])[2] * self.depth_multiplier)
        image = as_image(to, inputs[0])
        strides = (self.strides[0], self.strides[0])
        output = self._convolve(to, image, weights, strides, self.padding, (1, *self.dilation_rate))
        return convolved(to, output, use_bias=self.use_bias, activation=self.activation)


@register_layer
@dataclass(frozen=True, slots=True)
class SeparableConv1D(SeparableConv, DepthwiseSequenceLayer):
    """`keras.layers.SeparableConv1D`: depthwise, then over single steps."""

    filters: int
    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    image: ClassVar[type[Layer]] = SeparableConv2D
    depthwise: ClassVar[type[Layer]] = DepthwiseConv1D
    pointwise: ClassVar[type[Layer]] = Conv1D


@register_layer
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
    channels: ClassVar[Channels] = Channels.MIXES

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        channels = to.shape(inputs[0])[3]
        shape = (1, *self.output_shape([to.shape(inputs[0])[1:]]))
        constants = [to.numbers(*shape), to.constant((self.filters, *self.kernel_size, channels), "int8", self.filters)]
        bias = [to.constant((self.filters,), "int32", self.filters)] if self.use_bias else []
        args: dict[str, Any] = {"strides": self.strides, "padding": self.padding.upper()}
        output = to.op("TRANSPOSE_CONV", (*constants, inputs[0], *bias), shape, **args)
        return fusion.activate(to, output, self.activation)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width = (
            size * stride + (max(window - stride, 0) if self.padding == "valid" else 0)
            for size, window, stride in zip(inputs[0][:-1], self.kernel_size, self.strides, strict=True)
        )
        return (height, width, self.filters)
