"""Layers that combine tensors: Keras' names and arguments, and the TFLite ops each becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.errors import ModelError
from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Channels, Layer, Simulation, register_layer
from kd_edge.ir.shape_inference import Shape


@dataclass(frozen=True, slots=True)
class Merge(Layer):
    """What elementwise layers of two tensors share; no layer of Keras."""

    arity: ClassVar[int] = 2
    channels: ClassVar[Channels] = Channels.MERGES
    shrinkable: ClassVar[bool] = True
    simulation: ClassVar[Simulation] = Simulation.BEHIND
    kind: ClassVar[str]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        left, right = inputs
        return fusion.combine(to, self.kind, left, right)


@register_layer
@dataclass(frozen=True, slots=True)
class Multiply(Merge):
    """`keras.layers.Multiply` of two tensors."""

    kind: ClassVar[str] = "MUL"


@register_layer
@dataclass(frozen=True, slots=True)
class Subtract(Merge):
    """`keras.layers.Subtract` of two tensors."""

    kind: ClassVar[str] = "SUB"


@register_layer
@dataclass(frozen=True, slots=True)
class Maximum(Merge):
    """`keras.layers.Maximum` of two tensors."""

    kind: ClassVar[str] = "MAXIMUM"


@register_layer
@dataclass(frozen=True, slots=True)
class Minimum(Merge):
    """`keras.layers.Minimum` of two tensors."""

    kind: ClassVar[str] = "MINIMUM"


@register_layer
@dataclass(frozen=True, slots=True)
class Add(Merge):
    """`keras.layers.Add` of two tensors.

    Keras adds what looks like a bias (one dimension other than 1, as long as the last of the other tensor) as a bias,
    after a RESHAPE to a vector.
    """

    kind: ClassVar[str] = "ADD"
    simulation: ClassVar[Simulation] = Simulation.LIBRARY

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        left, right = inputs
        shape = to.shape(left)
        if [size for size in to.shape(right) if size > 1] == [shape[-1]] and len(shape) > 1:
            return to.op("ADD", (left, fusion.reshape(to, right, shape[-1:])), shape)
        return fusion.combine(to, self.kind, left, right)


@register_layer
@dataclass(frozen=True, slots=True)
class Concatenate(Layer):
    """`keras.layers.Concatenate` along `axis`, counted with the batch."""

    axis: int = -1
    arity: ClassVar[int] = -1
    channels: ClassVar[Channels] = Channels.JOINS
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.op("CONCATENATION", inputs, self._joined([to.shape(i) for i in inputs]))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return self._joined([(1, *shape) for shape in inputs])[1:]

    def _joined(self, shapes: Sequence[Shape]) -> Shape:
        joined, axis = list(shapes[0]), self.axis % len(shapes[0])
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
            raise ModelError(
                f"cannot concatenate tensors of the shapes {', '.join(map(str, shapes))} along axis {axis}: expected "
                "equal sizes along all others"
            )
        joined[axis] = sum(shape[axis] for shape in shapes)
        return tuple(joined)
