"""Workload of an op: its kernel class, MACs, bytes moved and steps, which the costs of a device profile multiply."""

from collections.abc import Collection
from math import prod
from typing import NamedTuple

from tflite_bench.model.operators.registry import knows_macs, spec_of
from tflite_bench.model.operators.spec import DTYPE_BYTES, GROUPED, NO_BLOCKS, Blocks, Operands, OpSpec


class Work(NamedTuple):
    """What one op does.

    Attributes:
        kernel: One of `KERNEL_CLASSES`, or the op's `kernel_variant` where that has costs of its own.
        macs: Multiply-accumulates, with the channels rounded up to the kernels' blocks.
        moved_bytes: Inputs gathered and outputs written.
        steps: Steps of the outer loop: rows of the output in depthwise convolutions and pooling, its pixels in other
            convolutions and dense layers, pixels of the largest tensor elsewhere; a sequence has its steps in the place
            of pixels.
    """

    kernel: str
    macs: int
    moved_bytes: int
    steps: int


def macs_of(op: Operands) -> int | None:
    """Return the multiply-accumulates of one op; `None` where nobody knows whether it has some."""
    rule = spec_of(op.kind).macs
    return rule(op) if rule else 0 if knows_macs(op.kind) else None


def kernel_variant(op: Operands) -> str:
    """Return the name under which a profile may have costs of its own for an op.

    That is its kind, but `"CONV_2D_GROUPED"` for grouped convolutions, and for depthwise ones with a multiplier or of
    more than 25 weights per channel, for which runtimes seldom have kernels; and `"BROADCAST"` for arithmetic of two
    tensors of different size.
    """
    variant = spec_of(op.kind).variant
    return variant(op) if variant else op.kind


def op_work(op: Operands, blocks: Blocks = NO_BLOCKS, own: Collection[str] = ()) -> Work:
    """Return the work of one op.

    A convolution or dense layer gathers a patch of inputs for every output position, once for all its filters, and
    writes its outputs; every other op reads its inputs once and writes its outputs. Constants are not counted: their
    cost goes with the MACs. Recurrent layers and the like count as dense layers; every other op of no known class only
    moves data. An op that reads constants alone is worked out once, when the network is loaded.

    Args:
        op: The op.
        blocks: Count the MACs as if the channels were multiples of these.
        own: The variants that have costs of their own.
    """
    spec = spec_of(op.kind)
    # Without costs of its own an op's variant tells apart no more than what else goes by rows.
    variant = spec.variant(op) if spec.variant and (own or spec.steps == "rows") else op.kind
    steps = _steps(op, "pixels" if variant == GROUPED else spec.steps)
    if variant == GROUPED and GROUPED in own:
        return Work(GROUPED, *_grouped(op, spec, blocks), steps)
    kernel = "copy" if not op.outputs else spec.kernel if isinstance(spec.kernel, str) else spec.kernel(op)
    name = variant if variant in own else kernel
    if op.inputs and op.inputs[0].constant and all(tensor.constant for tensor in op.inputs):
        return Work(name, 0, 0, steps)
    macs = spec.macs(op) if spec.macs and op.outputs else 0
    moved_bytes = _gathered_bytes(op, macs) if spec.gathers else _read_bytes(op, spec)
    if spec.blocks and blocks is not NO_BLOCKS and all(op.weights):
        macs = _blocked(macs, op.weights, spec.blocks, kernel, blocks)
    return Work(name, macs, moved_bytes, steps)


def _gathered_bytes(op: Operands, macs: int) -> int:
    output = op.outputs[0]
    return (macs // (op.weights[0] or 1) + output.num_elements) * DTYPE_BYTES[output.dtype]


def _read_bytes(op: Operands, spec: OpSpec) -> int:
    # Weights that another op unpacks, as in a float16 file, are no constants; their cost goes with the MACs as well.
    read = op.inputs[:1] if spec.blocks else op.inputs
    return sum([tensor.num_bytes or 0 for tensor in op.outputs + read if not tensor.constant])


def _blocked(macs: int, weights: tuple[int, ...], rounds: str, kernel: str, blocks: Blocks) -> int:
    """Return the MACs of a layer as if its channels were multiples of the blocks."""
    if rounds == "depthwise":
        return macs // weights[-1] * _rounded_up(weights[-1], blocks.depthwise)
    inputs = _rounded_up(weights[-1], blocks.inputs) + (blocks.window if kernel == "conv" else 0)
    return macs // (weights[0] * weights[-1]) * inputs * _rounded_up(weights[0], blocks.filters)


def _grouped(op: Operands, spec: OpSpec, blocks: Blocks) -> tuple[int, int]:
    """Return the MACs of a convolution of groups, each with channels rounded up to blocks, and the bytes it moves.

    Each group gathers a patch of its own inputs for every output position; a depthwise convolution has as many groups
    as it reads channels.
    """
    output, weights = op.outputs[0], op.weights
    read, written = op.inputs[0].shape[-1], output.shape[-1] or 1
    groups = (read if spec.blocks == "depthwise" else read // weights[3]) or 1
    positions = output.num_elements // written * weights[1] * weights[2]
    inputs, outputs = _rounded_up(read // groups, blocks.inputs), _rounded_up(written // groups, blocks.filters)
    moved_bytes = (positions * read + output.num_elements) * DTYPE_BYTES[output.dtype]
    return groups * positions * inputs * outputs, moved_bytes


def _steps(op: Operands, by: str) -> int:
    if by == "largest" or not op.outputs:
        tensors = [*op.outputs, *[tensor for tensor in op.inputs if not tensor.constant]]
        return max([prod(tensor.shape[:-1]) for tensor in tensors], default=0)
    shape = op.outputs[0].shape
    return prod(shape[1:2] if by == "rows" else shape[:-1])


def _rounded_up(channels: int, block: int) -> int:
    """Return the least multiple of a block that is not less than a number of channels."""
    return -(-channels // block) * block
