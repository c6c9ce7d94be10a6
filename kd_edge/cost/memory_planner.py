"""TFLM's plan of the buffers in its arena: which live when, and how far their offsets reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kd_edge.cost.kernels import scratch_bytes
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Computed

# TFLM aligns every buffer in its arena (MicroArenaBufferAlignment).
ALIGNMENT = 16


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

    index: Computed[int]
    op: str
    live_bytes: Computed[int]
    scratch_bytes: Computed[int]
    tensors: Computed[tuple[int, ...]]
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
        scratch: The op, counted from 1, and the bytes of every scratch buffer.
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
        kernels: Those that run it; see `kernels_of`.

    Returns:
        One step per op. The plan may be a little larger than the largest step, since it is greedy.
    """
    _, first, last, _ = lifetimes(graph)
    live = sorted(first)
    sizes = {index: aligned(graph.tensors[index].num_bytes) for index in live}
    steps = []
    for step, op in enumerate(graph.ops, start=1):
        tensors = tuple(index for index in live if first[index] <= step <= last[index])
        scratch = sum(map(aligned, scratch_bytes(graph.operands(op), op, kernels=kernels)))
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
