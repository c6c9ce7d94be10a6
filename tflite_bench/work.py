"""Counts the work of a network's operators, by the classes of a device profile.

The classes and the counts are those of `kd_edge`'s latency model, which multiplies them with a profile's costs.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from tflite_bench.model import ModelInfo, OpInfo, TensorInfo

CLASSES = ("conv", "pointwise", "depthwise", "dense", "pool", "elementwise", "softmax", "copy")

_CLASS_OF = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
    "ADD": "elementwise",
    "SOFTMAX": "softmax",
    "RESHAPE": "copy",
}


class Work(NamedTuple):
    """What one operator does.

    Attributes:
        kernel: One of `CLASSES`.
        macs: Multiply-accumulates, with the channels rounded up to the kernels' blocks.
        moved_bytes: Inputs gathered and outputs written.
    """

    kernel: str
    macs: int
    moved_bytes: int


class Blocks(NamedTuple):
    """How many channels kernels take at once: a layer of fewer takes as long as one of that many.

    Attributes:
        inputs: Input channels of convolutions and dense layers.
        filters: Filters of them.
        depthwise: Channels of depthwise convolutions.
    """

    inputs: int = 1
    filters: int = 1
    depthwise: int = 1


def count_work(model: ModelInfo, blocks: Blocks = Blocks()) -> tuple[Work, ...]:  # noqa: B008
    """Return the work of every operator.

    A convolution or dense layer gathers a patch of inputs for every output position, once for all its filters, and
    writes its outputs; every other operator reads its inputs once and writes its outputs. Constants are not counted.

    Args:
        model: A model of the operators that `SyntheticNetwork` makes.
        blocks: Count the MACs as if the channels were multiples of these.

    Raises:
        KeyError: It has another operator.
    """
    return tuple(_work(model.tensors, op, blocks) for op in model.ops)


def _work(tensors: Sequence[TensorInfo], op: OpInfo, blocks: Blocks) -> Work:
    kernel = _CLASS_OF[op.name]
    output = tensors[op.outputs[0]]
    item_bytes = (output.num_bytes or 0) // output.num_elements
    if kernel in ("conv", "dense"):
        filters = tensors[op.inputs[1]].shape
        positions = output.num_elements // filters[0]
        gathered = positions * prod(filters[1:])
        if kernel == "conv" and filters[1:3] == (1, 1):
            kernel = "pointwise"
        macs = positions * _rounded(filters[0], blocks.filters) * prod(filters[1:-1])
        return Work(kernel, macs * _rounded(filters[-1], blocks.inputs), (gathered + output.num_elements) * item_bytes)
    read = [tensors[i] for i in op.inputs if i >= 0 and not tensors[i].constant]
    moved_bytes = (sum(tensor.num_elements for tensor in read) + output.num_elements) * item_bytes
    if kernel == "depthwise":
        _, rows, columns, channels = tensors[op.inputs[1]].shape
        positions = output.num_elements // channels
        return Work(kernel, positions * rows * columns * _rounded(channels, blocks.depthwise), moved_bytes)
    return Work(kernel, 0, moved_bytes)


def _rounded(channels: int, block: int) -> int:
    return -(-channels // block) * block
