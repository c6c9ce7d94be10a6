"""Layers that combine tensors: Keras' names and arguments, and the TFLite ops each becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer


@dataclass(frozen=True, slots=True)
class Multiply(Layer):
    """`keras.layers.Multiply` of two tensors."""

    arity: ClassVar[int] = 2
    kind: ClassVar[str] = "MUL"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        left, right = inputs
        return to.combine(self.kind, left, right)


@dataclass(frozen=True, slots=True)
class Subtract(Multiply):
    """`keras.layers.Subtract` of two tensors."""

    kind: ClassVar[str] = "SUB"


@dataclass(frozen=True, slots=True)
class Maximum(Multiply):
    """`keras.layers.Maximum` of two tensors."""

    kind: ClassVar[str] = "MAXIMUM"


@dataclass(frozen=True, slots=True)
class Minimum(Multiply):
    """`keras.layers.Minimum` of two tensors."""

    kind: ClassVar[str] = "MINIMUM"


@dataclass(frozen=True, slots=True)
class Add(Layer):
    """`keras.layers.Add` of two tensors.

    Keras adds what looks like a bias (one dimension other than 1, as long as the last of the other tensor) as a bias,
    after a RESHAPE to a vector.
    """

    arity: ClassVar[int] = 2

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        left, right = inputs
        shape = to.shape(left)
        if [size for size in to.shape(right) if size > 1] == [shape[-1]] and len(shape) > 1:
            return to.op("ADD", (left, to.reshape(right, shape[-1:])), shape)
        return to.combine("ADD", left, right)


@dataclass(frozen=True, slots=True)
class Concatenate(Layer):
    """`keras.layers.Concatenate` along `axis`, counted with the batch."""

    axis: int = -1
    arity: ClassVar[int] = -1

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = list(to.shape(inputs[0]))
        shape[self.axis] = sum(to.shape(i)[self.axis] for i in inputs)
        return to.op("CONCATENATION", inputs, tuple(shape))
