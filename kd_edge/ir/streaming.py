"""A network over a window of time as one over a step of a few frames, with ring buffers for what it has seen before.

The first axis of a sample is time. Fed with a window step by step, the network of a step gives in the end what the
network of the window gives: each layer that reaches over several positions finds those of the steps before in a ring
buffer. In steps and windows alike the last position is the newest one, so that a window whose length is no multiple of
a step's may be filled up in front, with anything. Source of the idea: Rybakov et al., arXiv 2005.06720.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.layers import Channels, InputLayer, Layer, Node
from kd_edge.ir.layers.convolution_base import Conv
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

# Letters of `s000/`, which is before the name of the layer, and of `_1/`, which is behind it.
_SCOPE, _BEHIND = 5, 3
# Of a variable and of what it begins with, in the second subgraph.
_NAMES_OF_RING = 36


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


@dataclass(frozen=True, slots=True)
class Stream:
    """A network for one step.

    Attributes:
        blueprint: Its layers, ring buffers among them.
        sources: For each of its nodes the position of the network's that it stands for; `None` for a ring buffer.
        frames: How many frames of the input a step takes.
        window: How many frames the network was made for.
        pads: Whether zeros stand in front of the window: later outputs have seen frames there.
    """

    blueprint: Blueprint
    sources: tuple[int | None, ...]
    frames: int
    window: int
    pads: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the tensors of each node are called in the file begins with this; the converter orders ops by it."""
        return tuple(f"s{place:03}" for place in range(len(self.sources)))

    def to_graph(self, names: Sequence[str] = ()) -> Graph:
        """Return the ops and tensors of a step as the converter emits them: the states are resource variables.

        Args:
            names: Per node of the network the name of its layer, for `Graph.layers` and the size of the file.
        """
        known = [names[i] if names and i is not None else "" for i in self.sources]
        nodes = zip(known, self.sources, self.blueprint.nodes, strict=True)
        scopes = [_scope(name or f"n000_{type(node.layer).__name__}", i) for name, i, node in nodes]
        layers = [name or "ring" for name in known] if names else []
        return _with_variables(self.blueprint.to_graph(scopes=scopes, names=layers))


def _scope(name: str, source: int | None) -> int:
    """Return how many letters are before what a node computes; of a ring buffer there is no layer's name."""
    return _SCOPE if source is None else _SCOPE + len(name) + _BEHIND


def least_frames(blueprint: Blueprint, names: Sequence[str] = ()) -> int:
    """Return the fewest frames that a step can have: those that the network strides over for one position.

    Args:
        blueprint: The network of a window.
        names: Of its layers, by their nodes, for messages.
    """
    window = _window_of(blueprint)
    for frames in range(1, window):
        try:
            stream(blueprint, frames, names)
        except _StrideError:
            continue
        return frames
    return window


def stream(blueprint: Blueprint, frames: int | None = None, names: Sequence[str] = ()) -> Stream:
    """Return a network over a window as one over a step.

    Args:
        blueprint: The network of a window: causal or unpadded convolutions and pooling over time, and layers that work
            on each position alone, before what reads all positions, as a Flatten or a pooling over all of them.
        frames: How many frames a step takes; as few as can be by default.
        names: Of its layers, by their nodes, for messages.

    Raises:
        ConfigError: `frames` is no number of frames that the network can take at a time.
        ModelError: A layer cannot be streamed. It is named.
    """
    if frames is None:
        frames = least_frames(blueprint, names)
    window = _window_of(blueprint)
    if frames < 1 or frames > window:
        raise ConfigError(f"bad number of frames in a step: expected 1 to {window}, the window's, received {frames}")
    maker = _Maker(blueprint, frames, names)
    for position in range(len(blueprint.nodes)):
        maker.add(position)
    if len(blueprint.outputs) > 1:
        raise ModelError(f"cannot stream the model: expected one output, received {len(blueprint.outputs)}")
    outputs = tuple(maker.places[i] for i in blueprint.outputs)
    for i in blueprint.outputs:
        flow = maker.flows[i]
        if flow is not None and (flow.length, flow.step) != (1, 1):
            raise maker.refusal(
                i, f"the output still has {flow.length} positions of time; end in one answer per window"
            )
    made = Blueprint(tuple(maker.nodes), outputs)
    return Stream(made, tuple(maker.sources), frames, window, maker.pads)


class _StrideError(ConfigError):
    """A step is no multiple of a stride."""


class _Maker:
    """Makes the nodes of a step, one after the other."""

    def __init__(self, blueprint: Blueprint, frames: int, names: Sequence[str]) -> None:
        self._blueprint, self._frames, self._names = blueprint, frames, names
        self._steps = -(-_window_of(blueprint) // frames)
        self._rings: dict[tuple[int, int], int] = {}
        self.nodes: list[Node] = []
        self.sources: list[int | None] = []
        self.shapes: list[Shape] = []
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
        self.shapes.append(layer.output_shape([self.shapes[i] for i in inputs]))
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
        name = self._names[position] if self._names else self._blueprint.layer_name(position)
        return ModelError(f"cannot stream layer {name!r} ({type(layer).__name__}): {why}")

    def _add_input(self, position: int, layer: InputLayer) -> None:
        if position or len(layer.shape) < 2:
            what = "one input" if position else "samples of (time, ...)"
            raise self.refusal(position, f"expected {what}, received {'another' if position else layer.shape}")
        self.shapes.append(layer.shape)
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
        keeps = isinstance(layer, GlobalPooling) and len(self.shapes[-1]) > 1
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
        count = self.shapes[-1][0]
        stride = flow.step if count == 1 else stride
        if flow.step % stride:
            raise _StrideError(
                f"bad number of frames in a step: layer {self._name(position)!r} moves by {stride} positions and a "
                f"step of {self._frames} frames brings {flow.step}; take a multiple of "
                f"{self._frames // flow.step * stride}"
            )
        unread = length - reach - (count - 1) * window.strides[0]
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
        if own.padding == "valid" or (own.padding == "same" and window.size[0] == window.strides[0] == 1):
            return layer, result, (ring,)
        changes: dict[str, Any] = {"padding": "valid"}
        if len(window.size) == 2:
            size = self.shapes[self._blueprint.nodes[position].inputs[0]][1:2]
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
        node, shape = self._blueprint.nodes[position], self.shapes[-1]
        shapes = [self.shapes[i] for i in node.inputs]
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
    """Return whether a layer has weights of its own for every position of time, as a PReLU may."""
    shared = getattr(layer, "shared_axes", (1,))
    return 1 not in (shared or ())


def _window_of(blueprint: Blueprint) -> int:
    layer = blueprint.nodes[0].layer
    return layer.shape[0] if isinstance(layer, InputLayer) and layer.shape else 1


def _with_variables(graph: Graph) -> Graph:
    """Return a graph that names its variables first, and a second subgraph that fills them once."""
    handles = [op for op in graph.ops if op.kind == "VAR_HANDLE"]
    if not handles:
        return graph
    tensors: list[Tensor] = []
    ops: list[Op] = []
    for op in graph.ops:
        if op.kind == "ASSIGN_VARIABLE":
            place = len(tensors)
            shape = graph.tensors[op.inputs[1]].shape
            tensors += [Tensor((), "resource", True, 0), Tensor(shape, "int8", True, 1)]
            ops.append(Op("VAR_HANDLE", (), (place,), variable=op.variable))
            ops.append(Op("ASSIGN_VARIABLE", (place, place + 1), (), variable=op.variable))
    rest = tuple(op for op in graph.ops if op.kind != "VAR_HANDLE")
    begun = (Op("CALL_ONCE", (), (), calls=(1,)), *handles[::-1], *rest)
    layers = ("", *[""] * len(handles), *_layers_of(graph)) if graph.layers else ()
    filled = Graph(tuple(tensors), tuple(ops), (), (), _NAMES_OF_RING * len(handles))
    return graph._replace(ops=begun, subgraphs=(filled,), num_variables=len(handles), layers=layers)


def _layers_of(graph: Graph) -> list[str]:
    return [name for name, op in zip(graph.layers, graph.ops, strict=True) if op.kind != "VAR_HANDLE"]
