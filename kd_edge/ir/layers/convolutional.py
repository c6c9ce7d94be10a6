"""Convolution layers: Keras' names and arguments, and the TFLite ops each becomes.

A one-dimensional layer becomes the two-dimensional op over an image of height 1, between two RESHAPE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder, Scaling
from kd_edge.ir.layers.base import Channels, Layer, register_layer
from kd_edge.ir.layers.reshaping import ZeroPadding2D
from kd_edge.ir.layers.sequences import SequenceLayer
from kd_edge.ir.shape_inference import Shape, Window, same_paddings, slide

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conv(Layer):
    """What the convolutions share; no layer of Keras."""

    weighted: ClassVar[bool] = True
    channels: ClassVar[Channels] = Channels.MIXES

    def window(self) -> Window:
        own: Any = self
        return Window(own.kernel_size, own.strides, own.padding, own.dilation_rate)

    def resized(self, size: Shape, strides: Shape) -> Layer:
        changes: dict[str, Any] = {"kernel_size": size, "strides": strides}
        return replace(self, **changes)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        *sizes, channels = inputs[0]
        return (*self.window().slide(sizes), self._num_filters(channels))

    def with_channels(self, count: int) -> Layer:
        changes: dict[str, Any] = {"filters": count}
        return replace(self, **changes)

    @property
    def ties_channels(self) -> bool:
        return int(getattr(self, "groups", 1)) > 1

    def weight_axes(self) -> Mapping[str, str]:
        axes = {"kernel": "hw.o" if self.ties_channels else "hwio"}
        return axes | {"bias": "o"} if self._has_bias() else axes

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

        def same(tensor: int) -> tuple[Pair, ...]:
            return same_paddings(to.shape(tensor)[1:3], window, strides, dilations)

        if padding == "valid" and (unpadded := fusion.before_padding(to, source, same)) is not None:
            source, padding = unpadded, "same"
        source = fusion.before_scaling(to, source, takes=lambda s: _folds_forward(s, padding))
        shape = (1, *slide(to.shape(source)[1:3], window, strides, padding, dilations), channels)
        constants = (to.constant(weights, num_scales=channels), to.constant((channels,), "int32", channels))
        args: dict[str, Any] = {"strides": strides, "padding": padding.upper(), "dilations": dilations}
        output = to.op(kind, (source, *constants), shape, **args)
        to.lengthen(output, 2 if self._has_bias() else 0)
        return output

    def _has_bias(self) -> bool:
        return bool(getattr(self, "use_bias", True))

    def _is_depthwise(self) -> bool:
        return False

    def _num_filters(self, channels: int) -> int:
        own: Any = self
        return int(own.filters)


@dataclass(frozen=True, slots=True)
class DepthwiseConv(Conv):
    """What the depthwise convolutions share; no layer of Keras."""

    channels: ClassVar[Channels] = Channels.KEEPS

    def with_channels(self, count: int) -> Layer:
        return self

    @property
    def ties_channels(self) -> bool:
        return self._num_filters(1) > 1

    def weight_axes(self) -> Mapping[str, str]:
        axes = {"kernel": "hwi."}
        return axes | {"bias": "o"} if self._has_bias() else axes

    def _is_depthwise(self) -> bool:
        return True

    def _num_filters(self, channels: int) -> int:
        own: Any = self
        return int(channels * own.depth_multiplier)


@dataclass(frozen=True, slots=True)
class SeparableConv(Conv):
    """What the separable convolutions share; no layer of Keras.

    Attributes:
        depthwise: The class of the first part.
        pointwise: The class of the second one, over single positions.
    """

    depthwise: ClassVar[type[Layer]]
    pointwise: ClassVar[type[Layer]]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        (depthwise, _), (pointwise, _) = self.parts()
        return pointwise.emit(to, (depthwise.emit(to, inputs),))

    def parts(self) -> tuple[tuple[Layer, str], ...]:
        own: Any = self
        shared = {f.name for f in fields(self.depthwise)} & {f.name for f in fields(self)}
        first = {name: getattr(self, name) for name in shared} | {"activation": "linear", "use_bias": False}
        ones = (1,) * len(own.kernel_size)
        second = {"filters": own.filters, "kernel_size": ones, "activation": own.activation, "use_bias": own.use_bias}
        return (self.depthwise(**first), "depthwise"), (self.pointwise(**second), "pointwise")


@dataclass(frozen=True, slots=True)
class SequenceConv(Conv, SequenceLayer):
    """What the convolutions over sequences share; no layer of Keras.

    Attributes:
        has_equal_strides: Whether TensorFlow runs the class over images with equal strides only; a width of 1 stays 1.
    """

    has_equal_strides: ClassVar[bool] = False

    def as_image_layers(self) -> tuple[Layer, ...]:
        values = self.image_arguments()
        if self.has_equal_strides:
            values["strides"] = (values["strides"][0],) * 2
        if values["padding"] != "causal":
            return (self.image(**values),)
        before = (values["kernel_size"][0] - 1) * values["dilation_rate"][0]
        return ZeroPadding2D(((before, 0), (0, 0))), self.image(**values | {"padding": "valid"})


def _folds_forward(scaling: Scaling, padding: str) -> bool:
    return scaling.scalar and (padding == "valid" or not scaling.adds)


def as_image(to: GraphBuilder, tensor: int) -> int:
    """Return a sequence as an image of height 1."""
    _, steps, channels = to.shape(tensor)
    return fusion.reshape(to, tensor, (1, 1, steps, channels))


def as_sequence(to: GraphBuilder, tensor: int) -> int:
    """Return an image of height 1 as a sequence."""
    _, _, steps, channels = to.shape(tensor)
    return fusion.reshape(to, tensor, (1, steps, channels))


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
class Conv1D(SequenceConv):
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
        to.lengthen(output, 1)
        return fusion.activate(to, as_sequence(to, output), self.activation)


@register_layer
@dataclass(frozen=True, slots=True)
class DepthwiseConv1D(DepthwiseConv, SequenceConv):
    """`keras.layers.DepthwiseConv1D`."""

    kernel_size: tuple[int]
    strides: tuple[int] = (1,)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True
    dilation_rate: tuple[int] = (1,)
    image: ClassVar[type[Layer]] = DepthwiseConv2D
    has_equal_strides: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        weights = (1, 1, *self.kernel_size, to.shape(inputs[0])[2] * self.depth_multiplier)
        image = as_image(to, inputs[0])
        strides = (self.strides[0], self.strides[0])
        output = self._convolve(to, image, weights, strides, self.padding, (1, *self.dilation_rate))
        return fusion.activate(to, as_sequence(to, output), self.activation)


@register_layer
@dataclass(frozen=True, slots=True)
class SeparableConv1D(SeparableConv, SequenceConv):
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
    has_equal_strides: ClassVar[bool] = True
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
        to.lengthen(output, 2 if self.use_bias else 0)
        return fusion.activate(to, output, self.activation)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width = (
            size * stride + (max(window - stride, 0) if self.padding == "valid" else 0)
            for size, window, stride in zip(inputs[0][:-1], self.kernel_size, self.strides, strict=True)
        )
        return (height, width, self.filters)
