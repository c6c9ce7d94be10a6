"""Counts the work of a network's operators, by the classes of a device profile.

The classes and the counts are those of `kd_edge`'s latency model, which multiplies them with a profile's costs.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from tflite_bench.model.reader import ModelInfo, OpInfo, TensorInfo

CLASSES = ("conv", "pointwise", "depthwise", "dense", "pool", "elementwise", "softmax", "copy")
# Kinds of operators that a runtime may work at otherwise than at the rest of their class.
OWN = (
    "CONV_2D_GROUPED",
    "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "MAX_POOL_2D",
    "MEAN",
    "REDUCE_MAX",
    "BROADCAST",
    "RELU",
    "PRELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "ELU",
    "LOGISTIC",
    "TANH",
    "RESIZE_BILINEAR",
    "CONCATENATION",
    "PAD",
    "TRANSPOSE",
    "TILE",
    "STRIDED_SLICE",
    "QUANTIZE",
)

_CLASS_OF = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "AVERAGE_POOL_2D": "pool",
    "ADD": "elementwise",
    "SUB": "elementwise",
    "MUL": "elementwise",
    "MAXIMUM": "elementwise",
    "MINIMUM": "elementwise",
    "SOFTMAX": "softmax",
    "RESHAPE": "copy",
}
# XNNPACK has no depthwise kernels of more weights per channel, it computes such layers as grouped convolutions.
_LARGE_WINDOW = 25


class Work(NamedTuple):
    """What one operator does.

    Attributes:
        kernel: One of `CLASSES`, or of `OWN`.
        macs: Multiply-accumulates, with the channels rounded up to the kernels' blocks.
        moved_bytes: Inputs gathered and outputs written.
        steps: Steps of the outer loop: rows of the output in depthwise convolutions and pooling, its pixels in other
            convolutions and dense layers, pixels of the largest tensor elsewhere.
    """

    kernel: str
    macs: int
    moved_bytes: int
    steps: int


class Blocks(NamedTuple):
    """How many channels kernels take at once: a layer of fewer takes as long as one of that many.

    Attributes:
        inputs: Input channels of convolutions and dense layers.
        filters: Filters of them.
        depthwise: Channels of depthwise convolutions.
        window: Input channels that each position of a convolution's window costs beside its own.
    """

    inputs: int = 1
    filters: int = 1
    depthwise: int = 1
    window: int = 0


def count_work(model: ModelInfo, blocks: Blocks = Blocks()) -> tuple[Work, ...]:  # noqa: B008
    """Return the work of every operator.

    A convolution or dense layer gathers a patch of inputs for every output position, once for all its filters, and
    writes its outputs; every other operator reads its inputs once and writes its outputs. Constants are not counted;
    a recurrent layer uses each of them once per step.

    Args:
        model: A model of the operators of `CLASSES` and `OWN`.
        blocks: Count the MACs as if the channels were multiples of these.

    Raises:
        KeyError: It has another operator.
    """
    return tuple(_work(model.tensors, op, blocks) for op in model.ops)


def _work(tensors: Sequence[TensorInfo], op: OpInfo, blocks: Blocks) -> Work:
    kernel, output = _kernel(tensors, op), tensors[op.outputs[0]]
    if kernel == "CONV_2D_GROUPED":
        return _grouped(tensors, op, blocks)
    if op.name in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return _convolution(tensors, op, blocks, kernel)
    read = [tensors[i] for i in op.inputs if i >= 0 and not tensors[i].constant]
    moved_bytes = sum(tensor.num_bytes or 0 for tensor in [*read, output])
    if kernel == "depthwise":
        _, rows, columns, channels = tensors[op.inputs[1]].shape
        macs = output.num_elements // channels * rows * columns * _rounded(channels, blocks.depthwise)
        return Work(kernel, macs, moved_bytes, output.shape[1])
    rows = kernel in ("pool", "MAX_POOL_2D")
    steps = output.shape[1] if rows else max(prod(tensor.shape[:-1]) for tensor in [*read, output])
    return Work(kernel, _recurrent_macs(tensors, op), moved_bytes, steps)


def _convolution(tensors: Sequence[TensorInfo], op: OpInfo, blocks: Blocks, kernel: str) -> Work:
    filters, output = tensors[op.inputs[1]].shape, tensors[op.outputs[0]]
    if op.name == "TRANSPOSE_CONV":
        gathered = tensors[op.inputs[2]].num_elements * prod(filters[1:3])
    else:
        gathered = output.num_elements // filters[0] * prod(filters[1:])
    inputs = _rounded(filters[-1], blocks.inputs) + (blocks.window if kernel in ("conv", "TRANSPOSE_CONV") else 0)
    macs = gathered // filters[-1] * inputs * _rounded(filters[0], blocks.filters)
    return Work(kernel, macs, _moved_bytes(gathered, output), output.num_elements // filters[0])


def _grouped(tensors: Sequence[TensorInfo], op: OpInfo, blocks: Blocks) -> Work:
    """Each group is a convolution of its own; a depthwise convolution has as many as it reads channels."""
    filters, output = tensors[op.inputs[1]].shape, tensors[op.outputs[0]]
    read, written = tensors[op.inputs[0]].shape[-1], output.shape[-1]
    groups = read if op.name == "DEPTHWISE_CONV_2D" else read // filters[3]
    positions = output.num_elements // written
    of_each = positions * prod(filters[1:3]) * _rounded(read // groups, blocks.inputs)
    macs = groups * of_each * _rounded(written // groups, blocks.filters)
    return Work("CONV_2D_GROUPED", macs, _moved_bytes(positions * prod(filters[1:3]) * read, output), positions)


def _moved_bytes(gathered: int, output: TensorInfo) -> int:
    return (gathered + output.num_elements) * ((output.num_bytes or 0) // output.num_elements)


def _recurrent_macs(tensors: Sequence[TensorInfo], op: OpInfo) -> int:
    if op.name != "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return 0
    weights = [tensors[i] for i in op.inputs if i >= 0 and tensors[i].constant and tensors[i].dtype != "int32"]
    return sum(tensor.num_elements for tensor in weights) * prod(tensors[op.outputs[0]].shape[:-1])


def _kernel(tensors: Sequence[TensorInfo], op: OpInfo) -> str:
    """Return the class of an operator, or the name of its kind if that is one of `OWN`."""
    filters = tensors[op.inputs[1]].shape if len(op.inputs) > 1 else ()
    channels = tensors[op.inputs[0]].shape[-1:]
    if op.name == "CONV_2D" and filters[3:] < channels:
        return "CONV_2D_GROUPED"
    if op.name == "CONV_2D" and filters[1:3] == (1, 1):
        return "pointwise"
    if op.name == "DEPTHWISE_CONV_2D" and (prod(filters[1:3]) > _LARGE_WINDOW or filters[3:] > channels):
        return "CONV_2D_GROUPED"
    if _CLASS_OF.get(op.name) == "elementwise" and _differ(tensors, op):
        return "BROADCAST"
    return op.name if op.name in OWN else _CLASS_OF[op.name]


def _differ(tensors: Sequence[TensorInfo], op: OpInfo) -> bool:
    return len({tensors[i].num_elements for i in op.inputs}) > 1


def _rounded(channels: int, block: int) -> int:
    return -(-channels // block) * block
