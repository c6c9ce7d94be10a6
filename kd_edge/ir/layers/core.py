"""Layers that weigh, scale or drop what they get: dense, normalization, rescaling, dropout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer


@dataclass(frozen=True, slots=True)
class Dense(Layer):
    """`keras.layers.Dense` over the last axis."""

    units: int
    activation: str = "linear"
    use_bias: bool = True
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = to.shape(inputs[0])
        source = to.before_scaling(inputs[0], takes=lambda scaling: self.use_bias or not scaling.adds)
        source = to.flat_source(source)
        if self.use_bias and self.activation == "linear":
            to.mark_linear_chain(source)
        weights = to.constant((self.units, shape[-1]), num_scales=self.units)
        bias = to.constant((self.units,), "int32", self.units) if self.use_bias else -1
        output = to.op("FULLY_CONNECTED", (source, weights, bias), (*shape[:-1], self.units))
        to.lengthen(output, int(self.use_bias), bias=False)
        return to.activate(output, self.activation)


@dataclass(frozen=True, slots=True)
class BatchNormalization(Layer):
    """`keras.layers.BatchNormalization` over the last axis.

    The momentum is lower than Keras' default of 0.99, with which short trainings end before it has averaged enough.
    """

    momentum: float = 0.9
    epsilon: float = 1e-3
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.scale(inputs[0], values=None)


@dataclass(frozen=True, slots=True)
class Rescaling(Layer):
    """`keras.layers.Rescaling`; also what adding a number to a tensor, or multiplying it by one, is read as."""

    scale: float
    offset: float = 0.0

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        factor, summand = self.scale != 1.0, self.offset != 0.0
        if not factor and not summand:
            return inputs[0]
        return to.scale(inputs[0], add=summand, multiply=factor, values=(self.scale, self.offset))


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """`keras.layers.Dropout`: gone after training."""

    rate: float

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class SpatialDropout1D(Dropout):
    """`keras.layers.SpatialDropout1D`: gone after training."""


@dataclass(frozen=True, slots=True)
class SpatialDropout2D(Dropout):
    """`keras.layers.SpatialDropout2D`: gone after training."""
