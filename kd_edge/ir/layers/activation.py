"""Activation layers: Keras' names and arguments, and the TFLite ops each becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.errors import ModelError
from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer, Simulation, register_layer


@dataclass(frozen=True, slots=True)
class ActivationLayer(Layer):
    """What most activations share; no layer of Keras."""

    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True


@register_layer
@dataclass(frozen=True, slots=True)
class Activation(ActivationLayer):
    """`keras.layers.Activation`."""

    activation: str

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.activate(to, inputs[0], self.activation)

    def as_logits(self) -> Layer | None:
        return None if self.activation == "softmax" else self


@register_layer
@dataclass(frozen=True, slots=True)
class ReLU(ActivationLayer):
    """`keras.layers.ReLU`, with 6 as the only upper bound."""

    max_value: float | None = None
    negative_slope: float = 0.0

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        if self.max_value not in (None, 6.0):
            raise ModelError(f"unsupported ReLU: expected max_value None or 6, received {self.max_value}")
        if self.negative_slope and self.max_value:
            raise ModelError(f"unsupported ReLU: expected negative_slope 0 below 6, received {self.negative_slope}")
        if self.negative_slope:
            return fusion.activate(to, inputs[0], "leaky_relu")
        return fusion.activate(to, inputs[0], "relu" if self.max_value is None else "relu6")


@register_layer
@dataclass(frozen=True, slots=True)
class LeakyReLU(ActivationLayer):
    """`keras.layers.LeakyReLU`."""

    negative_slope: float = 0.3

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.activate(to, inputs[0], "leaky_relu")


@register_layer
@dataclass(frozen=True, slots=True)
class PReLU(Layer):
    """`keras.layers.PReLU`, with one slope along each of `shared_axes`, counted with the batch."""

    shared_axes: tuple[int, ...] | None = None
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = to.shape(inputs[0])
        slopes = tuple(1 if i in (self.shared_axes or ()) else shape[i] for i in range(1, len(shape)))
        return to.op("PRELU", (inputs[0], to.constant(slopes)), shape)


@register_layer
@dataclass(frozen=True, slots=True)
class ELU(ActivationLayer):
    """`keras.layers.ELU`, which the converter leaves in float."""

    alpha: float = 1.0
    simulation: ClassVar[Simulation] = Simulation.BEHIND

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        if self.alpha != 1.0:
            raise ModelError(f"unsupported ELU: expected alpha 1, received {self.alpha}")
        return fusion.activate(to, inputs[0], "elu")


@register_layer
@dataclass(frozen=True, slots=True)
class Softmax(Layer):
    """`keras.layers.Softmax` over the last axis."""

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.activate(to, inputs[0], "softmax")

    def as_logits(self) -> Layer | None:
        return None
