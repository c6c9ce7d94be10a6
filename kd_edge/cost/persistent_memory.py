"""The structures that TFLM keeps in its arena beside the activations: for tensors, ops and kernels.

How the sizes were found: the interpreter of the `tflite-micro` wheel (0.dev20261023, 64-bit) reports what it allocated
by category and as a total. Models of one op each, in int8, int16 and float, gave the bytes per kind of op; the order
of the allocations and their alignment then reproduce the total of every model measured to the byte.
`tools/benchmarks/cost_accuracy.py` compares both again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kd_edge.ir.graph import Graph, Op, Tensor

# Bytes of a kernel's OpData, allocated when it is initialised; kinds that are missing have none.
_OP_DATA = {
    "ABS": 28,
    "ADD": 60,
    "AVERAGE_POOL_2D": 32,
    "CONCATENATION": 80,
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "DEPTH_TO_SPACE": 20,
    "DEQUANTIZE": 32,
    "DIV": 28,
    "ELU": 256,
    "FULLY_CONNECTED": 72,
    "GATHER": 12,
    "HARD_SWISH": 20,
    "LEAKY_RELU": 24,
    "LOGISTIC": 16,
    "MAX_POOL_2D": 32,
    "MEAN": 44,
    "MUL": 36,
    "PAD": 56,
    "PADV2": 56,
    "PRELU": 28,
    "QUANTIZE": 32,
    "REDUCE_MAX": 44,
    "REDUCE_MIN": 44,
    "RELU": 28,
    "RELU6": 28,
    "RSQRT": 28,
    "SOFTMAX": 80,
    "SPACE_TO_BATCH_ND": 4,
    "SQUARED_DIFFERENCE": 112,
    "STRIDED_SLICE": 84,
    "SUB": 52,
    "SUM": 44,
    "SVDF": 36,
    "TANH": 16,
    "TRANSPOSE_CONV": 88,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 688,
}
# Bytes of an op's parsed options (Tf...Params), allocated when the model is read.
_OPTIONS = {
    "ADD": 8,
    "AVERAGE_POOL_2D": 40,
    "CONCATENATION": 8,
    "CONV_2D": 28,
    "DEPTHWISE_CONV_2D": 28,
    "DEPTH_TO_SPACE": 4,
    "DIV": 4,
    "FULLY_CONNECTED": 32,
    "GATHER": 8,
    "LEAKY_RELU": 4,
    "MAX_POOL_2D": 40,
    "MEAN": 1,
    "MUL": 4,
    "PACK": 8,
    "REDUCE_MAX": 1,
    "REDUCE_MIN": 1,
    "RESHAPE": 36,
    "RESIZE_BILINEAR": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2,
    "SOFTMAX": 4,
    "SPLIT": 4,
    "STRIDED_SLICE": 28,
    "SUB": 8,
    "SUM": 1,
    "SVDF": 12,
    "TRANSPOSE_CONV": 20,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 20,
}
_SOFTMAX_INT16_TABLE_BYTES = 1026
_PREPARED_KINDS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "SOFTMAX"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of TFLM's structures on one kind of machine, in bytes.

    Attributes:
        pointer: A pointer.
        once: Interpreter, allocators and planner.
        node: `NodeAndRegistration`, one per op.
        eval_tensor: `TfLiteEvalTensor`, one per tensor.
        tensor: `TfLiteTensor`, one per input and output of the network.
        quantization: Its quantization, scale and zero point.
        op_data: OpData by kind of op.
        options: Options by kind of op, with the mask that aligns them.
        handles_for_weights: Whether every op with weights has a handle of a scratch buffer, needed or not.
    """

    pointer: int
    once: int
    node: int
    eval_tensor: int
    tensor: int
    quantization: int
    op_data: Mapping[str, int]
    options: Mapping[str, tuple[int, int]]
    handles_for_weights: bool = False


def _with_masks(options: Mapping[str, int], **masks: int) -> dict[str, tuple[int, int]]:
    return {kind: (size, masks.get(kind, 3 if size % 4 == 0 else 0)) for kind, size in options.items()}


_NONE = (0, 0)
HOST = Layout(*(8, 488, 64, 24, 64, 32), _OP_DATA, _with_masks(_OPTIONS, FULLY_CONNECTED=7))
# Structures of pointers are half as large. The OpData of ops with weights, the options of a dense layer and `once` were
# chosen so that the arenas of four networks measured on an ESP32 (mcufit-bench, esp-nn kernels) are met.
MICROCONTROLLER = replace(
    HOST,
    pointer=4,
    once=128,
    node=32,
    eval_tensor=12,
    tensor=32,
    quantization=20,
    op_data=_OP_DATA | {"CONV_2D": 64, "DEPTHWISE_CONV_2D": 64, "FULLY_CONNECTED": 48, "TRANSPOSE_CONV": 72},
    options=_with_masks(_OPTIONS | {"FULLY_CONNECTED": 16}),
)
# CMSIS-NN's kernels keep the number of a scratch buffer and the sizes they were built with: what the same networks
# took more on an nRF52840.
CMSIS_NN = replace(
    MICROCONTROLLER,
    op_data=_OP_DATA | {"CONV_2D": 80, "DEPTHWISE_CONV_2D": 80, "FULLY_CONNECTED": 64, "TRANSPOSE_CONV": 88},
    handles_for_weights=True,
)


class OpStructures(NamedTuple):
    """What TFLM keeps for one op.

    Attributes:
        options_bytes: Parsed options.
        options_mask: Their alignment, less 1.
        data_bytes: The kernel's data.
        block_bytes: The kernel's data and what it allocates when it is prepared, each aligned to 16 bytes.
        has_weights: Whether it is an op with weights.
    """

    options_bytes: int
    options_mask: int
    data_bytes: int
    block_bytes: int
    has_weights: bool


def op_structures(tensors: Sequence[Tensor], op: Op, layout: Layout) -> OpStructures:
    """Return what TFLM keeps for one op.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
        layout: `HOST`, `MICROCONTROLLER` or `CMSIS_NN`.
    """
    data_bytes = layout.op_data.get(op.kind, 0)
    prepared = _prepared(tensors, op) if op.kind in _PREPARED_KINDS else ()
    blocks = sum([(size + 15) & -16 for size in (data_bytes, *prepared)])
    return OpStructures(*layout.options.get(op.kind, _NONE), data_bytes, blocks, op.kind in _PREPARED_KINDS)


def persistent_bytes(
    graph: Graph,
    structures: Sequence[OpStructures],
    layout: Layout = HOST,
    *,
    num_scratch: int = 0,
    states: Sequence[int] = (),
) -> int:
    """Return the bytes of the structures that live as long as the interpreter.

    TFLM fills the arena from its end: every allocation moves the border down by its size, then down to its alignment.

    Args:
        graph: The network.
        structures: `op_structures` of its ops.
        layout: `HOST`, `MICROCONTROLLER` or `CMSIS_NN`.
        num_scratch: How many scratch buffers its kernels ask for.
        states: Indices of the tensors that survive an inference.
    """
    word, tensors = layout.pointer, graph.tensors
    used = layout.once + layout.node * len(structures) + layout.eval_tensor * len(tensors)
    first = blocks = weighted = 0
    for size, mask, data_bytes, block_bytes, has_weights in structures:
        used = (used + size + mask) & ~mask
        first = first or data_bytes
        blocks += block_bytes
        weighted += has_weights
    # After the first allocation that is aligned to 16 all others are too.
    used = (used + first + 15) // 16 * 16 + blocks - (first + 15) // 16 * 16 if first else used
    for index in states:
        used = (used + tensors[index].num_bytes + 15) // 16 * 16
    handles = num_scratch + (weighted if layout.handles_for_weights else 0)
    used = -(-(used + word * handles) // word) * word if handles else used
    for side in (graph.inputs, graph.outputs):
        used = (used + word * len(side) + 15) // 16 * 16
        for index in side:
            used = -(-(used + layout.tensor) // word) * word
            used += layout.quantization if tensors[index].num_scales else 0
    return used


def _prepared(tensors: Sequence[Tensor], op: Op) -> tuple[int, ...]:
    """Return what a kernel allocates when it is prepared: a multiplier and a shift per channel; tables of int16."""
    if op.kind == "SOFTMAX":
        return (_SOFTMAX_INT16_TABLE_BYTES,) * 2 if tensors[op.inputs[0]].dtype == "int16" else ()
    shape, _, _, num_scales = tensors[op.inputs[1]]
    if op.kind == "FULLY_CONNECTED" and num_scales <= 1:
        return ()
    channels = shape[3 if op.kind == "DEPTHWISE_CONV_2D" else 0]
    return (4 * channels, 4 * channels)
