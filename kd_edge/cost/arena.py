"""TFLM's tensor arena for a network, to be known before the network exists."""

from dataclasses import dataclass

from kd_edge.cost.kernels import scratch_bytes
from kd_edge.cost.memory_planner import aligned, lifetimes, memory_timeline, planned_bytes
from kd_edge.cost.persistent_memory import CMSIS_NN, HOST, MICROCONTROLLER, Layout, op_structures, persistent_bytes
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Computed


@dataclass(frozen=True, slots=True)
class Arena:
    """TFLM's tensor arena for one network.

    Attributes:
        persistent_bytes: Structures that live as long as the interpreter.
        nonpersistent_bytes: Activations and scratch buffers, planned by their lifetimes.
    """

    persistent_bytes: Computed[int]
    nonpersistent_bytes: Computed[int]

    @property
    def arena_bytes(self) -> int:
        """Both parts."""
        return self.persistent_bytes + self.nonpersistent_bytes


def arena_bytes(graph: Graph, *, pointer_bytes: int = 4, kernels: str = "reference") -> Arena:
    """Return the tensor arena that TFLM needs for a network.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
        kernels: Those that run it, by a name that `scratch_bytes` takes.
    """
    layout = layout_of(pointer_bytes, kernels)
    ops = [(graph.operands(op), op) for op in graph.ops]
    scratch = [(step, size) for step, op in enumerate(ops, start=1) for size in scratch_bytes(*op, kernels=kernels)]
    structures = [op_structures(operands, layout) for operands, _ in ops]
    lives = lifetimes(graph)
    persistent = persistent_bytes(graph, structures, layout, num_scratch=len(scratch), states=lives.states)
    sizes = [aligned(tensor.num_bytes) for tensor in graph.tensors]
    return Arena(persistent, planned_bytes(lives, sizes, scratch))


def layout_of(pointer_bytes: int, kernels: str) -> Layout:
    """Return the sizes of TFLM's structures; the arguments are those of `arena_bytes`."""
    return HOST if pointer_bytes == 8 else CMSIS_NN if kernels.startswith("cmsis-nn") else MICROCONTROLLER


def least_arena_bytes(graph: Graph, *, pointer_bytes: int = 4, kernels: str = "reference") -> int:
    """Return what no plan can go below: the persistent part, and the buffers that live at the same time.

    Unlike the greedy plan it never shrinks when a tensor grows, so that it bounds all networks of more channels.

    Args:
        graph: The network.
        pointer_bytes: 4 for a microcontroller, 8 for a 64-bit host.
        kernels: Those that run it.
    """
    live = max((step.live_bytes for step in memory_timeline(graph, kernels=kernels)), default=0)
    return arena_bytes(graph, pointer_bytes=pointer_bytes, kernels=kernels).persistent_bytes + live
