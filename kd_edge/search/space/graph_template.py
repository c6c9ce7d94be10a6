"""Graphs that differ in nothing but some sizes: rendered once, with symbols for these, then filled in.

The sizes are numbers of channels and windows that change no shape. A symbol is a number so large that every dimension
of a tensor, a sum of multiples of sizes, can be read back as such: its digits, to the base `_BASE`, are the multiples.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from kd_edge.ir.graph import Graph, Tensor

_BASE = 1 << 32
# Of the sizes that the tensors of one part depend on, unless one tensor has more: fewer make more parts, with more each
# part is filled in more often.
_MOST_PLACES = 2

Sizes = Sequence[int]


class _Sum(NamedTuple):
    """A number and multiples `(factor, place)` of sizes, to be added up."""

    constant: int
    terms: tuple[tuple[int, int], ...]

    def fill(self, sizes: Sizes) -> int:
        return self.constant + sum([factor * sizes[place] for factor, place in self.terms])


class _Symbolic(NamedTuple):
    """A tensor with symbols, how its shape and its number of scales follow from sizes, and the places of these."""

    tensor: Tensor
    shape: tuple[_Sum, ...]
    num_scales: _Sum
    places: frozenset[int]

    def fill(self, sizes: Sizes) -> Tensor:
        return self.tensor._replace(shape=_fill(self.shape, sizes), num_scales=self.num_scales.fill(sizes))


class _Part(NamedTuple):
    """Tensors of a graph, one after the other, that depend on the same few sizes.

    Attributes:
        key: Picks these sizes.
        tensors: The tensors.
        made: What was filled in already.
    """

    key: Callable[[Sizes], object]
    tensors: tuple[_Symbolic, ...]
    made: dict[object, tuple[Tensor, ...]]

    def fill(self, sizes: Sizes) -> tuple[Tensor, ...]:
        key = self.key(sizes)
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = tuple(tensor.fill(sizes) for tensor in self.tensors)
        return known


class GraphTemplate:
    """The graphs of one structure.

    Args:
        render: Returns the graph of the structure with the given sizes.
        num_sizes: How many there are.
    """

    def __init__(self, render: Callable[[Sizes], Graph], num_sizes: int) -> None:
        self._render = render
        self._graph = render([_BASE ** (place + 1) for place in range(num_sizes)])
        self._parts = tuple(_parts(self._graph.tensors))
        self._kept_once = _kept_once(self._graph)

    def fill(self, sizes: Sizes) -> Graph:
        """Return the graph with the given sizes."""
        if self._kept_once and len({_fill(shape, sizes) for shape in self._kept_once}) < len(self._kept_once):
            return self._render(sizes)
        tensors = tuple(chain.from_iterable([part.fill(sizes) for part in self._parts]))
        _, ops, inputs, outputs, name_bytes, *_ = self._graph
        return Graph(tensors, ops, inputs, outputs, name_bytes)


def _kept_once(graph: Graph) -> tuple[tuple[_Sum, ...], ...]:
    """Return the shapes that ops have as constants, where sizes may make two of them equal.

    The converter keeps one of equal constants: the graph then is another one. Only RESHAPE has sizes in a constant.
    """
    shapes = {graph.tensors[op.outputs[0]].shape for op in graph.ops if op.kind == "RESHAPE"}
    symbolic = [shape for shape in shapes if max(shape, default=0) >= _BASE]
    ranks = Counter(map(len, shapes))
    return tuple(tuple(map(_sum, shape)) for shape in shapes) if any(ranks[len(s)] > 1 for s in symbolic) else ()


def _fill(shape: Sequence[_Sum], sizes: Sizes) -> tuple[int, ...]:
    return tuple([dimension.fill(sizes) for dimension in shape])


def _parts(tensors: Sequence[Tensor]) -> Iterator[_Part]:
    part: list[Tensor] = []
    places: frozenset[int] = frozenset()
    for tensor in tensors:
        more = _symbolic(tensor).places
        if part and len(places | more) > _MOST_PLACES:
            yield _part(tuple(part))
            part, places = [], frozenset()
        part.append(tensor)
        places |= more
    yield _part(tuple(part))


# Structures of one space have most of their parts, and what is filled in there, in common.
@lru_cache(maxsize=1 << 14)
def _part(tensors: tuple[Tensor, ...]) -> _Part:
    symbolic = tuple(map(_symbolic, tensors))
    places = sorted(frozenset().union(*(tensor.places for tensor in symbolic)))
    return _Part(itemgetter(*places) if places else len, symbolic, {})


@lru_cache(maxsize=1 << 14)
def _symbolic(tensor: Tensor) -> _Symbolic:
    shape, num_scales = tuple(map(_sum, tensor.shape)), _sum(tensor.num_scales)
    places = frozenset(place for number in (*shape, num_scales) for _, place in number.terms)
    return _Symbolic(tensor, shape, num_scales, places)


def _sum(value: int) -> _Sum:
    """Read a dimension back."""
    rest, constant = divmod(value, _BASE)
    terms = []
    place = 0
    while rest:
        rest, factor = divmod(rest, _BASE)
        if factor:
            terms.append((factor, place))
        place += 1
    return _Sum(constant, tuple(terms))
