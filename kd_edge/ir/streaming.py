"""A network over a window of time as one over a step of a few frames, with ring buffers for what it has seen before.

The first axis of a sample is time. Fed with a window step by step, the network of a step gives in the end what the
network of the window gives: each layer that reaches over several positions finds those of the steps before in a ring
buffer. In steps and windows alike the last position is the newest one, so that a window whose length is no multiple of
a step's may be filled up in front, with anything. Source of the idea: Rybakov et al., arXiv 2005.06720.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.blueprint import Blueprint
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.step_maker import StepMaker, StrideError, window_of

# Of a variable and of what it begins with, in the second subgraph.
_NAMES_OF_RING = 36


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
        layers = ["ring" if i is None else names[i] for i in self.sources] if names else []
        return _with_variables(self.blueprint.to_graph(layers))


def least_frames(blueprint: Blueprint, names: Sequence[str] = ()) -> int:
    """Return the fewest frames that a step can have: those that the network strides over for one position.

    Args:
        blueprint: The network of a window.
        names: Of its layers, by their nodes, for messages.
    """
    window = window_of(blueprint)
    for frames in range(1, window):
        try:
            stream(blueprint, frames, names)
        except StrideError:
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
    window = window_of(blueprint)
    if frames < 1 or frames > window:
        raise ConfigError(f"bad number of frames in a step: expected 1 to {window}, the window's, received {frames}")
    maker = StepMaker(blueprint, frames, names)
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
