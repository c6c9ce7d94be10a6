"""TFLM's plan of the buffers in its arena: which live when, and how far their offsets reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from kd_edge.ir.graph import Graph, Op, Tensor

# TFLM aligns every buffer in its arena (MicroArenaBufferAlignment).
ALIGNMENT = 16

_SCRATCH_KINDS = frozenset(
    {"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "TRANSPOSE_CONV", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
)
_CMSIS_KINDS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})


@dataclass(frozen=True, slots=True)
class MemoryStep:
    """What lives in the arena while one op runs.

    Attributes:
        index: Position of the op.
        op: Its kind.
        live_bytes: Bytes of all buffers that live, each aligned, the op's scratch buffers included.
        scratch_bytes: Bytes of the op's scratch buffers, aligned.
        tensors: Indices of the tensors that live, in the graph's order.
        peak: Whether no op needs more; the largest `live_bytes` of all is a lower bound of the plan.
    """

    index: int
    op: str
    live_bytes: int
    scratch_bytes: int
    tensors: tuple[int, ...]
    peak: bool


class Lifetimes(NamedTuple):
    """When every activation of a network lives; its ops are the steps 1, 2, and so on.

    A graph's inputs live from before the first op, its outputs until after the last. What no op writes (constants,
    states) has no place in the plan.

    Attributes:
        num_steps: Number of ops.
        first: The first step at which each activation lives, by its index.
        last: The last one.
        states: What is read, but neither written before nor constant: it survives an inference.
    """

    num_steps: int
    first: dict[int, int]
    last: dict[int, int]
    states: list[int]


def aligned(size: int) -> int:
    """Return a size rounded up to the arena's alignment."""
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def scratch_bytes(tensors: Sequence[Tensor], op: Op, *, kernels: str = "reference") -> tuple[int, ...]:
    """Return the scratch buffers that an op's kernel asks for, in bytes before alignment.

    Found by measuring models of one op with the `tflite-micro` wheel and, for CMSIS-NN, from its documented
    `*_get_buffer_size` functions for cores with DSP instructions: two columns of a convolution's patch and one of a
    depthwise one, in int16. Newer releases need no buffer for a depthwise 3x3 convolution; it is counted here.

    Args:
        tensors: The graph's tensors.
        op: One of its ops.
        kernels: `"reference"` or `"cmsis-nn"`.
    """
    kind = op.kind
    if kind in _CMSIS_KINDS and kernels == "cmsis-nn":
        shape = tensors[op.inputs[1]].shape
        if len(shape) != 4 or tensors[op.inputs[0]].dtype == "float32" or shape[1] == shape[2] == 1:
            return ()
        return (2 * prod(shape[1:]) * (2 if kind == "CONV_2D" else 1),)
    if kind not in _SCRATCH_KINDS or not op.outputs:
        return ()
    output = tensors[op.outputs[0]]
    quantized = output.dtype in ("int8", "int16")
    if kind == "TRANSPOSE_CONV":
        return ((4 if output.dtype == "int8" else 8) * output.num_elements,) if quantized else ()
    if kind == "SVDF":
        filters = tensors[op.inputs[1]].shape[0]
        return (4 * filters, 4 * output.num_elements)
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return (2 * output.shape[-1],) * 4 if quantized else (4 * output.shape[-1],) * 4
    # The reductions keep an index per dimension and the resolved axes, sums also 32-bit totals.
    source, axes = tensors[op.inputs[0]], tensors[op.inputs[1]]
    totals = (4 * output.num_elements,) if quantized and kind in ("MEAN", "SUM") else ()
    return (*totals, 4 * len(source.shape), 4 * axes.num_elements)


def scratch_buffers(graph: Graph, *, kernels: str = "reference") -> list[tuple[int, int]]:
    """Return the op, counted from 1, and the bytes of every scratch buffer of a network."""
    kinds = _SCRATCH_KINDS if kernels == "reference" else _SCRATCH_KINDS | _CMSIS_KINDS
    return [
        (step, size)
        for step, op in enumerate(graph.ops, start=1)
        if op.kind in kinds
        for size in scratch_bytes(graph.tensors, op, kernels=kernels)
    ]


def lifetimes(graph: Graph) -> Lifetimes:
    """Return when every activation of a network lives."""
    first = dict.fromkeys(graph.inputs, 0)
    last = first.copy()
    unwritten = set()
    step = 0
    for op in graph.ops:
        step += 1
        for index in op[1]:
            if index in first:
                last[index] = step
            else:
                unwritten.add(index)
        for index in op[2]:
            if index not in first:
                first[index] = step
            last[index] = step
    for index in graph.outputs:
        if index in first:
            last[index] = step + 1
    first.pop(-1, None)
    states = sorted([index for index in unwritten if index >= 0 and not graph.tensors[index][2]])
    return Lifetimes(step, first, last, states)


def planned_bytes(lives: Lifetimes, sizes: Sequence[int], scratch: Sequence[tuple[int, int]] = ()) -> int:
    """Return the size of the plan that TFLM's greedy planner makes for activations and scratch buffers.

    Source: `GreedyMemoryPlanner` of tflite-micro: buffers by descending size, of equal ones the later first, each at
    the lowest offset where it overlaps no buffer that lives at the same time.

    Args:
        lives: When the activations live.
        sizes: Aligned bytes of all tensors; those of constants do not matter.
        scratch: From `scratch_buffers`.
    """
    # For every step the begin and the end of each buffer that lives there, and of each whose life begins there.
    alive: list[list[tuple[int, int]]] = [[] for _ in range(lives.num_steps + 2)]
    begun: list[list[tuple[int, int]]] = [[] for _ in alive]
    total = 0
    for size, _, first, last in sorted(_buffers(lives, sizes, scratch), reverse=True):
        beside = alive[first].copy()
        if first < last:
            for begins in begun[first + 1 : last + 1]:
                beside += begins
        beside.sort()
        offset = 0
        for start, stop in beside:
            if start - offset >= size:
                break
            if stop > offset:
                offset = stop
        stop = offset + size
        placed = (offset, stop)
        begun[first].append(placed)
        for step in alive[first : last + 1]:
            step.append(placed)
        if stop > total:
            total = stop
    return total


def memory_timeline(graph: Graph, *, kernels: str = "reference") -> tuple[MemoryStep, ...]:
    """Return what lives in TFLM's arena while each op runs.

    Args:
        graph: The network.
        kernels: `"reference"` or `"cmsis-nn"`, whose kernels need more scratch buffers.

    Returns:
        One step per op. The plan may be a little larger than the largest step, since it is greedy.
    """
    _, first, last, _ = lifetimes(graph)
    live = sorted(first)
    sizes = {index: aligned(graph.tensors[index].num_bytes) for index in live}
    steps = []
    for step, op in enumerate(graph.ops, start=1):
        tensors = tuple(index for index in live if first[index] <= step <= last[index])
        scratch = sum(map(aligned, scratch_bytes(graph.tensors, op, kernels=kernels)))
        steps.append((op.kind, sum(sizes[i] for i in tensors) + scratch, scratch, tensors))
    peak = max((total for _, total, _, _ in steps), default=0)
    return tuple(
        MemoryStep(index, kind, total, scratch, tensors, total == peak)
        for index, (kind, total, scratch, tensors) in enumerate(steps)
    )


def _buffers(
    lives: Lifetimes, sizes: Sequence[int], scratch: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, int]]:
    """Return size, place in TFLM's order, first and last step of every buffer: activations, then scratch buffers."""
    _, first, last, _ = lives
    buffers = [(sizes[index], index, begin, last[index]) for index, begin in first.items()]
    for place, (step, size) in enumerate(scratch, start=len(sizes)):
        buffers.append(((size + 15) & -16, place, step, step))
    return buffers
