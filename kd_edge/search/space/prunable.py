"""The prunable network: what of a teacher's architecture may be made smaller, and what has to stay together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.layers import LAYERS, Channels, Concatenate, InputLayer, Layer, Node, Reshape
from kd_edge.ir.shape_inference import Shape
from kd_edge.search.space.channel_groups import ChannelGroups, are_alike, find_channel_groups, pools_globally

# Standard convolutions of fewer input channels gain nothing from being separable.
_LEAST_SEPARABLE_CHANNELS = 8

# Positions that earlier downsampling has to leave along each dimension of the first convolution's output.
_LEAST_POSITIONS = 4


@dataclass(frozen=True, slots=True)
class PrunableNetwork:
    """A network in the form that `prune` works on: images, no dropout, logits out.

    Attributes:
        nodes: The network.
        outputs: Positions of the logits, of several outputs of each.
        origins: For every node the position of the teacher's node and, where it is only a part of that, which:
            `"depthwise"` or `"pointwise"`, or `"added"` for what only prepares its input.
        shapes: Shapes of the nodes' outputs without the batch.
        channels: Which channels belong together.
        spans: Positions `(a, b)` of blocks that may be left out, so that whoever reads `b` reads `a`.
        separable: Standard convolutions that may be split into a depthwise and a pointwise one.
        stem: The first convolution, whose stride may grow; None where branches would not match any more.
        is_rigid: Whether branches, outputs or a Reshape match only at the teacher's own sizes, so that no size may
            change.
        teacher: The architecture that was prepared.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    origins: tuple[tuple[int, str], ...]
    shapes: tuple[Shape, ...]
    channels: ChannelGroups
    spans: tuple[tuple[int, int], ...]
    separable: frozenset[int]
    stem: int | None
    is_rigid: bool
    teacher: Blueprint = field(repr=False)

    def downsamplings(self) -> tuple[int, ...]:
        """Return the factors by which the first convolution's stride may grow, from the largest to 1."""
        window = None if self.stem is None or self.is_rigid else self.nodes[self.stem].layer.window()
        # Keras has no strides where a window is dilated.
        if self.stem is None or window is None or max(window.dilations) > 1:
            return (1,)
        sizes = [size for size in self.shapes[self.stem][:-1] if size > 1]
        return tuple(f for f in (4, 2, 1) if f == 1 or all(-(-size // f) >= _LEAST_POSITIONS for size in sizes))

    def kernel_caps(self) -> tuple[int, ...]:
        """Return the largest windows that convolutions may be allowed, from 3 to the teacher's own largest."""
        windows = [node.layer.window() for node in self.nodes if node.layer.weighted]
        sizes = {max(window.size) for window in windows if window is not None}
        return tuple(sorted({3} | {size for size in sizes if size > 3})) if max(sizes, default=1) > 3 else ()


def find_prunable(teacher: Blueprint, names: Sequence[str] = ()) -> PrunableNetwork:
    """Return a teacher prepared for shrinking.

    Args:
        teacher: Its architecture.
        names: Names of its nodes for error messages; their positions by default.

    Raises:
        ModelError: The teacher has a layer that cannot be pruned (it is named), or more than one input, or
            several outputs without names.
    """
    names = names or [str(position) for position in range(len(teacher.nodes))]
    _check(teacher, names)
    nodes, origins, outputs = _normalized(teacher)
    shapes: list[Shape] = []
    sequential = _is_sequential(teacher)
    for i, node in enumerate(nodes):
        if isinstance(node.layer, Concatenate):
            rank = len(shapes[node.inputs[0]])
            _check_axis(node.layer, names[origins[i][0]], 2 if sequential and rank == 3 else rank)
            node = Node(Concatenate(), node.inputs)
        inputs = [shapes[i] for i in node.inputs]
        shapes.append(node.layer.output_shape(inputs))
        nodes[i] = Node(node.layer.over_whole(inputs[0][:-1]), node.inputs) if inputs else node
    channels = find_channel_groups(nodes, shapes, outputs, [names[position] for position, _ in origins])
    cuts = list(_cuts(nodes, outputs))
    return PrunableNetwork(
        tuple(nodes),
        outputs,
        tuple(origins),
        tuple(shapes),
        channels,
        tuple(_droppable(nodes, shapes, channels, cuts)),
        frozenset(i for i, node in enumerate(nodes) if _can_separate(node, shapes, channels)),
        _stem(nodes, cuts),
        any(node.layer.is_exact and not pools_globally(node, shapes) for i, node in enumerate(nodes) if i not in cuts)
        or _ends_in_positions(nodes, shapes, outputs),
        teacher,
    )


def _check(teacher: Blueprint, names: Sequence[str]) -> None:
    sources = [node for node in teacher.nodes if isinstance(node.layer, InputLayer)]
    if len(sources) != 1 or len(teacher.outputs) != max(1, len(teacher.output_names)):
        raise ModelError(
            f"cannot shrink the teacher: expected one input, and one output or several with names, received "
            f"{len(sources)} and {len(teacher.outputs)}"
        )
    for position, (node, name) in enumerate(zip(teacher.nodes, names, strict=True)):
        layer = node.layer.as_logits() if position in teacher.outputs else node.layer
        if layer is not None and not all(image.shrinkable for image in layer.as_image_layers()):
            known = ", ".join(sorted(kind for kind, one in LAYERS.items() if one.shrinkable))
            raise ModelError(f"cannot shrink layer {name!r} ({type(node.layer).__name__}): shrinkable are {known}")


def _is_sequential(teacher: Blueprint) -> bool:
    return any(node.layer.over_sequences for node in teacher.nodes)


def _normalized(teacher: Blueprint) -> tuple[list[Node], list[tuple[int, str]], tuple[int, ...]]:
    """Return the nodes over images, without dropout and final softmax, with separable convolutions in two parts."""
    sequential = _is_sequential(teacher)
    nodes: list[Node] = []
    origins: list[tuple[int, str]] = []
    places: dict[int, int] = {}
    for position, node in enumerate(teacher.nodes):
        inputs = tuple(places[i] for i in node.inputs)
        for layer, part in _parts(node.layer, is_output=position in teacher.outputs, sequential=sequential):
            nodes.append(Node(layer, inputs))
            origins.append((position, part))
            inputs = (len(nodes) - 1,)
        places[position] = inputs[0]
    for output, shape in _sequence_outputs(teacher).items():
        nodes.append(Node(Reshape(shape), (places[output],)))
        origins.append((output, "added"))
        places[output] = len(nodes) - 1
    return nodes, origins, tuple(places[output] for output in teacher.outputs)


def _sequence_outputs(teacher: Blueprint) -> dict[int, Shape]:
    """Return the shapes of those outputs that are sequences, which the nodes over images have to be turned into."""
    if not _is_sequential(teacher):
        return {}
    shapes: list[Shape] = []
    for node in teacher.nodes:
        shapes.append(node.layer.output_shape([shapes[i] for i in node.inputs]))
    return {output: shapes[output] for output in teacher.outputs if len(shapes[output]) == 2}


def _parts(layer: Layer, *, is_output: bool, sequential: bool) -> Iterator[tuple[Layer, str]]:
    """Yield what a layer becomes, each with the part of the layer that it is; nothing where it is left out."""
    kept = layer.as_logits() if is_output else layer
    if kept is None or kept.training_only:
        return
    kept = kept.for_student()
    *added, image = kept.as_image_layers() if sequential else (kept,)
    yield from ((one, "added") for one in added)
    yield from image.parts()
    if sequential and isinstance(layer, InputLayer):
        yield Reshape((layer.shape[0], 1, layer.shape[1])), ""


def _check_axis(layer: Concatenate, name: str, last: int) -> None:
    """Refuse to put anything but channels side by side; a sequence has one axis less than its image."""
    if layer.axis not in (-1, last):
        raise ModelError(
            f"cannot shrink layer {name!r} (Concatenate): expected the channels' axis, -1, received {layer.axis}; take "
            "a teacher that puts channels side by side"
        )


def _cuts(nodes: Sequence[Node], outputs: Sequence[int]) -> Iterator[int]:
    """Yield the nodes that every path from the input to an output passes."""
    reach = 0
    last_reader = [0] * len(nodes)
    for position, node in enumerate(nodes):
        for source in node.inputs:
            last_reader[source] = position
    if len(outputs) > 1:
        for output in outputs:
            last_reader[output] = len(nodes)
    for position in range(max(outputs) + 1):
        if reach <= position:
            yield position
        reach = max(reach, last_reader[position])


def _droppable(
    nodes: Sequence[Node], shapes: Sequence[Shape], channels: ChannelGroups, cuts: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield disjoint blocks between two cuts with the same shape and a layer between that mixes channels.

    Blocks begin and end behind the batch normalization and activation of their last layer.
    """
    ends = [c for c, after in pairwise(cuts) if not nodes[after].layer.channelwise]
    start = 0
    while start < len(ends):
        a = ends[start]
        for place in range(start + 1, len(ends)):
            b = ends[place]
            if shapes[b] != shapes[a] or not _exchangeable(channels, a, b):
                continue
            if any(node.layer.channels is Channels.MIXES for node in nodes[a + 1 : b + 1]):
                yield a, b
                start = place - 1
                break
        start += 1


def _exchangeable(channels: ChannelGroups, a: int, b: int) -> bool:
    free = all(s.group not in channels.fixed for i in (a, b) for block in channels.values[i] for s in block.segments)
    return free and are_alike(channels.values[a], channels.values[b])


def _can_separate(node: Node, shapes: Sequence[Shape], channels: ChannelGroups) -> bool:
    window = node.layer.window()
    if window is None or prod(window.size) == 1 or node.layer.separated() is None:
        return False
    sizes = shapes[node.inputs[0]]
    strides = {stride for stride, size in zip(window.strides, sizes[:-1], strict=True) if size > 1}
    source = channels.values[node.inputs[0]][0].segments
    is_stem = all(segment.group in channels.fixed for segment in source)
    return sizes[-1] >= _LEAST_SEPARABLE_CHANNELS and not is_stem and len(strides) < 2


def _ends_in_positions(nodes: Sequence[Node], shapes: Sequence[Shape], outputs: Sequence[int]) -> bool:
    """Return whether an output or a Reshape has the positions that windows leave: it wants as many as the teacher."""
    changing: set[int] = set()
    for i, node in enumerate(nodes):
        reads_changing = not changing.isdisjoint(node.inputs)
        if reads_changing and node.layer.channels is Channels.RESHAPES:
            return True
        window = node.layer.window()
        slides = window is not None and prod(shapes[node.inputs[0]][:-1]) > 1
        is_settled = pools_globally(node, shapes) or (node.layer.channels is Channels.MIXES and len(shapes[i]) == 1)
        if (slides or reads_changing) and not is_settled:
            changing.add(i)
    return not changing.isdisjoint(outputs)


def _stem(nodes: Sequence[Node], cuts: Sequence[int]) -> int | None:
    for position in cuts:
        if nodes[position].layer.weighted and nodes[position].layer.window() is not None:
            return position
        if position + 1 not in cuts:
            return None
    return None
