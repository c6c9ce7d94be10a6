"""Everything that a network costs on a device, computed from its graph."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from kd_edge.cost.arena import arena_bytes, layout_of, least_arena_bytes
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.file_size import file_bytes
from kd_edge.cost.kernels import kernels_of
from kd_edge.cost.latency import inference_ms, latency_ms, why_unknown
from kd_edge.cost.memory_planner import MemoryStep, lifetimes, memory_timeline, planned_bytes
from kd_edge.cost.op_cache import OpCache
from kd_edge.cost.persistent_memory import persistent_bytes
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Calibrated, Computed

_LATENCIES = ("latency_ms", "latency_low_ms", "latency_high_ms")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one network needs on one device beside time; every figure is computed, none measured.

    Attributes:
        macs: Multiply-accumulate operations of one inference.
        params: Weights, biases and other stored numbers; see `Graph.params`.
        flash_bytes: Size of the `.tflite` file.
        arena_bytes: Tensor arena of TFLM: the sum of the next two. Where the release of the kernels is not known it is
            that of the release that needs most.
        arena_persistent_bytes: Structures that TFLM keeps for tensors and ops.
        arena_nonpersistent_bytes: Activations, planned by lifetime.
    """

    macs: Computed[int]
    params: Computed[int]
    flash_bytes: Computed[int]
    arena_bytes: Computed[int]
    arena_persistent_bytes: Computed[int]
    arena_nonpersistent_bytes: Computed[int]

    def excess(self, budget: Budget) -> dict[str, float]:
        """Return by how much each broken limit is exceeded; empty when none is known to be.

        Returns:
            The amount over the limit, by the limit's name in `Budget` (bytes or milliseconds).
        """
        over = {"flash_bytes": self.flash_bytes - budget.flash_bytes, "ram_bytes": self.arena_bytes - budget.ram_bytes}
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

        The latency counts with the end of its interval that `Budget.latency_at` names.
        """
        over = Sizes.excess(self, budget)
        if (limit_ms := budget.latency_ms) is not None:
            needs_ms = self.latency_high_ms if budget.latency_at == "upper" else self.latency_ms
            if needs_ms > limit_ms:
                over["latency_ms"] = needs_ms - limit_ms
        return over

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
        """Return whether all limits are known to be kept: one of the latency never is."""
        return budget.latency_ms is None and not self.excess(budget)


@dataclass(frozen=True, slots=True)
class OpCost:
    """What one op of a network costs on one device.

    Attributes:
        index: Position of the op.
        op: Its kind, e.g. `"CONV_2D"`.
        macs: Multiply-accumulate operations.
        latency_ms: Its part of the latency, `None` where that is not known.
        live_bytes: Activations and scratch buffers that live while it runs.
        peak: Whether no op has more alive.
        output_shape: Dimensions of its first output.
        layer: The layer that made it, where the file names one.
    """

    index: Computed[int]
    op: str
    macs: Computed[int]
    latency_ms: Calibrated[float] | None
    live_bytes: Computed[int]
    peak: bool
    output_shape: Computed[tuple[int, ...]]
    layer: str | None = None


class CostModel:
    """Computes the cost of networks on one device, without TensorFlow.

    Args:
        device: The board. `load_device("nucleo-l4r5zi")` gives one.
    """

    def __init__(self, device: DeviceProfile) -> None:
        self.device = device
        self._least_kernels, self._kernels = kernels_of(device)
        self._layout = layout_of(device.pointer_bytes, self._kernels)
        self._book = OpCache(device, self._layout, self._kernels)
        self._spread = 1 + device.error_percent / 100

    def estimate(self, graph: Graph) -> Cost:
        """Return the cost of one network.

        Args:
            graph: The network as the converter will emit it, from `Blueprint.to_graph()` or `lower()`.

        Raises:
            ConfigError: The device's profile has no costs for the network's numbers; `estimate_known` returns the rest.
        """
        facts = self._book.look_up(graph)
        scratch = [(step, size) for step, sizes in enumerate(facts.scratch, start=1) for size in sizes]
        lives = lifetimes(graph)
        persistent = persistent_bytes(
            graph, facts.structures, self._layout, num_scratch=len(scratch), states=lives.states
        )
        nonpersistent = planned_bytes(lives, facts.arena_bytes, scratch)
        latency_ms = sum(facts.latency_ms) + inference_ms(graph, self.device)
        return Cost(
            macs=sum(facts.macs),
            params=sum(facts.params),
            flash_bytes=file_bytes(graph, sum(facts.tensor_flash_bytes) + sum(facts.op_flash_bytes)),
            arena_bytes=persistent + nonpersistent,
            arena_persistent_bytes=persistent,
            arena_nonpersistent_bytes=nonpersistent,
            latency_ms=latency_ms,
            latency_low_ms=latency_ms / self._spread,
            latency_high_ms=latency_ms * self._spread,
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
        sizes = asdict(CostModel(device).estimate(graph)) | dict.fromkeys(_LATENCIES)
        return UntimedCost(**sizes), dict.fromkeys(_LATENCIES, reason)

    @property
    def kernels_known(self) -> bool:
        """Whether the scratch buffers of the runtime's kernels are known, and not an interval."""
        return self._kernels == self._least_kernels

    def arena_of_leanest_kernels(self, graph: Graph) -> int:
        """Return the arena with the release of the runtime's kernels that needs least; `arena_bytes` is the most.

        Args:
            graph: The network as the converter will emit it.
        """
        return arena_bytes(graph, pointer_bytes=self.device.pointer_bytes, kernels=self._least_kernels).arena_bytes

    def least_arena_bytes(self, graph: Graph) -> int:
        """Return what no plan of the arena can go below, not even that of a network with more channels.

        Args:
            graph: The network as the converter will emit it.
        """
        return least_arena_bytes(graph, pointer_bytes=self.device.pointer_bytes, kernels=self._kernels)

    def timeline(self, graph: Graph) -> tuple[MemoryStep, ...]:
        """Return what lives in the arena while each op runs: how many bytes, and which tensors.

        Args:
            graph: The network as the converter will emit it.
        """
        return memory_timeline(graph, kernels=self._kernels)

    def per_op(self, graph: Graph, layers: Sequence[str] = ()) -> tuple[OpCost, ...]:
        """Return what every op of a network costs, in the order of execution.

        Args:
            graph: The network as the converter will emit it.
            layers: The layer that made each op, where they are known.
        """
        known = why_unknown(graph, self.device) is None
        latencies = latency_ms(graph, self.device).per_op if known else [None] * len(graph.ops)
        steps = self.timeline(graph)
        names: Sequence[str | None] = layers or [None] * len(graph.ops)
        shapes = [graph.tensors[op.outputs[0]].shape if op.outputs else () for op in graph.ops]
        return tuple(
            OpCost(step.index, op.kind, graph.macs(op), latency, step.live_bytes, step.peak, shape, layer)
            for op, latency, step, shape, layer in zip(graph.ops, latencies, steps, shapes, names, strict=True)
        )
