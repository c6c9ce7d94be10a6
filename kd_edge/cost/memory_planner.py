"""TFLM's plan of the buffers in its arena: which live when, and how far their offsets reach."""

from collections.abc import Sequence
from typing import NamedTuple

from kd_edge.ir.graph import Graph

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
    first: dict[int, int]
    last: dict[int, int]
    states: list[int]


def aligned(size: int) -> int:
    """Return a size rounded up to the arena's alignment."""
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def lifetimes(graph: Graph) -> Lifetimes:
    """Return when every activation of a network without other subgraphs lives; `subgraph_lifetimes` knows those."""
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
    if graph.states:
        states = sorted({*states, *graph.states})
        for index in graph.states:
            first.pop(index, None)
    for index in graph.unused:
        first[index] = last[index] = step + 2
    return Lifetimes(step, first, last, states)


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
