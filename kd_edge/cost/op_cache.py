"""What single ops and tensors add to a network's cost, remembered: the candidates of a search share nearly all."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.file_size import op_flash_bytes, tensor_flash_bytes
from kd_edge.cost.kernels import depends_on_options, scratch_bytes
from kd_edge.cost.latency import dtype_of_macs, op_latency_ms
from kd_edge.cost.memory.persistent import Layout, OpStructures, op_structures
from kd_edge.cost.memory.planner import aligned
from kd_edge.ir.graph import Graph, Op, Tensor
from tflite_bench.model.operators.work import macs_of
from tflite_bench.model.runtime_support import op_refusal

_Reader = Callable[[Sequence[int]], object]
# About 1 kB each; a search sees a few thousand.
_MAX_KEPT = 2**15


class TensorFacts(NamedTuple):
    """What one tensor adds to the cost of its network.

    Attributes:
        flash_bytes: Its bytes in the file.
        arena_bytes: Its bytes in the plan of the arena, if it is an activation.
        params: How many parameters it holds.
        number: Tells it from other tensors; equal ones share it.
    """

    flash_bytes: int
    arena_bytes: int
    params: int
    number: int


class OpFacts(NamedTuple):
    """What one op adds to the cost of its network.

    Attributes:
        macs: Multiply-accumulate operations.
        latency_ms: Its part of the latency.
        flash_bytes: Its own table in the file, without tensors.
        scratch: Bytes of each scratch buffer.
        structures: What TFLM keeps for it.
        refusal: Why the device's runtime refuses it.
        computes_in: The dtype of what it works on, where it has MACs; empty where it has none.
    """

    macs: int | None
    latency_ms: float
    flash_bytes: int
    scratch: tuple[int, ...]
    structures: OpStructures
    refusal: str | None
    computes_in: str


class Facts(NamedTuple):
    """The facts of a network's tensors and ops in columns, in the graph's order; see `TensorFacts` and `OpFacts`."""

    tensor_flash_bytes: tuple[int, ...]
    arena_bytes: tuple[int, ...]
    params: tuple[int, ...]
    macs: tuple[int | None, ...]
    latency_ms: tuple[float, ...]
    op_flash_bytes: tuple[int, ...]
    scratch: tuple[tuple[int, ...], ...]
    structures: tuple[OpStructures, ...]
    refusals: tuple[str | None, ...]
    computes_in: tuple[str, ...]


# The number of an optional input that an op does without.
_ABSENT = -1


class OpCache:
    """Looks up what tensors and ops add to a cost, and works it out once.

    An op's part depends on its kind, its tensors and its flags alone, but for some kernels on its strides and dilations
    too.

    Args:
        device: The board.
        layout: Sizes of TFLM's structures there.
        kernels: Those that run it; see `kernels_of`.
    """

    def __init__(self, device: DeviceProfile, layout: Layout, kernels: str) -> None:
        self._device, self._layout, self._kernels = device, layout, kernels
        self._with_options = depends_on_options(kernels)
        self._tensors: dict[Tensor, TensorFacts] = {}
        self._ops: dict[tuple[object, ...], OpFacts] = {}

    def look_up(self, graph: Graph) -> Facts:
        """Return the facts of a network."""
        if len(self._tensors) + len(self._ops) > _MAX_KEPT:
            self._tensors.clear()
            self._ops.clear()
        try:
            tensors = [self._tensors[tensor] for tensor in graph.tensors]
        except KeyError:
            tensors = [self._tensors.get(tensor) or self._add_tensor(tensor) for tensor in graph.tensors]
        flash_bytes, arena_bytes, params, numbers = zip(*tensors, strict=True) if tensors else [()] * 4
        # The last place is that of the index -1.
        at = (*numbers, _ABSENT)
        keys: list[tuple[object, ...]] = [(own, read(at)) for own, read in _readers(graph.ops, self._with_options)]
        try:
            ops = [self._ops[key] for key in keys]
        except KeyError:
            pairs = zip(keys, graph.ops, strict=True)
            ops = [self._ops.get(key) or self._add_op(key, graph, op) for key, op in pairs]
        return Facts(flash_bytes, arena_bytes, params, *(zip(*ops, strict=True) if ops else [()] * 7))

    def _add_tensor(self, tensor: Tensor) -> TensorFacts:
        size = aligned(tensor.num_bytes)
        facts = TensorFacts(tensor_flash_bytes(tensor), size, tensor.num_params, len(self._tensors))
        return self._tensors.setdefault(tensor, facts)

    def _add_op(self, key: tuple[object, ...], graph: Graph, op: Op) -> OpFacts:
        operands = graph.operands(op)
        facts = OpFacts(
            macs=macs_of(operands),
            latency_ms=op_latency_ms(operands, self._device),
            flash_bytes=op_flash_bytes(op),
            scratch=scratch_bytes(operands, op, kernels=self._kernels),
            structures=op_structures(operands, self._layout),
            refusal=op_refusal(operands) if self._device.runs_tflm else None,
            computes_in=dtype_of_macs(operands),
        )
        return self._ops.setdefault(key, facts)


# The candidates of a search have few structures: they differ in sizes.
@lru_cache(maxsize=1 << 12)
def _readers(
    ops: tuple[Op, ...], with_options: bool
) -> tuple[tuple[tuple[object, ...], Callable[[Sequence[int]], object]], ...]:
    """Return for each op what its facts depend on beside its tensors, and what picks the numbers of these."""
    options = [(op.strides, op.dilations) if with_options else () for op in ops]
    return tuple(
        ((op.kind, len(op.inputs), op.flags, *more), itemgetter(-1, *op.inputs, *op.outputs))
        for op, more in zip(ops, options, strict=True)
    )
