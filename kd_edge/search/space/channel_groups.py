"""Which channels of a network belong together: those that can only be kept or dropped in all places at once."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from kd_edge.errors import ModelError
from kd_edge.ir.layers import Channels, Node
from kd_edge.ir.shape_inference import Shape

LEAST_CHANNELS = 4
"""No group is made narrower than this."""


class Segment(NamedTuple):
    """A run of channels that all belong to one group, in the group's order."""

    group: int
    size: int


class Block(NamedTuple):
    """Channels at one position, or, in a flattened image, at every position one after the other.

    Attributes:
        segments: The channels at one position.
        flattened_by: The node that flattened the image, -1 where none did.
    """

    segments: tuple[Segment, ...]
    flattened_by: int = -1


Value = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ChannelGroups:
    """The channel groups of a network.

    Attributes:
        values: What the last axis of every node's output consists of.
        widths: Number of channels of each group.
        fixed: Groups whose channels have to stay: inputs, logits, and what layers tie to a certain number.
    """

    values: tuple[Value, ...]
    widths: tuple[int, ...]
    fixed: frozenset[int]

    @property
    def num_unfixed(self) -> int:
        """How many groups of several channels nothing ties to their number, the narrowest too."""
        return sum(width > 1 for group, width in enumerate(self.widths) if group not in self.fixed)

    @property
    def free(self) -> tuple[int, ...]:
        """Groups that may be made narrower."""
        return tuple(
            group for group, width in enumerate(self.widths) if group not in self.fixed and width > LEAST_CHANNELS
        )


def find_channel_groups(
    nodes: Sequence[Node], shapes: Sequence[Shape], outputs: Sequence[int], names: Sequence[str]
) -> ChannelGroups:
    """Return the channel groups of a network.

    A convolution or dense layer opens a group. Layers that work on each channel alone keep their input's; element-wise
    merging unites the groups of its inputs, concatenating puts them side by side, and flattening repeats them for every
    position. Where channels cannot be told apart (grouped convolutions, depth multipliers) their groups are fixed.

    Args:
        nodes: The network.
        shapes: Shapes of the nodes' outputs without the batch.
        outputs: Positions of the network's outputs.
        names: What errors call the nodes.

    Raises:
        ModelError: A Reshape mixes channels with positions; it is named.
    """
    finder = _Finder(shapes, names, {i for i, node in enumerate(nodes) if pools_globally(node, shapes)})
    ends = _ends(nodes, outputs)
    for position, node in enumerate(nodes):
        finder.values.append(finder.visit(position, node))
        if position in ends:
            finder.fix(finder.values[position])
    return finder.result()


def _ends(nodes: Sequence[Node], outputs: Sequence[int]) -> Set[int]:
    """Return the outputs, and what a Reshape makes one of."""
    ends = set()
    for output in outputs:
        ends.add(output)
        while nodes[output].layer.channels is Channels.RESHAPES:
            output = nodes[output].inputs[0]
            ends.add(output)
    return ends


def pools_globally(node: Node, shapes: Sequence[Shape]) -> bool:
    """Return whether a node pools its whole input into one position.

    Args:
        node: The node.
        shapes: Shapes of the network's nodes.
    """
    window = None if node.layer.weighted else node.layer.window()
    if window is None or window.size != shapes[node.inputs[0]][:-1]:
        return False
    return max(window.slide(window.size)) == 1


class _Finder:
    def __init__(self, shapes: Sequence[Shape], names: Sequence[str], pools: Set[int]) -> None:
        self.values: list[Value] = []
        self._shapes = shapes
        self._names = names
        self._global = pools
        self._widths: list[int] = []
        self._parents: list[int] = []
        self._fixed: set[int] = set()

    def visit(self, position: int, node: Node) -> Value:
        inputs = [self.values[i] for i in node.inputs]
        width = self._shapes[position][-1]
        if not inputs:
            return self._open(width, fixed=True)
        if node.layer.ties_channels:
            self.fix(inputs[0])
            return self._open(width, fixed=True)
        match node.layer.channels:
            case Channels.MIXES:
                return self._open(width)
            case Channels.MERGES:
                return self._merge(inputs)
            case Channels.JOINS:
                return _side_by_side(inputs)
            case Channels.FLATTENS if len(self._shapes[node.inputs[0]]) > 1 and node.inputs[0] not in self._global:
                return (Block(inputs[0][0].segments, position),)
            case Channels.RESHAPES:
                return self._reshape(position, node.inputs[0])
        return inputs[0]

    def fix(self, value: Value) -> None:
        self._fixed.update(segment.group for segment in _segments(value))

    def result(self) -> ChannelGroups:
        roots = sorted({self._root(group) for group in range(len(self._parents))})
        numbers = {root: number for number, root in enumerate(roots)}

        def renamed(block: Block) -> Block:
            return block._replace(segments=tuple(Segment(numbers[self._root(s.group)], s.size) for s in block.segments))

        return ChannelGroups(
            tuple(tuple(map(renamed, value)) for value in self.values),
            tuple(self._widths[root] for root in roots),
            frozenset(numbers[self._root(group)] for group in self._fixed),
        )

    def _open(self, width: int, *, fixed: bool = False) -> Value:
        group = len(self._widths)
        self._widths.append(width)
        self._parents.append(group)
        if fixed:
            self._fixed.add(group)
        return (Block((Segment(group, width),)),)

    def _merge(self, inputs: Sequence[Value]) -> Value:
        """Unite the groups of values that are added; a single channel is broadcast and stays for itself."""
        wide = [value for value in inputs if sum(s.size for s in _segments(value)) > 1] or list(inputs[:1])
        first = wide[0]
        for other in wide[1:]:
            if not are_alike(first, other):
                self.fix(first)
                self.fix(other)
                continue
            for one, two in zip(_segments(first), _segments(other), strict=True):
                self._parents[self._root(two.group)] = self._root(one.group)
        return first

    def _reshape(self, position: int, source: int) -> Value:
        before, after = self._shapes[source], self._shapes[position]
        fixed = {self._root(group) for group in self._fixed}
        if all(self._root(segment.group) in fixed for segment in _segments(self.values[source])):
            return self._open(after[-1], fixed=True)
        if before[-1] != after[-1] or max((1, *before[:-1], *after[:-1])) > 1:
            raise ModelError(
                f"cannot shrink layer {self._names[position]!r} (Reshape): expected channels to stay the last axis, "
                f"received {after} from {before}"
            )
        return self.values[source]

    def _root(self, group: int) -> int:
        while self._parents[group] != group:
            group = self._parents[group]
        return group


def are_alike(one: Value, other: Value) -> bool:
    """Return whether two values consist of segments of the same sizes in the same places."""

    def layout(value: Value) -> list[tuple[int, list[int]]]:
        return [(block.flattened_by, [segment.size for segment in block.segments]) for block in value]

    return layout(one) == layout(other)


def _side_by_side(inputs: Sequence[Value]) -> Value:
    blocks = tuple(block for value in inputs for block in value)
    if all(block.flattened_by < 0 for block in blocks):
        return (Block(tuple(segment for block in blocks for segment in block.segments)),)
    return blocks


def _segments(value: Value) -> Iterable[Segment]:
    return (segment for block in value for segment in block.segments)
