"""The work of ops that a runtime may do otherwise than that of the rest of their class."""

from collections.abc import Sequence
from math import prod

from kd_edge.cost.devices import Blocks
from kd_edge.ir.graph import DTYPE_BYTES, Op, Tensor

GROUPED = "CONV_2D_GROUPED"
# XNNPACK has no depthwise kernels of more weights per channel, it computes such layers as grouped convolutions.
_LARGE_WINDOW = 25
_ARITHMETIC = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
_BY_ROWS = ("DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")
_BY_PIXELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def kernel_variant(tensors: Sequence[Tensor], op: Op) -> str:
    """Return the name under which a profile may have costs of its own for an op.

    That is its kind, but `"CONV_2D_GROUPED"` for grouped convolutions, and for depthwise ones with a multiplier or of
    more than 25 weights per channel, for which runtimes seldom have kernels; and `"BROADCAST"` for arithmetic of two
    tensors of different size.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
    """
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return GROUPED if _is_grouped(tensors, op) else op.kind
    if op.kind in _ARITHMETIC and len({tensors[i].num_elements for i in op.inputs}) > 1:
        return "BROADCAST"
    return op.kind


def _is_grouped(tensors: Sequence[Tensor], op: Op) -> bool:
    filters, read = tensors[op.inputs[1]].shape, tensors[op.inputs[0]].shape[-1:]
    if op.kind == "CONV_2D":
        return (0,) < filters[3:] < read
    return filters[3:] > read or prod(filters[1:3]) > _LARGE_WINDOW


def grouped_work(tensors: Sequence[Tensor], op: Op, blocks: Blocks) -> tuple[int, int]:
    """Return the MACs of a convolution of groups, each with channels rounded up to blocks, and the bytes it moves.

    Each group gathers a patch of its own inputs for every output position; a depthwise convolution has as many groups
    as it reads channels.

    Args:
        tensors: The graph's tensors.
        op: An op of the `kernel_variant` `"CONV_2D_GROUPED"`.
        blocks: How many channels the kernels take at once.
    """
    filters, output = tensors[op.inputs[1]].shape, tensors[op.outputs[0]]
    read, written = tensors[op.inputs[0]].shape[-1], output.shape[-1] or 1
    groups = (read if op.kind == "DEPTHWISE_CONV_2D" else read // filters[3]) or 1
    weights = output.num_elements // written * filters[1] * filters[2]
    inputs, outputs = rounded_up(read // groups, blocks.inputs), rounded_up(written // groups, blocks.filters)
    moved_bytes = (weights * read + output.num_elements) * DTYPE_BYTES[output.dtype]
    return groups * weights * inputs * outputs, moved_bytes


def steps_of(tensors: Sequence[Tensor], op: Op) -> int:
    """Return the steps of an op's outer loop.

    Depthwise convolutions and pooling go by rows of their output, other convolutions and dense layers by the pixels of
    it, everything else by the pixels of its largest tensor; a sequence has its steps in the place of pixels.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
    """
    shapes = [tensors[i].shape for i in op.outputs]
    if op.kind in _BY_ROWS and kernel_variant(tensors, op) != GROUPED:
        return prod(shapes[0][1:2])
    if op.kind not in _BY_PIXELS:
        shapes += [tensors[i].shape for i in op.inputs if i >= 0 and not tensors[i].constant]
    return max((prod(shape[:-1]) for shape in shapes), default=0)


def rounded_up(channels: int, block: int) -> int:
    """Return the least multiple of a block that is not less than a number of channels."""
    return -(-channels // block) * block
