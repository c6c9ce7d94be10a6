"""A cost report: what a network costs on a board, op by op, and whether that fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.fit import cost_gates
from kd_edge.cost.gate import BROKEN, HOLDS, Gate, verdict_of
from kd_edge.cost.kernels import why_unbounded
from kd_edge.cost.memory.timeline import MemoryStep
from kd_edge.cost.model import Cost, CostModel, OpCost, UntimedCost
from kd_edge.cost.runtime_size import RuntimeFlash, runtime_flash
from kd_edge.ir.graph import Graph
from tflite_bench.model.operators.registry import knows_memory
from tflite_bench.model.runtime_support import Refusal
from tflite_bench.provenance import Computed, Measured, Provenance


@dataclass(frozen=True)
class FileSize:
    """The size of the file itself; `None` where the network is none yet."""

    flash_bytes: Measured[int | None]


@dataclass(frozen=True)
class Remainder:
    """What the network leaves of the board; negative where the board has too little.

    Attributes:
        total_flash_low_bytes: The file and the least that the runtime's code may take; `None` under another runtime.
        total_flash_high_bytes: The file and the most that it may take.
        flash_left_low_bytes: The board's flash less the latter: what is left for the application at least.
        flash_left_high_bytes: The board's flash less the former.
        ram_left_bytes: The board's RAM less what the firmware reserves for the network.
    """

    total_flash_low_bytes: Computed[int | None]
    total_flash_high_bytes: Computed[int | None]
    flash_left_low_bytes: Computed[int | None]
    flash_left_high_bytes: Computed[int | None]
    ram_left_bytes: Computed[int]


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
        ram_low_bytes: The RAM with the release of the runtime's kernels that needs least; `ram_bytes` is that of the
            release that needs most.
        runtime_flash: What TFLM's code takes; `None` under another runtime.
        remainder: Flash of file and runtime together, and what is left of the board.
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
    ram_low_bytes: Computed[int]
    runtime_flash: RuntimeFlash | None
    remainder: Remainder
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
    graph: Graph,
    device: DeviceProfile,
    budget: Budget,
    *,
    file_bytes: int | None = None,
    refusals: tuple[Refusal, ...] | None = None,
) -> tuple[Cost | UntimedCost, CostReport]:
    """Return what a network costs, and whether it fits.

    Args:
        graph: The network.
        device: The board.
        budget: The limits.
        file_bytes: Size of its file where there is one: it is the network's size then, not the computed one.
        refusals: What the runtime refuses of its file where there is one. Defaults to what rules tell of the graph.
    """
    cost_model = CostModel(device)
    cost, unknown = cost_model.estimate_known(graph)
    kinds = [op.kind for part in graph.all_subgraphs for op in part.ops]
    if uncounted := _uncounted_code(kinds, device):
        unknown = {**unknown, "runtime_flash": uncounted}
    if cost.macs is None:
        unknown = {**unknown, "macs": graph.unknown_macs}
    cost = cost if file_bytes is None else replace(cost, flash_bytes=file_bytes)
    cost = cost if refusals is None else replace(cost, refusals=refusals)
    runtime = None if uncounted else runtime_flash(kinds)
    lean = cost.ram_bytes if cost_model.kernels_known else cost_model.ram_of_leanest_kernels(graph)
    unbounded = why_unbounded(graph, device)
    ends = cost_model.flash_ends(graph, cost.flash_bytes) if file_bytes is None else None
    gates = cost_gates(
        cost, budget, device, least_ram_bytes=lean, flash_ends=ends, unbounded=unbounded, unknown=unknown
    )
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
        ram_low_bytes=lean,
        runtime_flash=runtime,
        remainder=_remainder(cost, device, runtime),
        ops=tuple(cost_model.per_op(graph)),
        timeline=tuple(cost_model.timeline(graph)),
        unavailable_reason=unknown,
    )
    return cost, report


def _uncounted_code(kinds: Sequence[str], device: DeviceProfile) -> str:
    """Return why nobody knows the runtime's code; empty where it is known."""
    if not device.runs_tflm:
        return f"known of TFLM alone, and {device.name} has {device.runtime}"
    unknown = [kind for kind in dict.fromkeys(kinds) if not knows_memory(kind)]
    return f"nobody knows the code of TFLM's kernel for {', '.join(unknown)}" if unknown else ""


def _remainder(cost: Cost | UntimedCost, device: DeviceProfile, runtime: RuntimeFlash | None) -> Remainder:
    ram_left = device.ram_bytes - cost.ram_bytes
    if runtime is None:
        return Remainder(None, None, None, None, ram_left)
    low, high = cost.flash_bytes + runtime.low_bytes, cost.flash_bytes + runtime.high_bytes
    return Remainder(low, high, device.flash_bytes - high, device.flash_bytes - low, ram_left)
