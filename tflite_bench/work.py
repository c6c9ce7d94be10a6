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
        macs: Multiply-accumulates; see `count_work` for blocks.
        moved_bytes: Inputs gathered and outputs written.
    """

    kernel: str
    macs: int
    moved_bytes: int


def count_work(model: ModelInfo, *, channel_block: int = 1) -> tuple[Work, ...]:
    """Return the work of every operator.

    A convolution or dense layer gathers a patch of inputs for every output position, once for all its filters, and
    writes its outputs; every other operator reads its inputs once and writes its outputs. Constants are not counted.

    Args:
        model: A model of the operators that `SyntheticNetwork` makes.
        channel_block: Count the MACs of int8 convolutions and dense layers as if their input channels were a multiple
            of it.

    Raises:
        KeyError: It has another operator.
    """
    return tuple(_work(model.tensors, op, channel_block) for op in model.ops)


def _work(tensors: Sequence[TensorInfo], op: OpInfo, block: int) -> Work:
    kernel = _CLASS_OF[op.name]
    output = tensors[op.outputs[0]]
    item_bytes = (output.num_bytes or 0) // output.num_elements
    if kernel in ("conv", "dense"):
        filters = tensors[op.inputs[1]].shape
        gathered = output.num_elements // filters[0] * prod(filters[1:])
        if kernel == "conv" and filters[1:3] == (1, 1):
            kernel = "pointwise"
        macs = gathered * filters[0]
        if output.dtype == "int8":
            macs = macs // filters[-1] * (-(-filters[-1] // block) * block)
        return Work(kernel, macs, (gathered + output.num_elements) * item_bytes)
    read = [tensors[i] for i in op.inputs if i >= 0 and not tensors[i].constant]
    moved_bytes = (sum(tensor.num_elements for tensor in read) + output.num_elements) * item_bytes
    if kernel == "depthwise":
        window = tensors[op.inputs[1]].shape[1:3]
        return Work(kernel, output.num_elements * prod(window), moved_bytes)
    return Work(kernel, 0, moved_bytes)
