"""The layer of a blueprint: its place in the network and how it becomes TFLite ops."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from kd_edge.ir.graph_builder import GraphBuilder


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a blueprint."""

    arity: ClassVar[int] = 1
    weighted: ClassVar[bool] = False

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        """Emit the layer's ops.

        Args:
            to: Collects ops and tensors.
            inputs: Tensor indices of the layer's inputs.

        Returns:
            The index of the output tensor.
        """
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, slots=True)
class InputLayer(Layer):
    """The network's input, `shape` without the batch."""

    shape: tuple[int, ...]
    arity: ClassVar[int] = 0
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.tensor((1, *self.shape))


@dataclass(frozen=True, slots=True)
class Node:
    """One layer and the nodes whose outputs it reads, by their positions in the blueprint."""

    layer: Layer
    inputs: tuple[int, ...] = field(default=())
