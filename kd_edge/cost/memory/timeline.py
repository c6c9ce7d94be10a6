"""What lives in TFLM's arena while each op runs."""

from dataclasses import dataclass

from kd_edge.cost.kernels import scratch_bytes
from kd_edge.cost.memory.planner import aligned, lifetimes
from kd_edge.cost.memory.subgraph_lifetimes import called_lifetimes
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Computed


@dataclass(frozen=True, slots=True)
class MemoryStep:
    """What lives in the arena while one op runs.

    Attributes:
        index: Position of the op.
        op: Its kind.
        live_bytes: Bytes of all buffers that live, each aligned, the op's scratch buffers included.
        scratch_bytes: Bytes of the op's scratch buffers, aligned.
        tensors: Indices of the tensors that live, in the graph's order.
        peak: Whether no op needs more; the largest `live_bytes` of all is a lower bound of the plan.
    """

    index: Computed[int]
    op: str
    live_bytes: Computed[int]
    scratch_bytes: Computed[int]
    tensors: Computed[tuple[int, ...]]
    peak: bool


def memory_timeline(graph: Graph, *, kernels: str = "reference") -> tuple[MemoryStep, ...]:
    """Return what lives in TFLM's arena while each op runs.

    Args:
        graph: The network.
        kernels: Those that run it; see `kernels_of`.

    Returns:
        One step per op; that of an op that calls subgraphs has the most that lives in them. The plan may be a little
        larger than the largest step, since it is greedy.
    """
    if not graph.is_plain:
        called = called_lifetimes(graph)
        lives = called.lives
        spans = [called.spans[0, place] for place in range(len(graph.ops))]
    else:
        lives = lifetimes(graph)
        spans = [(step, step) for step in range(1, len(graph.ops) + 1)]
    first, last = lives.first, lives.last
    tensors = [tensor for part in graph.all_subgraphs for tensor in part.tensors]
    live = sorted(first)
    sizes = {index: aligned(tensors[index].num_bytes) for index in live}
    steps = []
    for op, (begin, end) in zip(graph.ops, spans, strict=True):
        held = tuple(index for index in live if first[index] <= begin <= last[index] and index < len(graph.tensors))
        scratch = sum(map(aligned, scratch_bytes(graph.operands(op), op, kernels=kernels)))
        most = max(sum(sizes[i] for i in live if first[i] <= at <= last[i]) for at in range(begin, end + 1))
        steps.append((op.kind, most + scratch, scratch, held))
    peak = max((total for _, total, _, _ in steps), default=0)
    return tuple(
        MemoryStep(index, kind, total, scratch, held, total == peak)
        for index, (kind, total, scratch, held) in enumerate(steps)
    )
