"""Graphs that differ in nothing but numbers of channels: rendered once, with symbols for these, then filled in.

A symbol is a number so large that every size of a tensor, a sum of multiples of numbers of channels, can be read back
as such: the digits of the size, to the base `_BASE`, are the multiples.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from kd_edge.graph import Graph, Tensor

_BASE = 1 << 32
# Of the groups that the tensors of one part depend on: the input and the output of a layer.
_MOST_GROUPS = 2

Widths = Sequence[int]


class _Sum(NamedTuple):
    """A number and multiples `(factor, group)` of numbers of channels, to be added up."""

    constant: int
    terms: tuple[tuple[int, int], ...]

    def fill(self, widths: Widths) -> int:
        return self.constant + sum([factor * widths[group] for factor, group in self.terms])


class _Symbolic(NamedTuple):
    """A tensor with symbols, and how its shape and its number of scales follow from numbers of channels."""

    tensor: Tensor
    shape: tuple[_Sum, ...]
    num_scales: _Sum
    groups: frozenset[int]

    def fill(self, widths: Widths) -> Tensor:
        return self.tensor._replace(shape=_fill(self.shape, widths), num_scales=self.num_scales.fill(widths))


class _Part(NamedTuple):
    """Tensors of a graph, one after the other, that depend on the same few groups of channels.

    Attributes:
        groups: The groups.
        tensors: The tensors.
        made: What was filled in already, by the numbers of channels of the groups.
    """

    groups: tuple[int, ...]
    tensors: tuple[_Symbolic, ...]
    made: dict[tuple[int, ...], tuple[Tensor, ...]]

    def fill(self, widths: Widths) -> tuple[Tensor, ...]:
        key = tuple([widths[group] for group in self.groups])
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = tuple(tensor.fill(widths) for tensor in self.tensors)
        return known


class GraphTemplate:
    """The graphs of one structure.

    Args:
        render: Returns the graph of the structure with the given number of channels of each group.
        num_groups: How many groups there are.
    """

    def __init__(self, render: Callable[[Widths], Graph], num_groups: int) -> None:
        self._render = render
        self._graph = render([_BASE ** (group + 1) for group in range(num_groups)])
        self._parts = tuple(_parts(self._graph.tensors))
        self._kept_once = _kept_once(self._graph)

    def fill(self, widths: Widths) -> Graph:
        """Return the graph with the given number of channels of each group."""
        if self._kept_once and len({_fill(shape, widths) for shape in self._kept_once}) < len(self._kept_once):
            return self._render(widths)
        tensors = tuple(chain.from_iterable([part.fill(widths) for part in self._parts]))
        _, ops, inputs, outputs, name_bytes = self._graph
        return Graph(tensors, ops, inputs, outputs, name_bytes)


def _kept_once(graph: Graph) -> tuple[tuple[_Sum, ...], ...]:
    """Return the shapes that ops have as constants, where numbers of channels may make two of them equal.

    The converter keeps one of equal constants: the graph then is another one. Only RESHAPE has numbers of channels in a
    constant.
    """
    shapes = {graph.tensors[op.outputs[0]].shape for op in graph.ops if op.kind == "RESHAPE"}
    symbolic = [shape for shape in shapes if max(shape, default=0) >= _BASE]
    ranks = Counter(map(len, shapes))
    return tuple(tuple(map(_sum, shape)) for shape in shapes) if any(ranks[len(s)] > 1 for s in symbolic) else ()


def _fill(sizes: Sequence[_Sum], widths: Widths) -> tuple[int, ...]:
    return tuple([size.fill(widths) for size in sizes])


def _parts(tensors: Sequence[Tensor]) -> Iterator[_Part]:
    part: list[Tensor] = []
    groups: frozenset[int] = frozenset()
    for tensor in tensors:
        more = _symbolic(tensor).groups
        if part and len(groups | more) > _MOST_GROUPS:
            yield _part(tuple(part))
            part, groups = [], frozenset()
        part.append(tensor)
        groups |= more
    yield _part(tuple(part))


# Structures of one space have most of their parts, and what is filled in there, in common.
@lru_cache(maxsize=1 << 14)
def _part(tensors: tuple[Tensor, ...]) -> _Part:
    symbolic = tuple(map(_symbolic, tensors))
    return _Part(tuple(sorted(frozenset().union(*(tensor.groups for tensor in symbolic)))), symbolic, {})


@lru_cache(maxsize=1 << 14)
def _symbolic(tensor: Tensor) -> _Symbolic:
    shape, num_scales = tuple(map(_sum, tensor.shape)), _sum(tensor.num_scales)
    groups = frozenset(group for size in (*shape, num_scales) for _, group in size.terms)
    return _Symbolic(tensor, shape, num_scales, groups)


def _sum(value: int) -> _Sum:
    """Read a size back."""
    rest, constant = divmod(value, _BASE)
    terms = []
    group = 0
    while rest:
        rest, factor = divmod(rest, _BASE)
        if factor:
            terms.append((factor, group))
        group += 1
    return _Sum(constant, tuple(terms))
