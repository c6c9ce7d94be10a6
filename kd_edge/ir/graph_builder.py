"""Collects the ops and tensors that layers become, and fuses them as the TFLite converter does.

Every rule was read off the converter's output for the networks of `tools/networks/zoo.py`, which the tests compare.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph, Op, Tensor, name_bytes

_ACTIVATION_OPS = {
    "hard_silu": "HARD_SWISH",
    "hard_swish": "HARD_SWISH",
    "leaky_relu": "LEAKY_RELU",
    "relu": "RELU",
    "relu6": "RELU6",
    "sigmoid": "LOGISTIC",
    "softmax": "SOFTMAX",
    "tanh": "TANH",
}
_COMPOSED_ACTIVATIONS = ("elu", "hard_sigmoid", "silu", "swish")
_FUSED_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6"}
_MOVED_BEFORE_RESHAPE = frozenset({"RELU", "RELU6", "LOGISTIC", "TANH"})
_TAKES_BATCH_NORM = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
_TAKES_ACTIVATION = _TAKES_BATCH_NORM | {"ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"}
# Lengths in the names of tensors: the average after a layer's scope (`/BiasAdd;`), and `StatefulPartitionedCall_1:0`.
_SUFFIX = 11
_OUTPUT_NAME = 27
# Position of the bias among the inputs.
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
# Ops whose output scale is fixed, ops that hand their input's scale on, and ops that need one scale for all inputs.
_FIXED_SCALE = frozenset({"LOGISTIC", "SOFTMAX", "TANH"})
_SAME_SCALE = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RESHAPE", "STRIDED_SLICE", "TRANSPOSE"})
_ONE_SCALE = frozenset({"CONCATENATION", "MAXIMUM", "MINIMUM"})


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

    Attributes:
        tensors: What was added so far.
        ops: The same; some may turn out unused, `graph` leaves these out.
        uses: How often each tensor will be read by layers, or is an output; kept up by the blueprint.
        scope: Length of the name that the converter will put before the names of what is emitted, kept up the same way.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.uses: Counter[int] = Counter()
        self.scope = 0
        self._names: dict[int, int] = {}
        self._producers: dict[int, int] = {}
        self._shared_constants: dict[tuple[str, tuple[int, ...], object], int] = {}
        self._scalings: dict[int, Scaling] = {}
        self._paddings: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
        self._has_dead_ops = False
        self._has_linear_chain = False

    def tensor(self, shape: tuple[int, ...], dtype: str = "int8") -> int:
        """Add an activation and return its index; one that is not int8 is not quantized."""
        self.tensors.append(Tensor(shape, dtype, num_scales=1 if dtype == "int8" else 0))
        self._names[len(self.tensors) - 1] = self.scope + _SUFFIX
        return len(self.tensors) - 1

    def constant(self, shape: tuple[int, ...], dtype: str = "int8", num_scales: int = 1) -> int:
        """Add a constant of its own, such as weights, and return its index."""
        self.tensors.append(Tensor(shape, dtype, True, num_scales))
        self._names[len(self.tensors) - 1] = self.scope + _SUFFIX
        return len(self.tensors) - 1

    def shared_constant(self, shape: tuple[int, ...], dtype: str, value: object) -> int:
        """Return the index of a constant of known value: the converter keeps equal ones once."""
        key = (dtype, shape, value)
        if key not in self._shared_constants:
            self._shared_constants[key] = self.constant(shape, dtype, 0 if dtype == "int32" else 1)
        return self._shared_constants[key]

    def numbers(self, *values: int) -> int:
        """Return the index of a constant vector of int32, such as a shape."""
        return self.shared_constant((len(values),), "int32", values)

    def lengthen(self, tensor: int, parts: int, *, weights: int = 0, bias: bool = True) -> None:
        """Note that more layers went into the op that made a tensor: the converter joins their names.

        Args:
            tensor: The op's output.
            parts: How many names are added.
            weights: How many are added to the name of the weights.
            bias: Whether as many are added to the name of the bias.
        """
        op = self._producer(tensor)
        length = self.scope + _SUFFIX
        self._names[tensor] += parts * length
        if op is None or op.kind not in _BIAS:
            return
        self._names[op.inputs[1]] += weights * length
        for constant in op.inputs[_BIAS[op.kind] :]:
            if bias and constant >= 0:
                self._names[constant] += parts * length

    def op(self, kind: str, inputs: Sequence[int], shape: tuple[int, ...], dtype: str = "int8", **options: Any) -> int:
        """Add an op with one output of the given shape and return that output's index."""
        output = self.tensor(shape, dtype)
        self._producers[output] = len(self.ops)
        self.ops.append(Op(kind, tuple(inputs), (output,), **options))
        return output

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape, with the batch of 1."""
        return self.tensors[tensor].shape

    def reshape(self, tensor: int, shape: tuple[int, ...]) -> int:
        """Give a tensor another shape; of several such ops in a row the converter keeps one, or none."""
        op = self._producer(tensor)
        if op is not None and op.kind == "RESHAPE" and self.shape(tensor) != shape:
            return self.reshape(self._bypass(tensor), shape)
        if self.shape(tensor) == shape:
            return tensor
        if op is not None and op.kind == "MEAN" and not self._is_shared(tensor):
            source = self.shape(op.inputs[0])
            if shape == (1, *[1] * (len(source) - 2), source[-1]):
                self.tensors[tensor] = self.tensors[tensor]._replace(shape=shape)
                return tensor
        return self.op("RESHAPE", (tensor, self.numbers(*shape)), shape)

    def scale(self, tensor: int, *, add: bool = True, multiply: bool = True, values: tuple[float, float] | None) -> int:
        """Multiply by constants and add constants, inside the op that made the tensor where the converter does so.

        Args:
            tensor: What is scaled.
            add: Whether something is added.
            multiply: Whether there is a factor.
            values: The factor and the summand, or None for constants of their own for every channel.
        """
        op = self._producer(tensor)
        if op is not None and not self._is_shared(tensor):
            if op.kind in _TAKES_BATCH_NORM and op.activation == "NONE":
                if add:
                    self._ensure_bias(tensor)
                depthwise = op.kind == "DEPTHWISE_CONV_2D"
                has_bias = op.kind == "CONV_2D" and self._names[tensor] > self._names[op.inputs[1]]
                parts = 4 if not values and (depthwise or has_bias) else 2
                self.lengthen(tensor, parts, weights=2 if depthwise else 0)
                return tensor
            source = op.inputs[0]
            if op.kind == "RESHAPE" and (values or self.shape(source)[-1] == self.shape(tensor)[-1]):
                inner = self.scale(self._bypass(tensor), add=add, multiply=multiply, values=values)
                return self.reshape(inner, self.shape(tensor))
        output = tensor
        shape = self.shape(tensor)
        for kind, wanted, position in (("MUL", multiply, 0), ("ADD", add, 1)):
            if wanted:
                constant = self.shared_constant((), "int8", values[position]) if values else self.constant(shape[-1:])
                output = self.op(kind, (output, constant), shape)
        self._scalings[output] = Scaling(tensor, values is not None, add)
        return output

    def before_scaling(self, tensor: int, *, takes: Callable[[Scaling], bool]) -> int:
        """Return what to read instead of a scaled tensor where the converter folds the scaling into its reader."""
        scaling = self._scalings.get(tensor)
        op = self._producer(tensor)
        if scaling is None or op is None or op.activation != "NONE" or not takes(scaling):
            return tensor
        self._has_dead_ops = True
        return scaling.source

    def pad(self, tensor: int, paddings: tuple[tuple[int, int], ...]) -> int:
        """Pad every dimension with zeros, before and after."""
        shape = tuple(size + sum(padding) for size, padding in zip(self.shape(tensor), paddings, strict=True))
        amounts = self.shared_constant((len(paddings), 2), "int32", paddings)
        output = self.op("PAD", (tensor, amounts), shape)
        self._paddings[output] = (tensor, paddings)
        return output

    def before_padding(self, tensor: int, same: Callable[[int], tuple[tuple[int, int], ...]]) -> int | None:
        """Return what was padded, where the padding is the one that a SAME convolution does by itself; else None.

        Args:
            tensor: The input of a convolution.
            same: Returns the paddings of the SAME convolution of a tensor.
        """
        source, paddings = self._paddings.get(tensor, (tensor, ()))
        if not paddings or self._is_shared(tensor) or same(source) != paddings:
            return None
        self._has_dead_ops = True
        return source

    def activate(self, tensor: int, activation: str) -> int:
        """Apply an activation: inside the op that made the tensor where the converter does so, else as an op."""
        if activation == "linear":
            return tensor
        if activation in _COMPOSED_ACTIVATIONS:
            return self._composed(tensor, activation)
        if activation not in _ACTIVATION_OPS:
            known = ", ".join(["linear", *sorted((*_ACTIVATION_OPS, *_COMPOSED_ACTIVATIONS))])
            raise ModelError(f"unsupported activation: expected one of {known}, received {activation!r}")
        kind = _ACTIVATION_OPS[activation]
        op = self._producer(tensor)
        if op is not None and not self._is_shared(tensor):
            if activation in _FUSED_ACTIVATIONS and op.kind in _TAKES_ACTIVATION and op.activation == "NONE":
                self.ops[self._producers[tensor]] = op._replace(activation=_FUSED_ACTIVATIONS[activation])
                self.lengthen(tensor, 1)
                return tensor
            if op.kind == "RESHAPE" and kind in _MOVED_BEFORE_RESHAPE:
                return self.reshape(self.activate(self._bypass(tensor), activation), self.shape(tensor))
        output = self.op(kind, (tensor,), self.shape(tensor))
        if kind == "HARD_SWISH":
            self.lengthen(output, 3)
        return output

    def combine(self, kind: str, left: int, right: int) -> int:
        """Compute an elementwise op of two tensors."""
        sources = [op.inputs[0] for op in map(self._producer, (left, right)) if op is not None and op.kind == "RESHAPE"]
        shape = _broadcast(self.shape(left), self.shape(right))
        shared = self._is_shared(left) or self._is_shared(right)
        alike = len(sources) == 2 and self.shape(sources[0]) == self.shape(sources[1])
        if kind not in _ONE_SCALE and alike and self.shape(left) == self.shape(right) and not shared:
            return self.reshape(self.combine(kind, self._bypass(left), self._bypass(right)), shape)
        return self.op(kind, (self._lower_rank(left), self._lower_rank(right)), shape)

    def flat_source(self, tensor: int) -> int:
        """Return the 1x1 image that a RESHAPE just flattened: the converter lets a dense layer read the image."""
        op = self._producer(tensor)
        if op is None or op.kind != "RESHAPE":
            return tensor
        source = op.inputs[0]
        if self.tensors[source].num_elements != self.shape(source)[-1] or len(self.shape(tensor)) != 2:
            return tensor
        return self._bypass(tensor)

    def mark_linear_chain(self, tensor: int) -> None:
        """Note that a dense layer with a bias and without an activation reads this tensor; see `graph`."""
        op = self._producer(tensor)
        self._has_linear_chain |= op is not None and _is_linear_dense(op)

    def graph(self, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
        """Return what was collected, without ops whose result nothing reads."""
        ops = self.ops
        if self._has_linear_chain:
            ops = self._with_biases_moved_on(ops, outputs)
        if any(op.kind in _FIXED_SCALE for op in ops) and any(op.kind in _ONE_SCALE for op in ops):
            ops = self._with_scales_aligned(ops)
        if self._has_dead_ops:
            ops = _without_dead(ops, outputs)
        graph = Graph(tuple(self.tensors), tuple(ops), tuple(inputs), tuple(outputs), self._name_bytes(ops, outputs))
        return graph.canonical() if ops is not self.ops or len(inputs) > 1 or self._shared_constants else graph

    def _name_bytes(self, ops: Sequence[Op], outputs: Sequence[int]) -> int:
        """Return the bytes of all names in the file; the network's outputs have a fixed one."""
        lengths = {i: self._names[i] for op in ops for i in (*op.inputs, *op.outputs) if i >= 0}
        lengths |= dict.fromkeys(outputs, _OUTPUT_NAME)
        return sum(map(name_bytes, lengths.values()))

    def _producer(self, tensor: int) -> Op | None:
        index = self._producers.get(tensor)
        return None if index is None else self.ops[index]

    def _is_shared(self, tensor: int) -> bool:
        return self.uses[tensor] > 1

    def _bypass(self, tensor: int) -> int:
        """Return the input of the op that made a tensor, which one reader fewer now reads."""
        self.uses[tensor] -= 1
        self._has_dead_ops = True
        source = self.ops[self._producers[tensor]].inputs[0]
        if self.uses[tensor] > 0:
            self.uses[source] = max(self.uses[source], 1) + 1
        return source

    def _ensure_bias(self, tensor: int) -> None:
        op = self.ops[self._producers[tensor]]
        position = _BIAS[op.kind]
        if len(op.inputs) > position and op.inputs[position] >= 0:
            return
        channels = self.shape(tensor)[-1]
        bias = self.constant((channels,), "int32", channels)
        self.ops[self._producers[tensor]] = op._replace(inputs=(*op.inputs[:position], bias))
        self._has_dead_ops = True

    def _composed(self, tensor: int, activation: str) -> int:
        shape = self.shape(tensor)
        if activation == "hard_sigmoid":
            moved = self.activate(self.scale(tensor, multiply=False, values=(1.0, 3.0)), "relu6")
            return self.scale(moved, add=False, values=(1 / 6, 0.0))
        if activation == "elu":
            real = self.op("DEQUANTIZE", (tensor,), shape, "float32")
            return self.op("QUANTIZE", (self.op("ELU", (real,), shape, "float32"),), shape)
        return self.op("MUL", (tensor, self.op("LOGISTIC", (tensor,), shape)), shape)

    def _lower_rank(self, tensor: int) -> int:
        """Return the source of a RESHAPE that only puts ones in front, which broadcasting does by itself."""
        op = self._producer(tensor)
        if op is None or op.kind != "RESHAPE":
            return tensor
        source, shape = self.shape(op.inputs[0]), self.shape(tensor)
        added = len(shape) - len(source)
        return self._bypass(tensor) if added > 0 and shape == (*[1] * added, *source) else tensor

    def _with_biases_moved_on(self, ops: list[Op], outputs: Sequence[int]) -> list[Op]:
        """Move a dense layer's bias into the bias of the dense layers after it, from the last layer to the first.

        Who else reads the first layer gets its bias from an ADD.
        """
        moved = list(ops)
        for index in reversed(range(len(ops))):
            output = ops[index].outputs[0]
            readers = [op for op in moved[index + 1 :] if output in op.inputs]
            if not _is_linear_dense(moved[index]) or not any(map(_is_linear_dense, readers)):
                continue
            moved[index] = ops[index]._replace(inputs=(*ops[index].inputs[:2], -1))
            if output not in outputs and all(map(_is_linear_dense, readers)):
                continue
            shape = self.shape(output)
            # The name stays with the sum, so that only the dense layers have to be told.
            product = self.tensor(shape)
            moved[index] = moved[index]._replace(outputs=(product,))
            moved[index + 1 :] = [
                op._replace(inputs=(product, *op.inputs[1:])) if op in readers and _is_linear_dense(op) else op
                for op in moved[index + 1 :]
            ]
            moved.insert(index + 1, Op("ADD", (product, self.constant(shape[-1:])), (output,)))
        return moved

    def _with_scales_aligned(self, ops: list[Op]) -> list[Op]:
        """Put a QUANTIZE behind ops of fixed scale whose result meets other tensors in an op of one scale."""
        meeting: set[int] = set()
        for op in reversed(ops):
            if op.kind in _ONE_SCALE or (op.kind in _SAME_SCALE and op.outputs[0] in meeting):
                meeting.update(i for i in op.inputs if i >= 0 and not self.tensors[i].constant)
        aligned: list[Op] = []
        renamed: dict[int, int] = {}
        for op in ops:
            aligned.append(op._replace(inputs=tuple(renamed.get(i, i) for i in op.inputs)))
            output = op.outputs[0]
            if op.kind in _FIXED_SCALE and output in meeting:
                renamed[output] = self.tensor(self.shape(output))
                aligned.append(Op("QUANTIZE", (output,), (renamed[output],)))
        return aligned


def _is_linear_dense(op: Op) -> bool:
    return op.kind == "FULLY_CONNECTED" and op.activation == "NONE" and op.inputs[2] >= 0


def _without_dead(ops: Sequence[Op], outputs: Sequence[int]) -> list[Op]:
    live = set(outputs)
    kept: list[Op] = []
    for op in reversed(ops):
        if op.outputs[0] in live:
            live.update(op.inputs)
            kept.append(op)
    return kept[::-1]


def _broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(left), len(right))
    pairs = list(zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True))
    if any(a != b and a != 1 and b != 1 for a, b in pairs):
        raise ModelError(f"cannot combine tensors of the shapes {left} and {right}: expected equal sizes or 1")
    return tuple(b if a == 1 else a for a, b in pairs)
