"""Peephole fusion: what the TFLite converter makes of an op that follows another one, while a graph is built.

Every rule was read off the converter's output for the networks of `tools/networks/zoo.py`, which the tests compare.
Each function takes the builder first and returns the index of the tensor that holds the result.
"""

from collections.abc import Callable

from kd_edge.clone.short_names import BIAS_POSITION
from kd_edge.errors import ModelError
from kd_edge.ir.graph import Op
from kd_edge.ir.graph_builder import GraphBuilder, Scaling
from kd_edge.ir.shape_inference import Shape, broadcast

ONE_SCALE = frozenset({"CONCATENATION", "MAXIMUM", "MINIMUM"})
"""Ops that need one scale for all inputs."""

_ACTIVATION_OPS = {
    "gelu": "GELU",
    "hard_silu": "HARD_SWISH",
    "hard_swish": "HARD_SWISH",
    "leaky_relu": "LEAKY_RELU",
    "relu": "RELU",
    "relu6": "RELU",  # in int8, see `kd_edge.clone.tflm_operators`
    "sigmoid": "LOGISTIC",
    "softmax": "SOFTMAX",
    "tanh": "TANH",
}
_COMPOSED_ACTIVATIONS = ("elu", "hard_sigmoid", "silu", "swish")
_FUSED_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6"}
_MOVED_BEFORE_RESHAPE = frozenset({"RELU", "LOGISTIC", "TANH"})
_TAKES_BATCH_NORM = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
_TAKES_ACTIVATION = _TAKES_BATCH_NORM | {"ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"}


def reshape(to: GraphBuilder, tensor: int, shape: Shape) -> int:
    """Give a tensor another shape; of several such ops in a row the converter keeps one, or none."""
    op = to.producer(tensor)
    if op is not None and op.kind == "RESHAPE" and to.shape(tensor) != shape:
        return reshape(to, to.bypass(tensor), shape)
    if to.shape(tensor) == shape:
        return tensor
    if op is not None and op.kind == "MEAN" and not to.is_shared(tensor):
        source = to.shape(op.inputs[0])
        if shape == (1, *[1] * (len(source) - 2), source[-1]):
            to.tensors[tensor] = to.tensors[tensor]._replace(shape=shape)
            return tensor
    return to.op("RESHAPE", (tensor, to.numbers(*shape)), shape)


def scale(
    to: GraphBuilder,
    tensor: int,
    *,
    add: bool = True,
    multiply: bool = True,
    subtract: bool = False,
    values: tuple[float, float] | None,
) -> int:
    """Multiply by constants and add constants, inside the op that made the tensor where the converter does so.

    Args:
        to: The builder.
        tensor: What is scaled.
        add: Whether something is added.
        multiply: Whether there is a factor.
        subtract: Whether the summand is subtracted, not added.
        values: The factor and the summand, or None for constants of their own for every channel.
    """
    op = to.producer(tensor)
    if op is not None and not to.is_shared(tensor):
        if op.kind in _TAKES_BATCH_NORM and op.activation == "NONE":
            if add:
                _give_bias(to, tensor, op)
            return tensor
        if op.kind == "RESHAPE" and (values or to.shape(op.inputs[0])[-1] == to.shape(tensor)[-1]):
            inner = scale(to, to.bypass(tensor), add=add, multiply=multiply, subtract=subtract, values=values)
            return reshape(to, inner, to.shape(tensor))
    output = tensor
    shape = to.shape(tensor)
    for kind, wanted, position in (("MUL", multiply, 0), ("SUB" if subtract else "ADD", add, 1)):
        if wanted:
            constant = to.shared_constant((), "int8", values[position]) if values else to.constant(shape[-1:])
            output = to.op(kind, (output, constant), shape)
    to.scalings[output] = Scaling(tensor, values is not None or shape[-1] == 1, add)
    return output


def _give_bias(to: GraphBuilder, tensor: int, op: Op) -> None:
    position = BIAS_POSITION[op.kind]
    if len(op.inputs) > position and op.inputs[position] >= 0:
        return
    channels = to.shape(tensor)[-1]
    bias = to.constant((channels,), "int32", channels)
    to.replace_producer(tensor, op._replace(inputs=(*op.inputs[:position], bias)))
    to.has_dead_ops = True
    mark_linear_chain(to, op.inputs[0], tensor)


def before_scaling(to: GraphBuilder, tensor: int, *, takes: Callable[[Scaling], bool]) -> int:
    """Return what to read instead of a scaled tensor where the converter folds the scaling into its reader."""
    scaling = to.scalings.get(tensor)
    op = to.producer(tensor)
    if scaling is None or op is None or op.activation != "NONE" or not takes(scaling):
        return tensor
    to.has_dead_ops = True
    return before_scaling(to, scaling.source, takes=takes)


def pad(to: GraphBuilder, tensor: int, paddings: tuple[tuple[int, int], ...]) -> int:
    """Pad every dimension with zeros, before and after; the converter leaves out a padding by none."""
    if not any(map(any, paddings)):
        return tensor
    shape = tuple(size + sum(padding) for size, padding in zip(to.shape(tensor), paddings, strict=True))
    return to.op("PAD", (tensor, to.shared_constant((len(paddings), 2), "int32", paddings)), shape)


def before_padding(to: GraphBuilder, tensor: int, same: Callable[[int], tuple[tuple[int, int], ...]]) -> int | None:
    """Return what was padded, where the padding is the one that a SAME convolution does by itself; else None.

    Args:
        to: The builder.
        tensor: The input of a convolution.
        same: Returns the paddings of the SAME convolution of a tensor.
    """
    op = to.producer(tensor)
    if op is None or op.kind != "PAD" or to.is_shared(tensor) or same(op.inputs[0]) != to.value(op.inputs[1]):
        return None
    to.has_dead_ops = True
    return op.inputs[0]


def activate(to: GraphBuilder, tensor: int, activation: str) -> int:
    """Apply an activation: inside the op that made the tensor where the converter does so, else as an op.

    Raises:
        ModelError: The activation is unknown.
    """
    if activation == "linear":
        return tensor
    if activation in _COMPOSED_ACTIVATIONS:
        return _composed(to, tensor, activation)
    if activation not in _ACTIVATION_OPS:
        known = ", ".join(["linear", *sorted((*_ACTIVATION_OPS, *_COMPOSED_ACTIVATIONS))])
        raise ModelError(f"unsupported activation: expected one of {known}, received {activation!r}")
    kind = _ACTIVATION_OPS[activation]
    op = to.producer(tensor)
    if op is not None and not to.is_shared(tensor):
        if activation in _FUSED_ACTIVATIONS and _takes_activation(op):
            to.replace_producer(tensor, op._replace(activation=_FUSED_ACTIVATIONS[activation]))
            return tensor
        if op.kind == "RESHAPE" and kind in _MOVED_BEFORE_RESHAPE:
            return reshape(to, activate(to, to.bypass(tensor), activation), to.shape(tensor))
    return to.op(kind, (tensor,), to.shape(tensor))


def _takes_activation(op: Op) -> bool:
    """Return whether the converter puts an activation into an op; into a transposed convolution only beside a bias."""
    without_bias = op.kind == "TRANSPOSE_CONV" and len(op.inputs) <= BIAS_POSITION[op.kind]
    return op.kind in _TAKES_ACTIVATION and op.activation == "NONE" and not without_bias


def _composed(to: GraphBuilder, tensor: int, activation: str) -> int:
    shape = to.shape(tensor)
    if activation == "hard_sigmoid":
        moved = activate(to, scale(to, tensor, multiply=False, values=(1.0, 3.0)), "relu6")
        return scale(to, moved, add=False, values=(1 / 6, 0.0))
    if activation == "elu":
        real = to.op("DEQUANTIZE", (tensor,), shape, "float32")
        return to.op("QUANTIZE", (to.op("ELU", (real,), shape, "float32"),), shape)
    return to.op("MUL", (tensor, to.op("LOGISTIC", (tensor,), shape)), shape)


def combine(to: GraphBuilder, kind: str, left: int, right: int) -> int:
    """Compute an elementwise op of two tensors."""
    sources = [op.inputs[0] for op in map(to.producer, (left, right)) if op is not None and op.kind == "RESHAPE"]
    shape = broadcast(to.shape(left), to.shape(right))
    shared = to.is_shared(left) or to.is_shared(right)
    alike = len(sources) == 2 and to.shape(sources[0]) == to.shape(sources[1])
    if kind not in ONE_SCALE and alike and to.shape(left) == to.shape(right) and not shared:
        return reshape(to, combine(to, kind, to.bypass(left), to.bypass(right)), shape)
    return to.op(kind, (_lower_rank(to, left), _lower_rank(to, right)), shape)


def _lower_rank(to: GraphBuilder, tensor: int) -> int:
    """Return the source of a RESHAPE that only puts ones in front, which broadcasting does by itself."""
    op = to.producer(tensor)
    if op is None or op.kind != "RESHAPE":
        return tensor
    source, shape = to.shape(op.inputs[0]), to.shape(tensor)
    added = len(shape) - len(source)
    return to.bypass(tensor) if added > 0 and shape == (*[1] * added, *source) else tensor


def flat_source(to: GraphBuilder, tensor: int) -> int:
    """Return the 1x1 image that a RESHAPE just flattened: the converter lets a dense layer read the image."""
    op = to.producer(tensor)
    if op is None or op.kind != "RESHAPE":
        return tensor
    source = op.inputs[0]
    if to.tensors[source].num_elements != to.shape(source)[-1] or len(to.shape(tensor)) != 2:
        return tensor
    return to.bypass(tensor)


def mark_linear_chain(to: GraphBuilder, tensor: int, output: int) -> None:
    """Note two dense layers in a row with biases and without an activation inside; see `passes.move_biases_on`.

    Args:
        to: The builder.
        tensor: What the second reads.
        output: What it returns, before an activation that is an op.
    """
    ops = map(to.producer, (tensor, output))
    to.has_linear_chain |= all(op is not None and is_linear_dense(op) for op in ops)


def is_linear_dense(op: Op) -> bool:
    """Return whether an op is a dense layer with a bias and without an activation."""
    return op.kind == "FULLY_CONNECTED" and op.activation == "NONE" and op.inputs[2] >= 0


def takes_scaling(to: GraphBuilder, tensor: int) -> bool:
    """Return whether the converter multiplies and adds constants per channel inside the op that made a tensor."""
    op = to.producer(tensor)
    return op is not None and not to.is_shared(tensor) and op.kind in _TAKES_BATCH_NORM and op.activation == "NONE"
