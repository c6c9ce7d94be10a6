"""A cost report: what a network costs on a board, op by op, and whether that fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.fit import cost_gates
from kd_edge.cost.gate import BROKEN, HOLDS, Gate, verdict_of
from kd_edge.cost.memory_planner import MemoryStep
from kd_edge.cost.model import Cost, CostModel, OpCost, UntimedCost
from kd_edge.cost.runtime_size import RuntimeFlash, runtime_flash
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Computed, Measured, Provenance


@dataclass(frozen=True)
class FileSize:
    """The size of the file itself; `None` where the network is none yet."""

    flash_bytes: Measured[int | None]


@dataclass(frozen=True)
class CostReport:
    """What a network costs on a board beside its `Cost`.

    Attributes:
        device: Name of the profile.
        runtime: Its runtime with the release.
        quality: How its costs were had.
        budget: The limits.
        measured: Size of the file.
        verdict: One of `gate.VERDICTS`: broken where a check is, else not proven where one is.
        fits: Whether all limits are proven to be kept.
        gates: The checks, by the limits' names in `Budget`.
        excess: By how much each broken limit is exceeded, in its unit, by its name in `Budget`.
        arena_low_bytes: The arena with the release of the runtime's kernels that needs least; `arena_bytes` is that of
            the release that needs most.
        runtime_flash: What TFLM's code takes; `None` under another runtime.
        ops: Each op's cost.
        timeline: What lives in the arena while each op runs.
        unavailable_reason: Why a figure is not known, by its name.
    """

    device: str
    runtime: str
    quality: str
    budget: Budget
    measured: FileSize
    verdict: str
    fits: bool
    gates: Annotated[Mapping[str, Gate], Provenance("computed", (("latency_ms", "calibrated"),))]
    excess: Annotated[Mapping[str, float], Provenance("computed", (("latency_ms", "calibrated"),))]
    arena_low_bytes: Computed[int]
    runtime_flash: RuntimeFlash | None
    ops: tuple[OpCost, ...]
    timeline: tuple[MemoryStep, ...]
    unavailable_reason: Mapping[str, str]


def exceeded(gates: Mapping[str, Gate]) -> dict[str, float]:
    """Return by how much each broken limit is exceeded."""
    return {
        name: gate.measured - gate.limit
        for name, gate in gates.items()
        if gate.verdict == BROKEN and gate.measured is not None and gate.limit is not None
    }


def report_cost(
    graph: Graph, device: DeviceProfile, budget: Budget, *, file_bytes: int | None = None, layers: Sequence[str] = ()
) -> tuple[Cost | UntimedCost, CostReport]:
    """Return what a network costs, and whether it fits.

    Args:
        graph: The network.
        device: The board.
        budget: The limits.
        file_bytes: Size of its file where there is one: then that has to fit, and not the computed size.
        layers: The layer that made each op, where they are known.
    """
    cost_model = CostModel(device)
    cost, unknown = cost_model.estimate_known(graph)
    if not device.runs_tflm:
        unknown = {**unknown, "runtime_flash": f"known of TFLM alone, and {device.name} has {device.runtime}"}
    known = cost if file_bytes is None else replace(cost, flash_bytes=file_bytes)
    lean = cost.arena_bytes if cost_model.kernels_known else cost_model.arena_of_leanest_kernels(graph)
    gates = cost_gates(known, budget, device, least_arena_bytes=lean, unknown=unknown)
    verdict = verdict_of(gates.values())
    report = CostReport(
        device=device.name,
        runtime=device.runtime_title,
        quality=device.quality,
        budget=budget,
        measured=FileSize(file_bytes),
        verdict=verdict,
        fits=verdict == HOLDS,
        gates=gates,
        excess=exceeded(gates),
        arena_low_bytes=lean,
        runtime_flash=runtime_flash(op.kind for op in graph.ops) if device.runs_tflm else None,
        ops=tuple(cost_model.per_op(graph, layers)),
        timeline=tuple(cost_model.timeline(graph)),
        unavailable_reason=unknown,
    )
    return cost, report
