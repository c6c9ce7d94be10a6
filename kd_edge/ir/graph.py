"""Ops and tensors of a network, as the TFLite converter emits them: the one thing every cost is computed from."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from kd_edge.errors import ModelError
from tflite_bench.model.operators.spec import DTYPE_BYTES, Flags, Operands, operands_of
from tflite_bench.model.operators.work import macs_of

_FLOATS = ("float16", "float32", "float64")


class Tensor(NamedTuple):
    """One tensor of a graph.

    Attributes:
        shape: Dimensions with the batch of 1, e.g. `(1, 32, 32, 3)`; filters as TFLite stores them,
            e.g. `(filters, height, width, channels)`.
        dtype: A key of `DTYPE_BYTES`.
        constant: True for weights, biases and shape arguments: bytes that live in the file, not in RAM.
        num_scales: Number of quantization scales: 0 unquantized, 1 per tensor, else one per channel.
    """

    shape: tuple[int, ...]
    dtype: str = "int8"
    constant: bool = False
    num_scales: int = 1

    @property
    def num_elements(self) -> int:
        """Product of the dimensions; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes of the tensor's contents."""
        return math.prod(self.shape) * DTYPE_BYTES[self.dtype]

    @property
    def num_params(self) -> int:
        """Number of stored weights or biases; 0 of an activation, and of a shape, an axis or another argument."""
        learned = self.constant and (self.num_scales > 0 or self.dtype in _FLOATS)
        return math.prod(self.shape) if learned else 0


class Op(NamedTuple):
    """One operator of a graph.

    Attributes:
        kind: TFLite's name of the operator, e.g. `"CONV_2D"`.
        inputs: Indices into `Graph.tensors` in TFLite's order (input, filter, bias); -1 for an absent one.
        outputs: Indices into `Graph.tensors`.
        strides: Vertical and horizontal stride of convolutions and pooling.
        padding: `"SAME"`, `"VALID"` or, where the operator has none, `""`.
        window: Height and width of a pooling window; `(0, 0)` elsewhere.
        dilations: Vertical and horizontal dilation of convolutions.
        activation: Fused activation, e.g. `"RELU"`, or `"NONE"`.
        flags: What a cost depends on beside the tensors; see `Operands`.
        calls: Positions of the subgraphs that it calls, in the file: of IF both branches, of WHILE condition and body.
        repeats: How often a WHILE runs its body; `None` where only the inference shows it.
        variable: Number of the resource variable that it names or writes; -1 for none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    padding: str = ""
    window: tuple[int, int] = (0, 0)
    dilations: tuple[int, int] = (1, 1)
    activation: str = "NONE"
    flags: Flags = ()
    calls: tuple[int, ...] = ()
    repeats: int | None = None
    variable: int = -1


class Graph(NamedTuple):
    """A network as a list of ops in execution order.

    Two graphs are the same network when their `canonical()` forms are equal. A graph that was read from a file keeps
    the file's numbers of tensors, since TFLM plans buffers of one size in that order.

    Attributes:
        tensors: All tensors.
        ops: The ops.
        inputs: Indices of the tensors that the caller fills.
        outputs: Indices of the tensors that the caller reads.
        name_bytes: Bytes that the tensors' names take in the file; two networks may be equal but for their names.
        subgraphs: The other subgraphs of a file: number 1, 2 and so on of `Op.calls`. This one is number 0.
        unused: Indices of tensors without contents that no op reads or writes; TFLM plans room for them.
        states: Indices of tensors that the file says survive an inference.
        num_variables: Number of resource variables, which all subgraphs share.
        layers: The name of the layer that made each op, where they are known.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name_bytes: int = 0
    subgraphs: tuple["Graph", ...] = ()
    unused: tuple[int, ...] = ()
    states: tuple[int, ...] = ()
    num_variables: int = 0
    layers: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self[:4] == other[:4] and self.subgraphs == other.subgraphs

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:4])

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but ops in a row: no other subgraphs, no resource variables."""
        return not self.subgraphs and not self.num_variables

    @property
    def all_subgraphs(self) -> tuple["Graph", ...]:
        """This network and its other subgraphs, by their number."""
        return (self, *self.subgraphs)

    def operands(self, op: Op) -> Operands:
        """Return one op with its tensors, as the rules of `OpSpec` take it."""
        return operands_of(self.tensors, op.kind, op.inputs, op.outputs, op.flags)

    def macs(self, op: Op) -> int | None:
        """Return the multiply-accumulate operations of one op, by the rule in its `OpSpec`.

        Returns:
            Those of the dearer branch of an IF, of all rounds of a WHILE, and none of what is called once; `None` where
            nobody knows the rule, or how often a loop runs.
        """
        return called_macs(op, self.subgraphs) if op.calls else macs_of(self.operands(op))

    @property
    def total_macs(self) -> int | None:
        """Multiply-accumulate operations of one inference; `None` where those of an op are unknown."""
        return _sum_of([self.macs(op) for op in self.ops])

    @property
    def unknown_macs(self) -> str:
        """Why `total_macs` is `None`; empty where it is not."""
        unknown = [op for op in self.ops if self.macs(op) is None]
        loops = any(op.kind == "WHILE" for op in unknown)
        kinds = ", ".join(dict.fromkeys(op.kind for op in unknown))
        way_out = "only the inference shows how often a loop runs" if loops else "`register_op` makes it known"
        return f"nobody knows the MACs of {kinds}; {way_out}" if unknown else ""

    @property
    def known_macs(self) -> int:
        """`total_macs` of a network whose ops all are known, as those of Keras models are.

        Raises:
            ModelError: Those of an op are not.
        """
        macs = self.total_macs
        if macs is None:
            raise ModelError(f"cannot count multiply-accumulates: {self.unknown_macs}")
        return macs

    @property
    def params(self) -> int:
        """Number of stored weights, biases and other learned or folded constants; shapes and axes are none."""
        return sum(tensor.num_params for graph in self.all_subgraphs for tensor in graph.tensors)

    def canonical(self) -> "Graph":
        """Return the same graph with unused tensors dropped and tensors numbered by first use."""
        order: dict[int, int] = {}
        for index in (*self.inputs, *(i for op in self.ops for i in (*op.inputs, *op.outputs)), *self.outputs):
            if index >= 0:
                order.setdefault(index, len(order))
        order[-1] = -1
        ops = tuple(
            op._replace(inputs=tuple(order[i] for i in op.inputs), outputs=tuple(order[i] for i in op.outputs))
            for op in self.ops
        )
        tensors = tuple(self.tensors[i] for i in order if i >= 0)
        inputs, outputs = (tuple(order[i] for i in side) for side in (self.inputs, self.outputs))
        subgraphs = tuple(graph.canonical() for graph in self.subgraphs)
        same = Graph(tensors, ops, inputs, outputs, self.name_bytes, subgraphs)
        return same._replace(num_variables=self.num_variables, layers=self.layers)


def called_graphs(op: Op, subgraphs: Sequence[Graph]) -> list[Graph]:
    """Return the subgraphs that an op calls, each knowing those that it calls itself.

    Args:
        op: The op.
        subgraphs: The file's, from number 1.
    """
    return [subgraphs[number - 1]._replace(subgraphs=tuple(subgraphs)) for number in op.calls]


def called_macs(op: Op, subgraphs: Sequence[Graph]) -> int | None:
    """Return the multiply-accumulate operations of an op that calls subgraphs.

    Args:
        op: The op.
        subgraphs: The file's, from number 1.
    """
    if op.kind == "CALL_ONCE":
        return 0
    called = [graph.total_macs for graph in called_graphs(op, subgraphs)]
    if op.kind == "IF":
        return None if None in called else max(filter(None, called), default=0)
    once = _sum_of(called)
    if not once:
        return once
    return None if op.repeats is None else op.repeats * once


def _sum_of(macs: Sequence[int | None]) -> int | None:
    known = [count for count in macs if count is not None]
    return sum(known) if len(known) == len(macs) else None


def name_bytes(length: int) -> int:
    """Return the bytes that a name of so many letters takes in a flatbuffer: its length, a zero, and padding to 4."""
    return (4 + length + 1 + 3) // 4 * 4
