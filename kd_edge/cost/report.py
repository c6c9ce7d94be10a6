"""A cost report: what a network costs on a board, op by op, and whether that fits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.memory_timeline import MemoryStep
from kd_edge.cost.model import Cost, CostModel, OpCost, UntimedCost
from kd_edge.cost.runtime_size import RuntimeFlash, runtime_flash
from kd_edge.ir.graph import Graph
from tflite_bench.provenance import Measured, Provenance


@dataclass(frozen=True)
class FileSize:
    """The size of the file itself; `None` where the network is none yet."""

    flash_bytes: Measured[int | None]


@dataclass(frozen=True)
class CostReport:
    """What a network costs on a board beside its `Cost`.

    Attributes:
        device: Name of the board.
        budget: The limits.
        measured: Size of the file.
        fits: Whether all limits are known to be kept.
        excess: By how much each broken limit is exceeded, in its unit, by its name in `Budget`.
        runtime_flash: What TFLM's code takes; `None` under another runtime.
        ops: Each op's cost.
        timeline: What lives in the arena while each op runs.
        unavailable_reason: Why a figure is not known, by its name.
    """

    device: str
    budget: Budget
    measured: FileSize
    fits: bool
    excess: Annotated[Mapping[str, float], Provenance("computed", (("latency_ms", "calibrated"),))]
    runtime_flash: RuntimeFlash | None
    ops: tuple[OpCost, ...]
    timeline: tuple[MemoryStep, ...]
    unavailable_reason: Mapping[str, str]


def report_cost(
    graph: Graph, device: DeviceProfile, budget: Budget, *, file_bytes: int | None = None
) -> tuple[Cost | UntimedCost, CostReport]:
    """Return what a network costs, and whether it fits.

    Args:
        graph: The network.
        device: The board.
        budget: The limits.
        file_bytes: Size of its file where there is one: then that has to fit, and not the computed size.
    """
    cost_model = CostModel(device)
    cost, unknown = cost_model.estimate_known(graph)
    if not device.runs_tflm:
        unknown = {**unknown, "runtime_flash": f"known of TFLM alone, and {device.name} has {device.runtime}"}
    known = cost if file_bytes is None else replace(cost, flash_bytes=file_bytes)
    report = CostReport(
        device=device.name,
        budget=budget,
        measured=FileSize(file_bytes),
        fits=known.fits(budget),
        excess=known.excess(budget),
        runtime_flash=runtime_flash(op.kind for op in graph.ops) if device.runs_tflm else None,
        ops=tuple(cost_model.per_op(graph)),
        timeline=tuple(cost_model.timeline(graph)),
        unavailable_reason=unknown,
    )
    return cost, report
