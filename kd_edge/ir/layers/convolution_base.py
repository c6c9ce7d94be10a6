"""What convolution layers share: their window, their weights, and the ops CONV_2D and DEPTHWISE_CONV_2D."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder, Scaling
from kd_edge.ir.layers.base import Channels, Layer
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
        return to.op(kind, (source, *constants), shape, **args)

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


def _folds_forward(scaling: Scaling, padding: str) -> bool:
    return scaling.scalar and (padding == "valid" or not scaling.adds)
