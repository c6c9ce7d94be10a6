"""Layers that normalize each sample by its own mean and variance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer, register_layer


@register_layer
@dataclass(frozen=True, slots=True)
class LayerNormalization(Layer):
    """`keras.layers.LayerNormalization` over the last axis, which the converter writes as twelve ops or so."""

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = to.shape(inputs[0])
        per_position, per_channel = (*shape[:-1], 1), (*[1] * (len(shape) - 1), shape[-1])
        mean = self._mean(to, inputs[0])
        negative = self._negated(to, mean)
        squares = to.op("SQUARED_DIFFERENCE", (inputs[0], mean), shape)
        variance = self._mean(to, squares)
        positive = to.op("ADD", (variance, to.shared_constant((), "int8", self.epsilon)), per_position)
        factor = to.op("RSQRT", (positive,), per_position)
        if self.scale:
            factor = to.op("MUL", (factor, to.constant(per_channel)), shape)
        summand = fusion.combine(to, "MUL", negative, factor)
        if self.center:
            summand = to.op("ADD", (summand, to.constant(per_channel)), shape)
        return to.op("ADD", (to.op("MUL", (inputs[0], factor), shape), summand), shape)

    @staticmethod
    def _mean(to: GraphBuilder, tensor: int) -> int:
        """Return the mean over the last axis; the converter leaves out that of a single channel."""
        *positions, channels = to.shape(tensor)
        return tensor if channels == 1 else to.op("MEAN", (tensor, to.numbers(-1)), (*positions, 1))

    @staticmethod
    def _negated(to: GraphBuilder, tensor: int) -> int:
        """Negate in float: TFLite has no int8 NEG."""
        shape = to.shape(tensor)
        real = to.op("DEQUANTIZE", (tensor,), shape, "float32")
        return to.op("QUANTIZE", (to.op("NEG", (real,), shape, "float32"),), shape)
