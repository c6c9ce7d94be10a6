"""TFLM's tensor arena for a network, to be known before the network exists."""

from collections.abc import Sequence
from typing import NamedTuple

from kd_edge.cost.kernels import REFERENCE, scratch_bytes
from kd_edge.cost.memory.firmware_ram import starting_bytes
from kd_edge.cost.memory.persistent import (
    CMSIS_NN,
    HOST,
    MICROCONTROLLER,
    Layout,
    OpStructures,
    op_structures,
    persistent_bytes,
)
from kd_edge.cost.memory.planner import Lifetimes, aligned, lifetimes, planned_bytes
from kd_edge.cost.memory.subgraph_lifetimes import called_lifetimes
from kd_edge.cost.memory.timeline import memory_timeline
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Computed


class Arena(NamedTuple):
    """TFLM's tensor arena for one network.

    Attributes:
        persistent_bytes: Structures that live as long as the interpreter.
        nonpersistent_bytes: Activations and scratch buffers, planned by their lifetimes.
        starting_bytes: Both and the lists of the planner, while TFLM plans.
    """

    persistent_bytes: Computed[int]
    nonpersistent_bytes: Computed[int]
    starting_bytes: Computed[int]

    @property
    def arena_bytes(self) -> int:
        """Both parts."""
        return self.persistent_bytes + self.nonpersistent_bytes

    @property
    def needed_bytes(self) -> int:
        """The smallest arena in which TFLM starts and runs."""
        return max(self.persistent_bytes + self.nonpersistent_bytes, self.starting_bytes)


def arena_bytes(graph: Graph, *, pointer_bytes: int = 4, kernels: str = "reference") -> Arena:
    """Return the tensor arena that TFLM needs for a network.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
        kernels: Those that run it, by a name that `scratch_bytes` takes.
    """
    layout = layout_of(pointer_bytes, kernels)
    ops = [part.operands(op) for part in graph.all_subgraphs for op in part.ops]
    structures = [op_structures(op, layout) for op in ops]
    lives, scratch, num_scratch = _plan_of(graph, kernels)
    sizes = [aligned(tensor.num_bytes) for part in graph.all_subgraphs for tensor in part.tensors]
    return plan_arena(graph, lives, sizes, scratch, structures, layout, num_scratch=num_scratch)


def plan_arena(
    graph: Graph,
    lives: Lifetimes,
    sizes: Sequence[int],
    scratch: Sequence[tuple[int, int, int]],
    structures: Sequence[OpStructures],
    layout: Layout,
    *,
    num_scratch: int | None = None,
) -> Arena:
    """Return the arena of a network from what is known of its parts.

    Args:
        graph: The network.
        lives: When its activations live.
        sizes: Aligned bytes of all tensors.
        scratch: First step, last step and bytes of every scratch buffer that is planned.
        structures: What TFLM keeps for each op.
        layout: Sizes of TFLM's structures.
        num_scratch: How many scratch buffers are asked for. Defaults to those that are planned.
    """
    asked = len(scratch) if num_scratch is None else num_scratch
    persistent = persistent_bytes(graph, structures, layout, num_scratch=asked, states=lives.states)
    starting = starting_bytes(graph, persistent, layout, num_buffers=len(lives.first), num_scratch=asked)
    return Arena(persistent, planned_bytes(lives, sizes, scratch), starting)


def _plan_of(graph: Graph, kernels: str) -> tuple[Lifetimes, list[tuple[int, int, int]], int]:
    """Return when activations live, the scratch buffers that are planned, and how many are asked for."""
    asked = [
        (number, place, scratch_bytes(part.operands(op), op, kernels=kernels))
        for number, part in enumerate(graph.all_subgraphs)
        for place, op in enumerate(part.ops)
    ]
    num_scratch = sum(len(sizes) for _, _, sizes in asked)
    if graph.is_plain:
        planned = [(place + 1, place + 1, size) for _, place, sizes in asked for size in sizes]
        return lifetimes(graph), planned, num_scratch
    lives, spans = called_lifetimes(graph)
    # Buffers of ops that never run have no size when TFLM plans.
    known = [(spans[at[:2]], at[2]) for at in asked if at[:2] in spans]
    return lives, [(*span, size) for span, sizes in known for size in sizes], num_scratch


def layout_of(pointer_bytes: int, kernels: str) -> Layout:
    """Return the sizes of TFLM's structures; the arguments are those of `arena_bytes`."""
    return HOST if pointer_bytes == 8 else CMSIS_NN if kernels.startswith("cmsis-nn") else MICROCONTROLLER


def least_arena_bytes(graph: Graph, *, pointer_bytes: int = 4, kernels: str = "reference") -> int:
    """Return what no plan can go below: the persistent part, and the buffers that live at the same time.

    Unlike the greedy plan it never shrinks when a tensor grows, so that it bounds all networks of more channels.
    ESP-NN's scratch buffers do shrink: 4 channels are padded where 8 are worked on in strips. They do not count, but
    those of the reference kernels and of CMSIS-NN do, which grow with the channels.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
        kernels: Those that run it.
    """
    kernels = REFERENCE if kernels.startswith("esp-nn") else kernels
    live = max((step.live_bytes for step in memory_timeline(graph, kernels=kernels)), default=0)
    arena = arena_bytes(graph, pointer_bytes=pointer_bytes, kernels=kernels)
    return max(arena.persistent_bytes + live, arena.starting_bytes)
