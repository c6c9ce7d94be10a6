"""Layers that weigh, scale or drop what they get: dense, normalization, rescaling, dropout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Channels, Layer, register_layer
from kd_edge.ir.shape_inference import Shape


@register_layer
@dataclass(frozen=True, slots=True)
class Dense(Layer):
    """`keras.layers.Dense` over the last axis."""

    units: int
    activation: str = "linear"
    use_bias: bool = True
    weighted: ClassVar[bool] = True
    channels: ClassVar[Channels] = Channels.MIXES
    shrinkable: ClassVar[bool] = True
    absorbs_affine: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = to.shape(inputs[0])
        source = fusion.before_scaling(to, inputs[0], takes=lambda scaling: self.use_bias or not scaling.adds)
        source = fusion.flat_source(to, source)
        weights = to.constant((self.units, shape[-1]), num_scales=self.units)
        bias = to.constant((self.units,), "int32", self.units) if self.use_bias else -1
        output = to.op("FULLY_CONNECTED", (source, weights, bias), (*shape[:-1], self.units))
        activated = fusion.activate(to, output, self.activation)
        fusion.mark_linear_chain(to, source, output)
        return activated

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (*inputs[0][:-1], self.units)

    def with_channels(self, count: int) -> Layer:
        return replace(self, units=count)

    def weight_axes(self) -> Mapping[str, str]:
        return {"kernel": "io", "bias": "o"} if self.use_bias else {"kernel": "io"}


@register_layer
@dataclass(frozen=True, slots=True)
class BatchNormalization(Layer):
    """`keras.layers.BatchNormalization` over the last axis.

    The momentum is lower than Keras' default of 0.99, with which short trainings end before it has averaged enough.
    """

    momentum: float = 0.9
    epsilon: float = 1e-3
    weighted: ClassVar[bool] = True
    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True
    is_affine: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.scale(to, inputs[0], values=None)

    def for_student(self) -> Layer:
        return BatchNormalization(epsilon=self.epsilon)

    def weight_axes(self) -> Mapping[str, str]:
        return {"gamma": "o", "beta": "o", "moving_mean": "o", "moving_variance": "o"}


@register_layer
@dataclass(frozen=True, slots=True)
class Rescaling(Layer):
    """`keras.layers.Rescaling` by one number or one per channel; also what arithmetic with a number is read as."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...] = 0.0
    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True
    is_affine: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        scale, offset, output = self.scale, self.offset, inputs[0]
        factor, summand = scale != 1.0, offset != 0.0
        if not isinstance(scale, tuple) and not isinstance(offset, tuple):
            values = (scale, offset)
            return (
                fusion.scale(to, output, add=summand, multiply=factor, values=values) if factor or summand else output
            )
        if factor:
            output = fusion.scale(to, output, add=False, values=None if isinstance(scale, tuple) else (scale, 0.0))
        if summand:
            output = fusion.scale(
                to, output, multiply=False, values=None if isinstance(offset, tuple) else (1.0, offset)
            )
        return output

    @property
    def ties_channels(self) -> bool:
        return isinstance(self.scale, tuple) or isinstance(self.offset, tuple)


@register_layer
@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """`keras.layers.Dropout`: gone after training."""

    rate: float
    shrinkable: ClassVar[bool] = True
    training_only: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return inputs[0]


@register_layer
@dataclass(frozen=True, slots=True)
class SpatialDropout1D(Dropout):
    """`keras.layers.SpatialDropout1D`: gone after training."""

    over_sequences: ClassVar[bool] = True


@register_layer
@dataclass(frozen=True, slots=True)
class SpatialDropout2D(Dropout):
    """`keras.layers.SpatialDropout2D`: gone after training."""
