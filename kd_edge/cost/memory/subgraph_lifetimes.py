"""When the activations of all subgraphs of a file live, as TFLM plans them: together, each where it is called."""

from typing import NamedTuple

from kd_edge.cost.memory.planner import Lifetimes
from kd_edge.ir.graph import Graph


class CalledLifetimes(NamedTuple):
    """When the activations of a file's subgraphs live.

    Attributes:
        lives: Those of all subgraphs; tensors are numbered through, those of subgraph 0 first.
        spans: For every op of every subgraph, by the numbers of both, its first and last step; none where the subgraph
            is never called.
    """

    lives: Lifetimes
    spans: dict[tuple[int, int], tuple[int, int]]


def called_lifetimes(graph: Graph) -> CalledLifetimes:
    """Return when every activation of a network and of the subgraphs that it calls lives.

    Source: `AllocationInfoBuilder` of tflite-micro. A subgraph begins a new step where its caller runs, and its ops are
    steps of their own; what is called twice lives at the last call. What belongs to a subgraph that nobody calls, such
    as another signature, lives at one common step.
    """
    marks = _Marks(graph)
    marks.visit(0)
    step, first, last = marks.step, marks.first, marks.last
    states = []
    for number, part in enumerate(graph.all_subgraphs):
        start = marks.starts[number]
        kept = set(part.states)
        states += [start + index for index in part.states]
        for index, tensor in enumerate(part.tensors):
            place = start + index
            if tensor.constant or index in kept:
                first.pop(place, None)
            elif place not in first:
                first[place] = last[place] = step + 2
    return CalledLifetimes(Lifetimes(step, first, last, states), marks.spans)


class _Marks:
    """Walks through the subgraphs in the order of execution."""

    def __init__(self, graph: Graph) -> None:
        self.graphs = graph.all_subgraphs
        self.starts = [sum(len(part.tensors) for part in self.graphs[:number]) for number in range(len(self.graphs))]
        self.step = 0
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.spans: dict[tuple[int, int], tuple[int, int]] = {}

    def visit(self, number: int) -> None:
        graph, start = self.graphs[number], self.starts[number]
        for index in (*graph.inputs, *graph.outputs):
            self.first[start + index] = self.last[start + index] = self.step
        for place, op in enumerate(graph.ops):
            self.step += 1
            begin = self.step
            for index in op.outputs:
                self.first[start + index] = self.last[start + index] = begin
            for called in op.calls:
                self.step += 1
                self.visit(called)
            for index in (*op.inputs, *op.outputs):
                if index >= 0:
                    self.last[start + index] = self.step
            self.spans[number, place] = begin, self.step
        for index in graph.outputs:
            self.last[start + index] = self.step
