"""Graph builder: the store of ops and tensors that layers emit into."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from kd_edge.clone.short_names import BIAS_POSITION
from kd_edge.ir.graph import Op, Tensor


class Scaling(NamedTuple):
    """A multiplication and an addition of constants that made a tensor.

    Attributes:
        source: The tensor before them.
        scalar: Whether the constants are single numbers, not one per channel.
        adds: Whether there is an addition.
    """

    source: int
    scalar: bool
    adds: bool


class GraphBuilder:
    """Collects the ops and tensors of a graph while its layers emit them.

    What the converter fuses is in `kd_edge.ir.fusion`, what it does to a whole graph in `kd_edge.ir.passes`.

    Attributes:
        tensors: What was added so far.
        ops: The same; some may turn out unused.
        scalings: What is known of tensors that scaling made.
        has_dead_ops: Whether nothing may read some op any more, or tensors are not numbered by their first use.
        has_linear_chain: Whether a dense layer may hand its bias on to one behind it.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.scalings: dict[int, Scaling] = {}
        self.has_dead_ops = False
        self.has_linear_chain = False
        self._begun: list[tuple[int, int]] = []
        self._owner = 0
        self._num_weights = 0
        self._weights: dict[tuple[int, int, tuple[int, ...]], int] = {}
        self._uses: Counter[int] = Counter()
        self._producers: dict[int, int] = {}
        self._shared_constants: dict[tuple[str, tuple[int, ...], object], int] = {}
        self._values: dict[int, object] = {}

    def begin_layer(self, position: int, *, shares: int | None = None) -> None:
        """Begin a layer.

        Args:
            position: Of its node in the network.
            shares: Position of the node whose weights it has, where they are not its own.
        """
        self._begun.append((len(self.tensors), position))
        self._owner = position if shares is None else shares
        self._num_weights = 0

    def add_readers(self, tensor: int, count: int) -> None:
        """Note that so many more layers will read a tensor, or that it is an output."""
        self._uses[tensor] += count

    def tensor(self, shape: tuple[int, ...], dtype: str = "int8") -> int:
        """Add an activation and return its index; one that is not int8 is not quantized."""
        return self._add(Tensor(shape, dtype, False, 1 if dtype == "int8" else 0))

    def constant(self, shape: tuple[int, ...], dtype: str = "int8", num_scales: int = 1) -> int:
        """Add a constant of its own, such as weights, and return its index.

        Weights of a layer that was called before are there already. Its biases are not: their scale is the input's.
        """
        if dtype != "int8":
            return self._add(Tensor(shape, dtype, True, num_scales))
        key = (self._owner, self._num_weights, shape)
        self._num_weights += 1
        if key not in self._weights:
            self._weights[key] = self._add(Tensor(shape, dtype, True, num_scales))
        else:
            self.has_dead_ops = True  # numbered before its second use
        return self._weights[key]

    def shared_constant(self, shape: tuple[int, ...], dtype: str, value: object) -> int:
        """Return the index of a constant of known value: the converter keeps equal ones once."""
        key = (dtype, shape, value)
        index = self._shared_constants.get(key)
        if index is None:
            index = self._shared_constants[key] = self.constant(shape, dtype, 0 if dtype == "int32" else 1)
            self._values[index] = value
        return index

    def numbers(self, *values: int) -> int:
        """Return the index of a constant vector of int32, such as a shape."""
        return self.shared_constant((len(values),), "int32", values)

    def op(self, kind: str, inputs: Sequence[int], shape: tuple[int, ...], dtype: str = "int8", **options: Any) -> int:
        """Add an op with one output of the given shape and return that output's index."""
        output = self._add(Tensor(shape, dtype, False, 1 if dtype == "int8" else 0))
        self._producers[output] = len(self.ops)
        self.ops.append(Op(kind, tuple(inputs), (output,), **options))
        return output

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape, with the batch of 1."""
        return self.tensors[tensor].shape

    def value(self, tensor: int) -> object:
        """Return the value of a constant, None where it is not known."""
        return self._values.get(tensor)

    def producer(self, tensor: int) -> Op | None:
        """Return the op that made a tensor; None for constants and inputs."""
        index = self._producers.get(tensor)
        return None if index is None else self.ops[index]

    def replace_producer(self, tensor: int, op: Op) -> None:
        """Put another op in the place of the one that made a tensor."""
        self.ops[self._producers[tensor]] = op

    def is_shared(self, tensor: int) -> bool:
        """Return whether more than one layer reads a tensor."""
        return self._uses[tensor] > 1

    def bypass(self, tensor: int) -> int:
        """Return the input of the op that made a tensor, which one reader fewer now reads."""
        self._uses[tensor] -= 1
        self.has_dead_ops = True
        source = self.ops[self._producers[tensor]].inputs[0]
        if self._uses[tensor] > 0:
            self._uses[source] = max(self._uses[source], 1) + 1
        return source

    def layer(self, op: Op) -> int:
        """Return the position of the layer that an op came from: of fused ones the one with the weights."""
        tensor = op.inputs[1] if op.kind in BIAS_POSITION or not op.outputs else op.outputs[0]
        return self._begun[bisect_right(self._begun, tensor, key=itemgetter(0)) - 1][1]

    @property
    def has_shared_constants(self) -> bool:
        """Whether a constant may be read more than once."""
        return bool(self._shared_constants)

    def _add(self, tensor: Tensor) -> int:
        index = len(self.tensors)
        self.tensors.append(tensor)
        return index
