"""What a network needs in memory: the size of its `.tflite` file and TFLM's tensor arena, to be known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

from kd_edge.graph import Graph, Op

# TFLM aligns every buffer in its arena (MicroArenaBufferAlignment).
_ALIGNMENT = 16

# Bytes that TFLM keeps on a 64-bit host per tensor (TfLiteEvalTensor), per op (NodeAndRegistration), and once: input
# and output (TfLiteTensor and its quantization), the allocator and the interpreter. On a 32-bit target pointers halve
# them. Measured with the tflite-micro wheel; the 32-bit figures from TFLM built for a Cortex-M4.
_TENSOR_BYTES = {8: 24, 4: 12}
_OP_BYTES = {8: 64, 4: 32}
_ONCE_BYTES = {8: 128 + 64 + 32 + 488, 4: 64 + 40 + 32 + 28}
_WEIGHTED_POINTER_BYTES = {8: 0, 4: -17}

# Per op: the kernel's own data (OpData), then the parsed options (Tf...Params) of the reference kernels.
_OP_DATA_BYTES = {
    "ADD": (60, 8),
    "AVERAGE_POOL_2D": (32, 40),
    "CONV_2D": (80, 28),
    "DEPTHWISE_CONV_2D": (80, 28),
    "FULLY_CONNECTED": (72, 32),
    "MAX_POOL_2D": (32, 40),
    "RESHAPE": (0, 36),
    "SOFTMAX": (80, 4),
}
_OTHER_OP_DATA_BYTES = (64, 8)
_WEIGHTED_KINDS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})

# Tables and names in a file: once, and per op with its tensors.
_FILE_BYTES = 1240
_TABLE_BYTES = {"ADD": 509, "CONV_2D": 571, "DEPTHWISE_CONV_2D": 1187, "FULLY_CONNECTED": 323}
_OTHER_TABLE_BYTES = 300


@dataclass(frozen=True, slots=True)
class Arena:
    """TFLM's tensor arena for one network.

    Attributes:
        persistent_bytes: Structures that live as long as the interpreter.
        nonpersistent_bytes: Activations and scratch buffers, planned by their lifetimes.
    """

    persistent_bytes: int
    nonpersistent_bytes: int

    @property
    def arena_bytes(self) -> int:
        """Both parts."""
        return self.persistent_bytes + self.nonpersistent_bytes


def arena_bytes(graph: Graph, *, pointer_bytes: int = 4) -> Arena:
    """Return the tensor arena that TFLM with its reference kernels needs for a network.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
    """
    return Arena(_persistent_bytes(graph, pointer_bytes), _planned_bytes(_buffers(graph)))


def least_arena_bytes(graph: Graph, *, pointer_bytes: int = 4) -> int:
    """Return what no plan can go below: the persistent part, and the buffers that live at the same time.

    Unlike the greedy plan it never shrinks when a tensor grows, so that it bounds all networks of more channels.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
    """
    buffers = _buffers(graph)
    steps = range(len(graph.ops) + 2)
    alive = max(sum(size for size, first, last in buffers if first <= step <= last) for step in steps)
    return _persistent_bytes(graph, pointer_bytes) + alive


def _align(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _buffers(graph: Graph) -> list[tuple[int, int, int]]:
    """Return size, first and last op of every buffer in TFLM's order: activations, then scratch buffers.

    A graph's inputs live from before the first op, its outputs until after the last.
    """
    end = len(graph.ops) + 1
    first = dict.fromkeys(graph.inputs, 0)
    last = dict.fromkeys(graph.inputs, 0)
    for step, op in enumerate(graph.ops, start=1):
        for index in op.outputs:
            first.setdefault(index, step)
            last[index] = step
        for index in op.inputs:
            last[index] = step
    for index in graph.outputs:
        last[index] = end
    tensors = graph.tensors
    activations = [(_align(tensors[i].num_bytes), first[i], last[i]) for i in sorted(first)]
    scratch = [(_align(size), step, step) for step, op in enumerate(graph.ops, 1) for size in _scratch_bytes(graph, op)]
    return activations + scratch


def _scratch_bytes(graph: Graph, op: Op) -> Sequence[int]:
    """Return the scratch buffers that a reference kernel asks for."""
    output = graph.tensors[op.outputs[0]]
    if op.kind in ("MEAN", "SUM", "TRANSPOSE_CONV") and output.dtype == "int8":
        return (4 * output.num_elements,)
    return ()


def _planned_bytes(buffers: Sequence[tuple[int, int, int]]) -> int:
    """Return the size of the plan that TFLM's greedy planner makes.

    Source: `GreedyMemoryPlanner` of tflite-micro: buffers by descending size, of equal ones the later first, each at
    the lowest offset where it overlaps no buffer that lives at the same time.
    """
    placed: list[tuple[int, int, int, int]] = []
    total = 0
    order = sorted(range(len(buffers)), key=lambda index: (-buffers[index][0], -index))
    for size, first, last in (buffers[index] for index in order):
        offset = 0
        for start, stop, begins, ends in placed:
            if begins <= last and ends >= first:
                if start - offset >= size:
                    break
                offset = max(offset, stop)
        placed.append((offset, offset + size, first, last))
        placed.sort()
        total = max(total, offset + size)
    return total


def _persistent_bytes(graph: Graph, pointer_bytes: int) -> int:
    total = _TENSOR_BYTES[pointer_bytes] * len(graph.tensors) + _OP_BYTES[pointer_bytes] * len(graph.ops)
    for op in graph.ops:
        data, options = _OP_DATA_BYTES.get(op.kind, _OTHER_OP_DATA_BYTES)
        total += _align(data) + options
        if op.kind in _WEIGHTED_KINDS:
            scales = graph.tensors[op.inputs[1]].num_scales
            # A multiplier and a shift per channel.
            total += 2 * _align(4 * scales) if scales > 1 else 0
            total += _WEIGHTED_POINTER_BYTES[pointer_bytes]
    return total + _ONCE_BYTES[pointer_bytes]


def flash_bytes(graph: Graph) -> int:
    """Return the size of the network's `.tflite` file before it exists.

    Constants are aligned to 16 bytes; a quantization scale takes 4 bytes and its zero point 8. What the converter
    writes about ops and tensors, their long names included, is an average per kind of op, fitted to files of students
    of `StudentSpace`: the size of a file is met within 0.5 kB.
    """
    constants = sum(_align(t.num_bytes) + 12 * t.num_scales for t in graph.tensors if t.constant)
    return constants + _FILE_BYTES + sum(_TABLE_BYTES.get(op.kind, _OTHER_TABLE_BYTES) for op in graph.ops)
