"""Structured pruning: smaller networks in the image of a teacher, by widths, blocks, windows and strides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.layers import Channels, Layer, Node, Reshape
from kd_edge.ir.shape_inference import Window, slide
from kd_edge.search.space.channel_groups import LEAST_CHANNELS, pools_globally
from kd_edge.search.space.prunable import PrunableNetwork

Values = Mapping[str, int | float]
Size = tuple[int, ...]

_WIDTHS = (0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)
_GROUP_WIDTHS = (0.5, 0.75, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class PrunedNetwork:
    """A student and where in the prunable network each part of it comes from.

    Attributes:
        blueprint: The student.
        origins: For every node of the student its node in the teacher and, of a convolution that was split, the
            part: `"depthwise"` or `"pointwise"`.
        roots: For every channel group of the teacher the group that speaks for it: leaving out a block unites the
            groups before and behind it.
        widths: Number of channels that each group keeps, by its root.
        sizes: For every node of the teacher the size of its output in the student, `()` for flat values; of a node
            that was left out, that of the node read instead.
    """

    blueprint: Blueprint
    origins: tuple[tuple[int, str], ...]
    roots: tuple[int, ...]
    widths: tuple[int, ...]
    sizes: tuple[Size, ...]


def pruning_choices(prunable: PrunableNetwork) -> dict[str, tuple[int | float, ...]]:
    """Return what may be chosen, each from the cheapest network to the dearest.

    Returns:
        `width`: factor on all free channel groups; `width_i`: factor on one of them besides; `drop_i`: 1 leaves out a
        block; `separable`: 1 splits standard convolutions; `downsample`: factor on the first convolution's stride;
        `kernel`: largest window. What the teacher does not offer is missing.
    """
    free = prunable.channels.free
    choices: dict[str, tuple[int | float, ...]] = {"width": _WIDTHS} if free else {}
    if free and prunable.channels.num_unfixed > 1:
        choices |= {f"width_{group}": _GROUP_WIDTHS for group in free}
    choices |= {f"drop_{block}": (1, 0) for block in range(len(prunable.spans))}
    rest = {
        "separable": (1, 0) if prunable.separable else (),
        "downsample": prunable.downsamplings(),
        "kernel": prunable.kernel_caps(),
    }
    return choices | {name: options for name, options in rest.items() if len(options) > 1}


def teacher_values(choices: Mapping[str, Sequence[int | float]]) -> dict[str, int | float]:
    """Return the values with which `prune` gives the teacher itself."""
    return {name: 1.0 if name.startswith("width") else options[-1] for name, options in choices.items()}


def group_widths(prunable: PrunableNetwork, values: Values) -> tuple[int, ...]:
    """Return the number of channels of each free group that belongs to one value of each of `pruning_choices`."""
    width = float(values.get("width", 1.0))
    return tuple(
        _width(prunable.channels.widths[group], width * float(values.get(f"width_{group}", 1.0)))
        for group in prunable.channels.free
    )


def prune(prunable: PrunableNetwork, values: Values, widths: Sequence[int] | None = None) -> PrunedNetwork:
    """Return the student that belongs to one value of each of `pruning_choices`.

    Widths are rounded to multiples of 4, at least 4, at most the teacher's. A separable convolution has neither
    batch normalization nor activation between its parts, as in Xception (arXiv 1610.02357), which found that best, and
    as in Keras' SeparableConv2D; so a standard convolution's weights can be handed on to it. Windows of layers without
    padding are clamped to what is left of their input, and pooling over the whole image stays so at any size.

    Args:
        prunable: The teacher.
        values: One value of each choice.
        widths: Numbers of channels of the free groups, instead of those that belong to the values.
    """
    return _Draft(prunable, values, group_widths(prunable, values) if widths is None else widths).result()


class _Draft:
    """One student while it is drawn, node by node of the prunable network."""

    def __init__(self, prunable: PrunableNetwork, values: Values, widths: Sequence[int]) -> None:
        self._prunable = prunable
        self._cap = int(values.get("kernel", 1 << 30))
        self._splits = bool(values.get("separable", 0))
        self._stride_factor = int(values.get("downsample", 1))
        dropped = [span for i, span in enumerate(prunable.spans) if values.get(f"drop_{i}", 0)]
        self._bypassed = {node: a for a, b in dropped for node in range(a + 1, b + 1)}
        self._roots = _unite(prunable, dropped)
        self._widths = list(prunable.channels.widths)
        for group, width in zip(prunable.channels.free, widths, strict=True):
            self._widths[group] = width
        self._nodes: list[Node] = []
        self._origins: list[tuple[int, str]] = []
        self._places: list[int] = []
        self._sizes: list[Size] = []

    def result(self) -> PrunedNetwork:
        for i, node in enumerate(self._prunable.nodes):
            source = self._bypassed.get(i)
            if source is None:
                place, size = self._draw(i, node)
            else:
                place, size = self._places[source], self._sizes[source]
            self._places.append(place)
            self._sizes.append(size)
        outputs = tuple(self._places[i] for i in self._prunable.outputs)
        blueprint = Blueprint(tuple(self._nodes), outputs, self._prunable.teacher.output_names)
        return PrunedNetwork(
            blueprint, tuple(self._origins), tuple(self._roots), tuple(self._widths), tuple(self._sizes)
        )

    def _draw(self, i: int, node: Node) -> tuple[int, Size]:
        """Add what becomes of one node; return where it is and how large its output is."""
        layer = node.layer
        inputs = tuple(self._places[j] for j in node.inputs)
        size = self._sizes[node.inputs[0]] if inputs else self._prunable.shapes[i][:-1]
        window = layer.window()
        if window is not None:
            return (self._convolve if layer.weighted else self._pool)(i, window, inputs, size)
        if isinstance(layer, Reshape):
            size = self._prunable.shapes[i][:-1]
            return self._add(i, Reshape((*size, self._num_channels(i))), inputs), size
        if layer.channels is Channels.MIXES:
            layer = layer.with_channels(self._num_channels(i))
        if inputs and not layer.channelwise:
            size = layer.output_shape([(*self._sizes[j], 1) for j in node.inputs])[:-1]
        return self._add(i, layer, inputs), size

    def _convolve(self, i: int, window: Window, inputs: tuple[int, ...], size: Size) -> tuple[int, Size]:
        layer, covered, strides = self._prunable.nodes[i].layer, window.size, window.strides
        if not (self._prunable.is_rigid and window.padding == "valid"):
            covered = tuple(min(own, self._cap) for own in covered)
        if window.padding == "valid":
            along = zip(covered, size, window.dilations, strict=True)
            covered = tuple(min(own, (whole - 1) // dilation + 1) for own, whole, dilation in along)
        if i == self._prunable.stem:
            strides = self._larger_strides(i, strides)
        count = self._num_channels(i) if layer.channels is Channels.MIXES else 0
        layer = _changed(layer, covered, strides, count)
        parts = layer.separated() if self._splits and i in self._prunable.separable else None
        place = self._split(i, parts, inputs) if parts else self._add(i, layer, inputs)
        return place, slide(size, covered, strides, window.padding, window.dilations)

    def _larger_strides(self, i: int, strides: Size) -> Size:
        """Return the first convolution's strides, larger along what is longer than 1; a depthwise one's are equal."""
        sizes = self._prunable.shapes[self._prunable.nodes[i].inputs[0]]
        all_alike = self._prunable.nodes[i].layer.channels is Channels.KEEPS
        return tuple(
            stride * self._stride_factor if full > 1 or all_alike else stride
            for stride, full in zip(strides, sizes, strict=False)
        )

    def _split(self, i: int, parts: tuple[Layer, Layer], inputs: tuple[int, ...]) -> int:
        place = self._add(i, parts[0], inputs, "depthwise")
        return self._add(i, parts[1], (place,), "pointwise")

    def _pool(self, i: int, window: Window, inputs: tuple[int, ...], size: Size) -> tuple[int, Size]:
        covered, strides = tuple(map(min, window.size, size)), window.strides
        if pools_globally(self._prunable.nodes[i], self._prunable.shapes):
            covered = strides = size
        if max(*covered, *strides) == 1:
            return inputs[0], size
        place = self._add(i, _changed(self._prunable.nodes[i].layer, covered, strides), inputs)
        return place, slide(size, covered, strides, window.padding, window.dilations)

    def _add(self, i: int, layer: Layer, inputs: tuple[int, ...], part: str = "") -> int:
        self._nodes.append(Node(layer, inputs))
        self._origins.append((i, part))
        return len(self._nodes) - 1

    def _num_channels(self, i: int) -> int:
        """Return how many channels a node's output has at one position."""
        return sum(
            self._widths[self._roots[segment.group]]
            for block in self._prunable.channels.values[i]
            for segment in block.segments
        )


# A search asks for the same layers again and again.
@lru_cache(maxsize=1 << 16)
def _changed(layer: Layer, size: Size, strides: Size, channels: int = 0) -> Layer:
    changed = layer.resized(size, strides)
    return changed.with_channels(channels) if channels else changed


def _unite(prunable: PrunableNetwork, dropped: Sequence[tuple[int, int]]) -> list[int]:
    """Return the group that speaks for each group, when blocks are left out."""
    roots = list(range(len(prunable.channels.widths)))
    for a, b in dropped:
        before, after = ([s.group for block in prunable.channels.values[end] for s in block.segments] for end in (a, b))
        for one, two in zip(before, after, strict=True):
            kept, gone = roots[one], roots[two]
            roots = [kept if root == gone else root for root in roots]
    return roots


def _width(full: int, factor: float) -> int:
    return min(full, max(LEAST_CHANNELS, 4 * round(full * factor / 4))) if factor < 1 else full
