"""A teacher prepared for shrinking: what of its architecture may be made smaller, and what has to stay together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import prod
from typing import Any

from kd_edge.errors import ModelError
from kd_edge.ir import layers
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.layers import (
    AveragePooling2D,
    Concatenate,
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    InputLayer,
    Layer,
    MaxPooling2D,
    Node,
)
from kd_edge.ir.shape_inference import Shape, output_shape, pools_globally, window_of
from kd_edge.search.space.channel_groups import ChannelGroups, are_alike, find_channel_groups
from kd_edge.search.space.conv1d_as_conv2d import as_image_layers, is_sequential

# Standard convolutions of fewer input channels gain nothing from being separable.
_LEAST_SEPARABLE_CHANNELS = 8

# Positions that earlier downsampling has to leave along each dimension of the first convolution's output.
_LEAST_POSITIONS = 4

_GONE = frozenset({"Dropout", "SpatialDropout1D", "SpatialDropout2D"})
_CHANNELWISE = frozenset({"BatchNormalization", "ReLU", "Activation", "ELU", "LeakyReLU", "Rescaling", "Dropout"})
_SHRINKABLE = frozenset(
    {
        *_CHANNELWISE,
        *("InputLayer", "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"),
        *("Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
        *("AveragePooling2D", "MaxPooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
        *("Flatten", "Reshape", "ZeroPadding2D", "UpSampling2D"),
    }
)


@dataclass(frozen=True, slots=True)
class PrunableNetwork:
    """A network in the form that `prune` works on: images, no dropout, logits out.

    Attributes:
        nodes: The network.
        output: Position of the logits.
        origins: For every node the position of the teacher's node and, where it is only a part of that, which:
            `"depthwise"` or `"pointwise"`, or `"added"` for what only prepares its input.
        shapes: Shapes of the nodes' outputs without the batch.
        channels: Which channels belong together.
        spans: Positions `(a, b)` of blocks that may be left out, so that whoever reads `b` reads `a`.
        separable: Standard convolutions that may be split into a depthwise and a pointwise one.
        stem: The first convolution, whose stride may grow; None where branches would not match any more.
        is_rigid: Whether branches match only at the teacher's own sizes, so that no size may change.
    """

    nodes: tuple[Node, ...]
    output: int
    origins: tuple[tuple[int, str], ...]
    shapes: tuple[Shape, ...]
    channels: ChannelGroups
    spans: tuple[tuple[int, int], ...]
    separable: frozenset[int]
    stem: int | None
    is_rigid: bool

    def downsamplings(self) -> tuple[int, ...]:
        """Return the factors by which the first convolution's stride may grow, from the largest to 1."""
        if self.stem is None or self.is_rigid:
            return (1,)
        sizes = [size for size in self.shapes[self.stem][:-1] if size > 1]
        return tuple(f for f in (4, 2, 1) if f == 1 or all(-(-size // f) >= _LEAST_POSITIONS for size in sizes))

    def kernel_caps(self) -> tuple[int, ...]:
        """Return the largest windows that convolutions may be allowed, from 3 to the teacher's own largest."""
        windows = [getattr(node.layer, "kernel_size", (1,)) for node in self.nodes]
        sizes = set(map(max, windows))
        return tuple(sorted({3} | {size for size in sizes if size > 3})) if max(sizes) > 3 else ()


def find_prunable(teacher: Blueprint, names: Sequence[str] = ()) -> PrunableNetwork:
    """Return a teacher prepared for shrinking.

    Args:
        teacher: Its architecture.
        names: Names of its nodes for error messages; their positions by default.

    Raises:
        ModelError: The teacher has a layer that cannot be pruned (it is named), or more than one input or output.
    """
    names = names or [str(position) for position in range(len(teacher.nodes))]
    _check(teacher, names)
    nodes, origins, output = _normalized(teacher)
    shapes: list[Shape] = []
    sequential = is_sequential(teacher.nodes)
    for i, node in enumerate(nodes):
        if isinstance(node.layer, Concatenate):
            node = _side_by_side(node, names[origins[i][0]], len(shapes[node.inputs[0]]), sequential=sequential)
        shapes.append(output_shape(node.layer, [shapes[i] for i in node.inputs]))
        nodes[i] = _pooled_globally(node, shapes)
    channels = find_channel_groups(nodes, shapes, output, [names[position] for position, _ in origins])
    cuts = list(_cuts(nodes, output))
    return PrunableNetwork(
        tuple(nodes),
        output,
        tuple(origins),
        tuple(shapes),
        channels,
        tuple(_droppable(nodes, shapes, channels, cuts)),
        frozenset(i for i, node in enumerate(nodes) if _can_separate(node, shapes, channels)),
        _stem(nodes, cuts),
        any(_is_exact(node, shapes) for i, node in enumerate(nodes) if i not in cuts),
    )


def _check(teacher: Blueprint, names: Sequence[str]) -> None:
    sources = [node for node in teacher.nodes if isinstance(node.layer, InputLayer)]
    if len(sources) != 1 or len(teacher.outputs) != 1:
        raise ModelError(
            f"cannot shrink the teacher: expected one input and one output, received {len(sources)} and "
            f"{len(teacher.outputs)}"
        )
    for node, name in zip(teacher.nodes, names, strict=True):
        kind = type(node.layer).__name__
        if kind not in _SHRINKABLE and kind not in _GONE and kind[:-2] + "2D" not in _SHRINKABLE:
            raise ModelError(f"cannot shrink layer {name!r} ({kind}): shrinkable are {', '.join(sorted(_SHRINKABLE))}")


def _normalized(teacher: Blueprint) -> tuple[list[Node], list[tuple[int, str]], int]:
    """Return the nodes over images, without dropout and final softmax, with separable convolutions in two parts."""
    sequential = is_sequential(teacher.nodes)
    nodes: list[Node] = []
    origins: list[tuple[int, str]] = []
    places: dict[int, int] = {}
    for position, node in enumerate(teacher.nodes):
        inputs = tuple(places[i] for i in node.inputs)
        for layer, part in _parts(node.layer, is_output=position == teacher.outputs[0], sequential=sequential):
            nodes.append(Node(layer, inputs))
            origins.append((position, part))
            inputs = (len(nodes) - 1,)
        places[position] = inputs[0]
    return nodes, origins, places[teacher.outputs[0]]


def _parts(layer: Any, *, is_output: bool, sequential: bool) -> Iterator[tuple[Layer, str]]:
    kind = type(layer).__name__
    if kind in _GONE or (is_output and (kind == "Softmax" or layer == layers.Activation("softmax"))):
        return
    if is_output and getattr(layer, "activation", "") == "softmax":
        layer = replace(layer, activation="linear")
    if kind == "BatchNormalization":
        layer = layers.BatchNormalization(epsilon=layer.epsilon)
    images: tuple[Any, ...] = as_image_layers(layer) if sequential else (layer,)
    for image in images:
        if type(image).__name__.startswith("Separable"):
            yield from _separated(image)
        elif type(image).__name__.startswith("Global") and not image.keepdims:
            yield replace(image, keepdims=True), ""
            yield Flatten(), ""
        else:
            yield image, "" if image is images[-1] else "added"
    if sequential and kind == "InputLayer":
        yield layers.Reshape((layer.shape[0], 1, layer.shape[1])), ""


def _separated(layer: Any) -> Iterator[tuple[Layer, str]]:
    shared = {f.name for f in fields(DepthwiseConv2D)} & {f.name for f in fields(layer)}
    depthwise = {name: getattr(layer, name) for name in shared} | {"activation": "linear", "use_bias": False}
    yield DepthwiseConv2D(**depthwise), "depthwise"
    yield Conv2D(layer.filters, (1, 1), activation=layer.activation, use_bias=layer.use_bias), "pointwise"


def _side_by_side(node: Node, name: str, rank: int, *, sequential: bool) -> Node:
    """Count the axis that channels are put side by side along from the end; a sequence has one less than its image."""
    axis = getattr(node.layer, "axis", -1)
    if axis not in (-1, 2 if sequential and rank == 3 else rank):
        raise ModelError(
            f"cannot shrink layer {name!r} (Concatenate): expected the channels' axis, -1, received {axis}; take a "
            "teacher that puts channels side by side"
        )
    return Node(Concatenate(), node.inputs)


def _pooled_globally(node: Node, shapes: Sequence[Shape]) -> Node:
    """Replace global pooling by pooling over the whole image, an op that more runtimes have."""
    kind = type(node.layer).__name__
    if not kind.startswith("Global"):
        return node
    size: Any = shapes[node.inputs[0]][:-1]
    return Node((MaxPooling2D if "Max" in kind else AveragePooling2D)(size, size), node.inputs)


def _cuts(nodes: Sequence[Node], output: int) -> Iterator[int]:
    """Yield the nodes that every path from the input to the output passes."""
    reach = 0
    last_reader = [0] * len(nodes)
    for position, node in enumerate(nodes):
        for source in node.inputs:
            last_reader[source] = position
    for position in range(output + 1):
        if reach <= position:
            yield position
        reach = max(reach, last_reader[position])


def _droppable(
    nodes: Sequence[Node], shapes: Sequence[Shape], channels: ChannelGroups, cuts: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield disjoint blocks between two cuts with the same shape and a layer between that mixes channels.

    Blocks begin and end behind the batch normalization and activation of their last layer.
    """
    ends = [c for c, after in pairwise(cuts) if type(nodes[after].layer).__name__ not in _CHANNELWISE]
    start = 0
    while start < len(ends):
        a = ends[start]
        for place in range(start + 1, len(ends)):
            b = ends[place]
            if shapes[b] != shapes[a] or not _exchangeable(channels, a, b):
                continue
            if any(hasattr(node.layer, "filters") or hasattr(node.layer, "units") for node in nodes[a + 1 : b + 1]):
                yield a, b
                start = place - 1
                break
        start += 1


def _exchangeable(channels: ChannelGroups, a: int, b: int) -> bool:
    free = all(s.group not in channels.fixed for i in (a, b) for block in channels.values[i] for s in block.segments)
    return free and are_alike(channels.values[a], channels.values[b])


def _can_separate(node: Node, shapes: Sequence[Shape], channels: ChannelGroups) -> bool:
    layer: Any = node.layer
    if type(layer).__name__ != "Conv2D" or prod(layer.kernel_size) == 1 or getattr(layer, "groups", 1) > 1:
        return False
    strides = [stride for stride, size in zip(layer.strides, shapes[node.inputs[0]][:-1], strict=True) if size > 1]
    source = channels.values[node.inputs[0]][0].segments
    is_stem = all(segment.group in channels.fixed for segment in source)
    wide = shapes[node.inputs[0]][-1] >= _LEAST_SEPARABLE_CHANNELS
    return wide and not is_stem and len(set(strides)) < 2


def _stem(nodes: Sequence[Node], cuts: Sequence[int]) -> int | None:
    for position in cuts:
        if hasattr(nodes[position].layer, "kernel_size"):
            return position
        if position + 1 not in cuts:
            return None
    return None


def _is_exact(node: Node, shapes: Sequence[Shape]) -> bool:
    """Return whether a layer's output size depends on more than the input's size divided by a stride."""
    layer: Any = node.layer
    window = window_of(layer)
    if window is not None:
        return layer.padding == "valid" and max(window) > 1 and not pools_globally(node, shapes)
    return type(layer).__name__.startswith(("UpSampling", "ZeroPadding"))
