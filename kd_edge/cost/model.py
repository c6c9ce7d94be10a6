"""Everything that a network costs on a device, computed from its graph."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.file_size import file_bytes, flash_ends
from kd_edge.cost.kernels import kernels_of
from kd_edge.cost.latency import inference_ms, latency_ms, per_op_ms, why_unknown
from kd_edge.cost.memory.arena import Arena, arena_bytes, layout_of, least_arena_bytes, plan_arena
from kd_edge.cost.memory.firmware_ram import reserved_bytes
from kd_edge.cost.memory.planner import lifetimes
from kd_edge.cost.memory.timeline import MemoryStep, memory_timeline
from kd_edge.cost.op_cache import Facts, OpCache
from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph
from tflite_bench.model.runtime_support import Refusal, op_refusal
from tflite_bench.provenance import Calibrated, Computed

_LATENCIES = ("latency_ms", "latency_low_ms", "latency_high_ms")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one network needs on one device beside time; every figure is computed, none measured.

    Attributes:
        macs: Multiply-accumulate operations of one inference; `None` where nobody knows those of an op.
        params: Weights, biases and other stored numbers; see `Graph.params`.
        flash_bytes: Size of the `.tflite` file.
        ram_bytes: RAM that the firmware reserves for it, held against the limit: what TFLM needs to start and to run,
            and a margin; see `firmware_ram`. Where the release of the kernels is not known it is that of the release
            that needs most, as are the next.
        arena_bytes: Tensor arena of TFLM while it runs: the sum of the next two.
        arena_persistent_bytes: Structures that TFLM keeps for tensors and ops.
        arena_nonpersistent_bytes: Activations, planned by lifetime.
        refusals: What the runtime refuses of it.
    """

    macs: Computed[int | None]
    params: Computed[int]
    flash_bytes: Computed[int]
    ram_bytes: Computed[int]
    arena_bytes: Computed[int]
    arena_persistent_bytes: Computed[int]
    arena_nonpersistent_bytes: Computed[int]
    refusals: tuple[Refusal, ...] = field(default=(), kw_only=True)

    @property
    def known_macs(self) -> int:
        """The multiply-accumulates of a network whose ops all are known, as those of a search are.

        Raises:
            ModelError: Those of an op are not.
        """
        if self.macs is None:
            raise ModelError("cannot count multiply-accumulates: nobody knows those of an op")
        return self.macs

    def excess(self, budget: Budget) -> dict[str, float]:
        """Return by how much each broken limit is exceeded; empty when none is known to be.

        Returns:
            The amount over the limit, by the limit's name in `Budget` (bytes or milliseconds), and as `refusals` how
            much the runtime refuses.
        """
        over = {
            "flash_bytes": self.flash_bytes - budget.flash_bytes,
            "ram_bytes": self.ram_bytes - budget.ram_bytes,
            "refusals": len(self.refusals),
        }
        return {name: amount for name, amount in over.items() if amount > 0}


@dataclass(frozen=True, slots=True)
class Cost(Sizes):
    """What one network costs on one device; every figure is computed, none measured.

    Attributes:
        latency_ms: Time of one inference.
        latency_low_ms: Lower end of the interval that the device's profile claims.
        latency_high_ms: Upper end of that interval.
    """

    latency_ms: Calibrated[float]
    latency_low_ms: Calibrated[float]
    latency_high_ms: Calibrated[float]

    def excess(self, budget: Budget) -> dict[str, float]:
        """Return by how much each limit is exceeded; empty when the network is proven to fit.

        The latency counts with the end of its interval that `Budget.latency_at` names; an energy by the time in which
        the board takes it, in milliseconds.
        """
        needs_ms = self.latency_high_ms if budget.latency_at == "upper" else self.latency_ms
        late = {name: needs_ms - limit_ms for name, limit_ms in budget.times_ms.items() if needs_ms > limit_ms}
        return Sizes.excess(self, budget) | late

    def fits(self, budget: Budget) -> bool:
        """Return whether no limit of the budget is exceeded."""
        return not self.excess(budget)


@dataclass(frozen=True, slots=True)
class UntimedCost(Sizes):
    """What one network costs on a device whose profile has no costs for the numbers that it computes in."""

    latency_ms: None = None
    latency_low_ms: None = None
    latency_high_ms: None = None

    def fits(self, budget: Budget) -> bool:
        """Return whether all limits are known to be kept: one of the latency or the energy never is."""
        return not budget.times_ms and not self.excess(budget)


@dataclass(frozen=True, slots=True)
class OpCost:
    """What one op of a network costs on one device.

    Attributes:
        index: Position of the op.
        op: Its kind, e.g. `"CONV_2D"`.
        macs: Multiply-accumulate operations; `None` where nobody knows them.
        latency_ms: Its part of the latency, `None` where that is not known.
        live_bytes: Activations and scratch buffers that live while it runs.
        peak: Whether no op has more alive.
        output_shape: Dimensions of its first output.
        layer: The layer that made it, where the file names one.
    """

    index: Computed[int]
    op: str
    macs: Computed[int | None]
    latency_ms: Calibrated[float] | None
    live_bytes: Computed[int]
    peak: bool
    output_shape: Computed[tuple[int, ...]]
    layer: str | None = None


class CostModel:
    """Computes the cost of networks on one device, without TensorFlow.

    Args:
        device: The board. `load_device("nucleo-l4r5zi")` gives one.
        beside_bytes: What each file will hold beside its network, such as `metadata_bytes`; part of `flash_bytes`.
    """

    def __init__(self, device: DeviceProfile, *, beside_bytes: int = 0) -> None:
        self.device = device
        self._beside_bytes = beside_bytes
        self._least_kernels, self._kernels = kernels_of(device)
        self._layout = layout_of(device.pointer_bytes, self._kernels)
        self._book = OpCache(device, self._layout, self._kernels)
        self._spread = 1 + device.error_percent / 100

    def estimate(self, graph: Graph) -> Cost:
        """Return the cost of one network whose ops are known, as those of a search are.

        Where nobody knows the MACs of an op they are `None`, and the time is that of the rest; `estimate_known` gives
        none then.

        Args:
            graph: The network as the converter will emit it, from `Blueprint.to_graph()` or `lower()`.

        Raises:
            ConfigError: The device's profile has no costs for the network's numbers; `estimate_known` returns the rest.
            ModelError: Only the inference shows how often a loop runs; `estimate_known` returns the rest.
        """
        facts = self._book.look_up(graph)
        per_op = per_op_ms(graph, self.device) if graph.subgraphs else facts.latency_ms
        latency_ms = sum(per_op) + inference_ms(facts.computes_in, self.device)
        low_ms, high_ms = latency_ms / self._spread, latency_ms * self._spread
        return Cost(**self._sizes(graph, facts), latency_ms=latency_ms, latency_low_ms=low_ms, latency_high_ms=high_ms)

    def _sizes(self, graph: Graph, facts: Facts) -> dict[str, Any]:
        """Return the fields of `Sizes`."""
        persistent, nonpersistent, starting = self._arena(graph, facts)
        return {
            "macs": self._macs(graph, facts),
            "params": sum(facts.params) if graph.is_plain else graph.params,
            "flash_bytes": self._beside_bytes
            + file_bytes(graph, sum(facts.tensor_flash_bytes) + sum(facts.op_flash_bytes)),
            "ram_bytes": reserved_bytes(max(persistent + nonpersistent, starting)),
            "arena_bytes": persistent + nonpersistent,
            "arena_persistent_bytes": persistent,
            "arena_nonpersistent_bytes": nonpersistent,
            "refusals": self._refusals(graph, facts.refusals) if graph.subgraphs or any(facts.refusals) else (),
        }

    def _macs(self, graph: Graph, facts: Facts) -> int | None:
        try:
            return graph.total_macs if graph.subgraphs else sum(facts.macs)  # type: ignore[arg-type]
        except TypeError:
            return None

    def _arena(self, graph: Graph, facts: Facts) -> Arena:
        if not graph.is_plain:
            return arena_bytes(graph, pointer_bytes=self.device.pointer_bytes, kernels=self._kernels)
        scratch = [(step, step, size) for step, sizes in enumerate(facts.scratch, start=1) for size in sizes]
        return plan_arena(graph, lifetimes(graph), facts.arena_bytes, scratch, facts.structures, self._layout)

    def _refusals(self, graph: Graph, reasons: Sequence[str | None]) -> tuple[Refusal, ...]:
        parts = [(graph.ops, reasons)]
        if self.device.runs_tflm:
            parts += [(part.ops, [op_refusal(part.operands(op)) for op in part.ops]) for part in graph.subgraphs]
        return tuple(
            Refusal(op.kind, index, reason, number)
            for number, (ops, said) in enumerate(parts)
            for index, (op, reason) in enumerate(zip(ops, said, strict=True))
            if reason
        )

    def estimate_known(self, graph: Graph) -> tuple[Cost | UntimedCost, dict[str, str]]:
        """Return the cost of one network, and by their names why figures are `None`: the latencies, where unknown.

        Args:
            graph: The network, for example a float one on a device whose profile knows int8 alone.
        """
        reason = why_unknown(graph, self.device)
        if reason is None:
            return self.estimate(graph), {}
        # Flash and arena do not depend on what an op costs: with that of int8 they are the same.
        int8 = self.device.int8
        device = replace(self.device, int16=self.device.int16 or int8, float32=self.device.float32 or int8)
        known = CostModel(device, beside_bytes=self._beside_bytes)
        return UntimedCost(**known._sizes(graph, known._book.look_up(graph))), dict.fromkeys(_LATENCIES, reason)

    @property
    def kernels_known(self) -> bool:
        """Whether the scratch buffers of the runtime's kernels are known, and not an interval."""
        return self._kernels == self._least_kernels

    def ram_of_leanest_kernels(self, graph: Graph) -> int:
        """Return the RAM with the release of the runtime's kernels that needs least; `ram_bytes` is the most.

        Args:
            graph: The network as the converter will emit it.
        """
        return reserved_bytes(self.least_needed_arena_bytes(graph))

    def needed_arena_bytes(self, graph: Graph) -> int:
        """Return the smallest arena in which TFLM starts and runs on the device.

        Args:
            graph: The network as the converter will emit it.
        """
        return arena_bytes(graph, pointer_bytes=self.device.pointer_bytes, kernels=self._kernels).needed_bytes

    def least_needed_arena_bytes(self, graph: Graph) -> int:
        """Return the same with the release of the runtime's kernels that needs least.

        Args:
            graph: The network as the converter will emit it.
        """
        pointer_bytes = self.device.pointer_bytes
        return arena_bytes(graph, pointer_bytes=pointer_bytes, kernels=self._least_kernels).needed_bytes

    def flash_ends(self, graph: Graph, flash_bytes: int) -> tuple[int, int]:
        """Return the least and the most bytes that the file of a network may have; see `file_size.flash_ends`.

        Args:
            graph: The network.
            flash_bytes: What `estimate` computed.
        """
        return flash_ends(graph, flash_bytes, beside_bytes=self._beside_bytes)

    def least_ram_bytes(self, graph: Graph) -> int:
        """Return what no plan of the arena can go below, not even that of a network with more channels.

        Scratch buffers that may shrink with more channels are left out, see `least_arena_bytes`, and of the others
        those count of the release of the kernels that needs least.

        Args:
            graph: The network as the converter will emit it.
        """
        pointer_bytes = self.device.pointer_bytes
        return reserved_bytes(least_arena_bytes(graph, pointer_bytes=pointer_bytes, kernels=self._least_kernels))

    def timeline(self, graph: Graph) -> tuple[MemoryStep, ...]:
        """Return what lives in the arena while each op runs: how many bytes, and which tensors.

        Args:
            graph: The network as the converter will emit it.
        """
        return memory_timeline(graph, kernels=self._kernels)

    def per_op(self, graph: Graph) -> tuple[OpCost, ...]:
        """Return what every op of a network costs, in the order of execution.

        Args:
            graph: The network as the converter will emit it.
        """
        known = why_unknown(graph, self.device) is None
        latencies = latency_ms(graph, self.device).per_op if known else [None] * len(graph.ops)
        steps = self.timeline(graph)
        names: Sequence[str | None] = graph.layers or [None] * len(graph.ops)
        shapes = [graph.tensors[op.outputs[0]].shape if op.outputs else () for op in graph.ops]
        return tuple(
            OpCost(step.index, op.kind, graph.macs(op), latency, step.live_bytes, step.peak, shape, layer)
            for op, latency, step, shape, layer in zip(graph.ops, latencies, steps, shapes, names, strict=True)
        )
