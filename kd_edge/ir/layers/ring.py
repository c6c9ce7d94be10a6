"""The ring buffer of a streamed network: what it keeps of the frames before, in front of the new ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.ir.graph import Op
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer
from kd_edge.ir.shape_inference import Shape


@dataclass(frozen=True, slots=True)
class Ring(Layer):
    """Puts the last positions of the steps before in front of those of a step; no layer of Keras.

    Attributes:
        kept: Positions that a resource variable keeps from step to step.
    """

    kept: int
    weighted: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        _, new, *rest = to.shape(inputs[0])
        past = (1, self.kept, *rest)
        number = sum(op.kind == "VAR_HANDLE" for op in to.ops)
        handle = to.op("VAR_HANDLE", (), (), "resource", variable=number)
        to.tensors[handle] = to.tensors[handle]._replace(constant=True)
        read = to.op("READ_VARIABLE", (handle,), past, variable=number)
        joined = to.op("CONCATENATION", (read, inputs[0]), (1, self.kept + new, *rest))
        zeros = [0] * len(rest)
        begin, end = to.numbers(0, new, *zeros), to.numbers(0, 0, *rest)
        newest = to.op("STRIDED_SLICE", (joined, begin, end, to.numbers(*[1] * (len(rest) + 2))), past)
        to.ops.append(Op("ASSIGN_VARIABLE", (handle, newest), (), variable=number))
        return joined

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (inputs[0][0] + self.kept, *inputs[0][1:])
