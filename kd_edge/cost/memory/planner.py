"""TFLM's plan of the buffers in its arena: which live when, and how far their offsets reach."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from kd_edge.ir.graph import Graph, Op

# TFLM aligns every buffer in its arena (MicroArenaBufferAlignment).
ALIGNMENT = 16


class Lifetimes(NamedTuple):
    """When every activation of a network lives; its ops are the steps 1, 2, and so on.

    A graph's inputs live from before the first op, its outputs until after the last. What no op writes (constants,
    states) has no place in the plan.

    Attributes:
        num_steps: Number of ops.
        first: The first step at which each activation lives, by its index.
        last: The last one.
        states: What is read, but neither written before nor constant: it survives an inference.

    Tensors that no op touches live at a step of their own after all others: all of them at the same time.
    """

    num_steps: int
    first: Mapping[int, int]
    last: Mapping[int, int]
    states: list[int]


def aligned(size: int) -> int:
    """Return a size rounded up to the arena's alignment."""
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def lifetimes(graph: Graph) -> Lifetimes:
    """Return when every activation of a network without other subgraphs lives; `subgraph_lifetimes` knows those."""
    step, first, last, unwritten = _spans(graph.ops, graph.inputs, graph.outputs)
    tensors = graph.tensors
    states = [index for index in unwritten if not tensors[index][2]]
    if graph.states or graph.unused:
        states = sorted({*states, *graph.states})
        later = dict.fromkeys(graph.unused, step + 2)
        kept = {index: begin for index, begin in first.items() if index not in graph.states}
        first = kept | later
        last = {**last, **later}
    return Lifetimes(step, first, last, states)


# The candidates of a search have few structures: they differ in sizes.
@lru_cache(maxsize=1 << 12)
def _spans(
    ops: tuple[Op, ...], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> tuple[int, Mapping[int, int], Mapping[int, int], tuple[int, ...]]:
    """Return the number of steps, the first and last one of what is written, and what is read but never written."""
    first = dict.fromkeys(inputs, 0)
    last = first.copy()
    unwritten = set()
    for step, op in enumerate(ops, start=1):
        for index in op.inputs:
            if index in first:
                last[index] = step
            else:
                unwritten.add(index)
        for index in op.outputs:
            first.setdefault(index, step)
            last[index] = step
    for index in outputs:
        if index in first:
            last[index] = len(ops) + 1
    first.pop(-1, None)
    return len(ops), first, last, tuple(sorted(unwritten - {-1}))


def planned_bytes(lives: Lifetimes, sizes: Sequence[int], scratch: Sequence[tuple[int, int, int]] = ()) -> int:
    """Return the size of the plan that TFLM's greedy planner makes for activations and scratch buffers.

    Source: `GreedyMemoryPlanner` of tflite-micro: buffers by descending size, of equal ones the later first, each at
    the lowest offset where it overlaps no buffer that lives at the same time.

    Args:
        lives: When the activations live.
        sizes: Aligned bytes of all tensors; those of constants do not matter.
        scratch: First step, last step and bytes of every scratch buffer.
    """
    # For every step the begin and the end of each buffer that lives there, and of each whose life begins there.
    alive: list[list[tuple[int, int]]] = [[] for _ in range(lives.num_steps + 3)]
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


def _buffers(
    lives: Lifetimes, sizes: Sequence[int], scratch: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int, int]]:
    """Return size, place in TFLM's order, first and last step of every buffer: activations, then scratch buffers."""
    _, first, last, _ = lives
    buffers = [(sizes[index], index, begin, last[index]) for index, begin in first.items()]
    for place, (begin, end, size) in enumerate(scratch, start=len(sizes)):
        buffers.append(((size + 15) & -16, place, begin, end))
    return buffers
