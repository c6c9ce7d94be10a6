"""What single ops and tensors add to a network's cost, remembered: the candidates of a search share nearly all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kd_edge.devices import DeviceProfile
from kd_edge.flash import op_flash_bytes, tensor_flash_bytes
from kd_edge.graph import Graph, Op, Tensor, macs_of
from kd_edge.latency import op_latency_ms
from kd_edge.planner import aligned, scratch_bytes
from kd_edge.structures import Layout, OpStructures, op_structures

# About 1 kB each; a search sees a few thousand.
_MAX_KEPT = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class TensorFacts:
    """What one tensor adds to the cost of its network; one object for all tensors of a shape and dtype.

    Attributes:
        flash_bytes: Its bytes in the file.
        arena_bytes: Its bytes in the plan of the arena, if it is an activation.
        params: How many parameters it holds.
    """

    flash_bytes: int
    arena_bytes: int
    params: int


class OpFacts(NamedTuple):
    """What one op adds to the cost of its network.

    Attributes:
        macs: Multiply-accumulate operations.
        latency_ms: Its part of the latency.
        flash_bytes: Its own table in the file, without tensors.
        scratch: Bytes of each scratch buffer.
        structures: What TFLM keeps for it.
    """

    macs: int
    latency_ms: float
    flash_bytes: int
    scratch: tuple[int, ...]
    structures: OpStructures


# Stands for an optional input that an op does without.
_ABSENT = TensorFacts(0, 0, 0)


class FactBook:
    """Looks up what tensors and ops add to a cost, and works it out once.

    An op's part depends on its kind and the shapes and dtypes of its tensors alone, not on its options.

    Args:
        device: The board.
        layout: Sizes of TFLM's structures there.
        kernels: `"reference"` or `"cmsis-nn"`.
    """

    def __init__(self, device: DeviceProfile, layout: Layout, kernels: str) -> None:
        self._device, self._layout, self._kernels = device, layout, kernels
        self._tensors: dict[Tensor, TensorFacts] = {}
        self._ops: dict[tuple[object, ...], OpFacts] = {}

    def look_up(self, graph: Graph) -> tuple[list[TensorFacts], list[OpFacts]]:
        """Return the facts of a network's tensors and of its ops, both in the graph's order."""
        if len(self._tensors) + len(self._ops) > _MAX_KEPT:
            self._tensors.clear()
            self._ops.clear()
        try:
            tensors = [self._tensors[tensor] for tensor in graph.tensors]
        except KeyError:
            tensors = [self._tensors.setdefault(tensor, _tensor_facts(tensor)) for tensor in graph.tensors]
        # The last place is that of the index -1.
        at = [*tensors, _ABSENT]
        keys = [(op[0], len(op[1]), *[at[i] for i in op[1]], *[at[i] for i in op[2]]) for op in graph.ops]
        try:
            return tensors, [self._ops[key] for key in keys]
        except KeyError:
            pairs = zip(keys, graph.ops, strict=True)
            return tensors, [self._ops.setdefault(key, self._op_facts(graph.tensors, op)) for key, op in pairs]

    def _op_facts(self, tensors: Sequence[Tensor], op: Op) -> OpFacts:
        return OpFacts(
            macs=macs_of(tensors, op),
            latency_ms=op_latency_ms(tensors, op, self._device),
            flash_bytes=op_flash_bytes(op),
            scratch=scratch_bytes(tensors, op, kernels=self._kernels),
            structures=op_structures(tensors, op, self._layout),
        )


def _tensor_facts(tensor: Tensor) -> TensorFacts:
    return TensorFacts(tensor_flash_bytes(tensor), aligned(tensor.num_bytes), tensor.num_params)
