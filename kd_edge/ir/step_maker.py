"""Makes the layers of a step out of those of a window, one after the other; see `streaming`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.layers import Channels, InputLayer, Layer, Node
from kd_edge.ir.layers.convolution_base import Conv
from kd_edge.ir.layers.convolutional import Conv2DTranspose
from kd_edge.ir.layers.merging import Concatenate
from kd_edge.ir.layers.pooling import GlobalPooling, Pooling
from kd_edge.ir.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Flatten,
    Permute,
    Reshape,
    ZeroPadding1D,
    ZeroPadding2D,
)
from kd_edge.ir.layers.ring import Ring
from kd_edge.ir.shape_inference import Shape, same_paddings


class Flow(NamedTuple):
    """How the positions of a tensor come in.

    Attributes:
        length: How many the window has.
        step: How many of them a step brings.
        first: How many have come in before the first one of the window; negative for padding in front of the frames.
    """

    length: int
    step: int
    first: int


class StrideError(ConfigError):
    """A step is no multiple of a stride."""


class StepMaker:
    """Makes the nodes of a step, one after the other.

    Args:
        blueprint: The network of a window.
        frames: How many frames of the input a step takes.
        names: Of its layers, by their nodes, for messages; may be empty.

    Attributes:
        nodes: Those of the step.
        sources: For each of them the position of the window's node that it stands for; `None` for a ring buffer.
        places: For each node of the window the position of the one that stands for it in `nodes`.
        flows: For each node of the window how its positions come in; `None` once all are there at every step.
        pads: Whether zeros stand in front of the window.
    """

    def __init__(self, blueprint: Blueprint, frames: int, names: Sequence[str]) -> None:
        self._blueprint, self._frames, self._names = blueprint, frames, names
        self._steps = -(-window_of(blueprint) // frames)
        self._rings: dict[tuple[int, int], int] = {}
        self.nodes: list[Node] = []
        self.sources: list[int | None] = []
        self._shapes: list[Shape] = []
        self.flows: list[Flow | None] = []
        self.places: list[int] = []
        self.pads = False

    def add(self, position: int) -> None:
        """Add what a node of the window's network becomes."""
        node = self._blueprint.nodes[position]
        layer, inputs = node.layer, node.inputs
        if isinstance(layer, InputLayer):
            self._add_input(position, layer)
            return
        self._shapes.append(layer.output_shape([self._shapes[i] for i in inputs]))
        flows = [flow for i in inputs if (flow := self.flows[i]) is not None]
        if not flows:
            self._put(position, layer, None)
        elif isinstance(layer, ZeroPadding1D | ZeroPadding2D):
            self._pad(position, layer, flows[0])
        elif isinstance(layer, Cropping1D | Cropping2D):
            self._crop(position, layer, flows[0])
        elif isinstance(layer, Conv | Pooling):
            self._slide(position, layer, flows[0])
        elif isinstance(layer, Flatten | GlobalPooling):
            self._collect(position, layer, flows[0])
        else:
            self._pass_on(position, layer, flows)

    def refusal(self, position: int, why: str) -> ModelError:
        """Return the error that names a layer."""
        layer = self._blueprint.nodes[position].layer
        return ModelError(f"cannot stream layer {self._name(position)!r} ({type(layer).__name__}): {why}")

    def _add_input(self, position: int, layer: InputLayer) -> None:
        if position or len(layer.shape) < 2:
            what = "one input" if position else "samples of (time, ...)"
            raise self.refusal(position, f"expected {what}, received {'another' if position else layer.shape}")
        self._shapes.append(layer.shape)
        self._put(position, InputLayer((self._frames, *layer.shape[1:])), self._flow(layer.shape[0], self._frames))

    def _flow(self, length: int, step: int) -> Flow:
        return Flow(length, step, self._steps * step - length)

    def _put(self, position: int, layer: Layer, flow: Flow | None, inputs: tuple[int, ...] | None = None) -> None:
        """Add a node that stands for one of the network's."""
        node = self._blueprint.nodes[position]
        given = tuple(self.places[i] for i in node.inputs) if inputs is None else inputs
        shares = None if node.shares is None else self.places[node.shares]
        self.nodes.append(Node(layer, given, shares))
        self.sources.append(position)
        self.flows.append(flow)
        self.places.append(len(self.nodes) - 1)

    def _ring(self, source: int, kept: int) -> int:
        """Return the place of a ring buffer behind a node of the network."""
        if not kept:
            return self.places[source]
        key = (source, kept)
        if key not in self._rings:
            self.nodes.append(Node(Ring(kept), (self.places[source],)))
            self.sources.append(None)
            self._rings[key] = len(self.nodes) - 1
        return self._rings[key]

    def _collect(self, position: int, layer: Layer, flow: Flow) -> None:
        """Give a layer all positions of the window at every step."""
        self._check_past(position, flow, 0)
        self._check_step(position, flow.length - flow.step)
        ring = self._ring(self._blueprint.nodes[position].inputs[0], flow.length - flow.step)
        keeps = isinstance(layer, GlobalPooling) and len(self._shapes[-1]) > 1
        self._put(position, layer, self._flow(1, 1) if keeps else None, (ring,))

    def _pad(self, position: int, layer: Layer, flow: Flow) -> None:
        own: Any = layer
        is_image = isinstance(layer, ZeroPadding2D)
        before, after = own.padding[0] if is_image else own.padding
        if after:
            raise self.refusal(position, "it pads behind the newest frame; pad in front of the oldest alone")
        if before:
            self._check_past(position, flow, before)
            self.pads = True
        padded = Flow(flow.length + before, flow.step, flow.first - before)
        if is_image and any(own.padding[1]):
            if padded.first < 0:
                raise self.refusal(position, "it pads time and another axis at once; take a layer for each")
            self._put(position, layer, padded)
            return
        self._leave_out(position, padded)  # the ring buffer begins with zeros

    def _crop(self, position: int, layer: Layer, flow: Flow) -> None:
        own: Any = layer
        is_image = isinstance(layer, Cropping2D)
        before, after = own.cropping[0] if is_image else own.cropping
        if after:
            raise self.refusal(position, "it drops the newest frames; drop the oldest alone")
        self._check_past(position, flow, 0)
        cropped = Flow(flow.length - before, flow.step, flow.first + before)
        if is_image and any(own.cropping[1]):
            self._put(position, Cropping2D(((0, 0), own.cropping[1])), cropped)
        else:
            self._leave_out(position, cropped)

    def _leave_out(self, position: int, flow: Flow) -> None:
        """Let a node of the network be the one before it."""
        self.flows.append(flow)
        self.places.append(self.places[self._blueprint.nodes[position].inputs[0]])

    def _check_step(self, position: int, kept: int) -> None:
        if kept < 0:
            raise ConfigError(
                f"bad number of frames in a step: layer {self._name(position)!r} reads fewer positions than the "
                f"{self._frames} frames of a step bring; take fewer frames"
            )

    def _check_past(self, position: int, flow: Flow, padding: int) -> None:
        """Refuse zeros in front of a window where a stream has something else."""
        if padding and flow.first:
            raise self.refusal(
                position,
                f"its zeros stand before a window, where a stream has {flow.first} positions of its own; pad before "
                "all unpadded layers, and take windows of a whole number of steps",
            )
        if flow.first < 0:
            raise self.refusal(position, "only a convolution or a pooling may read what was padded")

    def _slide(self, position: int, layer: Layer, flow: Flow) -> None:
        window = layer.window()
        assert window is not None
        reach, stride = (window.size[0] - 1) * window.dilations[0] + 1, window.strides[0]
        before = self._padding(position, layer, flow.length, reach)
        if before:
            self._check_past(position, flow, before)
            self.pads = True
        length = flow.length + before
        count = self._shapes[-1][0]
        unread = length - reach - (count - 1) * stride
        if count > 1 and reach + unread < stride:
            why = f"it reads {reach} of every {stride} positions, of which a window has {length}"
            raise self.refusal(position, f"{why}; take a window that has a multiple of {stride} there")
        stride = flow.step if count == 1 else stride
        if flow.step % stride:
            raise StrideError(
                f"bad number of frames in a step: layer {self._name(position)!r} moves by {stride} positions and a "
                f"step of {self._frames} frames brings {flow.step}; take a multiple of "
                f"{self._frames // flow.step * stride}"
            )
        result = self._flow(count, flow.step // stride)
        if result.first < 0:
            raise self.refusal(position, "more is padded than it reaches over; pad by its reach less 1")
        self._check_step(position, reach + unread - stride)
        ring = self._ring(self._blueprint.nodes[position].inputs[0], reach + unread - stride)
        self._put(position, *self._unpadded(position, layer, ring, result))

    def _unpadded(self, position: int, layer: Layer, ring: int, result: Flow) -> tuple[Layer, Flow, tuple[int, ...]]:
        """Return a layer that finds its padding over time in a ring buffer, and what it reads; see `_put`."""
        own: Any = layer
        window = layer.window()
        assert window is not None
        # A pooling with padding over time is refused; the zeros of a layer would count in its means and maxima.
        by_itself = isinstance(layer, Pooling) or (own.padding == "same" and window.size[0] == window.strides[0] == 1)
        if own.padding == "valid" or by_itself:
            return layer, result, (ring,)
        changes: dict[str, Any] = {"padding": "valid"}
        if len(window.size) == 2:
            size = self._shapes[self._blueprint.nodes[position].inputs[0]][1:2]
            others = same_paddings(size, window.size[1:], window.strides[1:], window.dilations[1:])[1]
            if any(others):
                self.nodes.append(Node(ZeroPadding2D(((0, 0), others)), (ring,)))
                self.sources.append(None)
                ring = len(self.nodes) - 1
        return replace(layer, **changes), result, (ring,)

    def _padding(self, position: int, layer: Layer, length: int, reach: int) -> int:
        """Return how many zeros a layer puts in front of the window."""
        own: Any = layer
        if own.padding == "valid":
            return 0
        if own.padding == "causal":
            return reach - 1
        before, after = same_paddings((length,), (reach,), own.strides[:1], (1,))[1]
        if after or (before and isinstance(layer, Pooling)):
            raise self.refusal(position, "padding 'same' looks ahead of the newest frame; expected 'valid' or 'causal'")
        return before

    def _pass_on(self, position: int, layer: Layer, flows: Sequence[Flow]) -> None:
        """Add a layer that works on each position alone."""
        node, shape = self._blueprint.nodes[position], self._shapes[-1]
        shapes = [self._shapes[i] for i in node.inputs]
        if len(flows) < len(node.inputs) or len(set(flows)) > 1:
            raise self.refusal(position, "it combines tensors of different lengths in time")
        flow = flows[0]
        self._check_past(position, flow, 0)
        moves = isinstance(layer, Permute) and layer.dims[0] != 1
        joins = isinstance(layer, Concatenate) and layer.axis % (len(shape) + 1) == 1
        reshapes = isinstance(layer, Reshape)
        known = reshapes or isinstance(layer, Permute) or layer.channels not in (Channels.FLATTENS, Channels.RESHAPES)
        if moves or joins or not known or not shape or shape[0] != flow.length or len(shapes[0]) < 2 or _by_time(layer):
            raise self.refusal(position, "it works on more than one position of time at once, or moves the axis")
        if reshapes:
            layer = Reshape((flow.step, *shape[1:]))
        self._put(position, layer, flow)

    def _name(self, position: int) -> str:
        return self._names[position] if self._names else self._blueprint.layer_name(position)


def _by_time(layer: Layer) -> bool:
    """Return whether a layer has weights of its own for every position of time, as a PReLU may, or spans several."""
    if isinstance(layer, Conv2DTranspose):
        return layer.kernel_size[0] > 1
    shared = getattr(layer, "shared_axes", (1,))
    return 1 not in (shared or ())


def window_of(blueprint: Blueprint) -> int:
    """Return how many frames a network over a window reads."""
    layer = blueprint.nodes[0].layer
    return layer.shape[0] if isinstance(layer, InputLayer) and layer.shape else 1
