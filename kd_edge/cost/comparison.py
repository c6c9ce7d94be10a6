"""What one network costs on many boards, the best of them first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.file_size import flash_ends
from kd_edge.cost.fit import cost_gates
from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, Gate, verdict_of
from kd_edge.cost.kernels import kernels_of, why_unbounded
from kd_edge.cost.latency import latency_ms
from kd_edge.cost.model import Cost, CostModel, Sizes, UntimedCost
from kd_edge.errors import ConfigError, ModelError
from kd_edge.ir.graph import Graph
from tflite_bench.model.runtime_support import Refusal
from tflite_bench.provenance import Calibrated, Computed, Given

_Sizes = dict[tuple[bool, int, str, str], tuple[Cost | UntimedCost, int]]
_ORDER = (HOLDS, NOT_PROVEN, BROKEN)


@dataclass(frozen=True, slots=True)
class BoardCost:
    """What a network costs on one board.

    Attributes:
        device: Name of the profile.
        board: Name of the board.
        runtime: The runtime with its release: the profile's, or the user's where that is another; see `for_runtime`.
        quality: How the costs of the profile were had.
        error_percent: Half width of its interval.
        verdict: One of `gate.VERDICTS`.
        fits: Whether all limits are proven to be kept.
        broken: The limits that are broken, by their names in `Budget`.
        open: Those of which neither is proven.
        flash_bytes: Size of the file.
        flash_left_bytes: What is left of the flash that the board leaves a model; negative where it is too little.
        ram_bytes: RAM that the firmware reserves for it.
        ram_left_bytes: What is left of the RAM that the board leaves a model.
        latency_ms: Time of one inference; `None` where it is not known.
        latency_low_ms: Lower end of its interval.
        latency_high_ms: Upper end.
        reason: Why the time is not known; empty where it is.
    """

    device: str
    board: str
    runtime: str
    quality: str
    error_percent: Given[float]
    verdict: str
    fits: bool
    broken: tuple[str, ...]
    open: tuple[str, ...]
    flash_bytes: Computed[int]
    flash_left_bytes: Computed[int]
    ram_bytes: Computed[int]
    ram_left_bytes: Computed[int]
    latency_ms: Calibrated[float | None]
    latency_low_ms: Calibrated[float | None]
    latency_high_ms: Calibrated[float | None]
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a network costs on many boards.

    Attributes:
        devices: The boards: those that it is proven to fit first, the fastest of equal ones first.
        num_fitting: How many it is proven to fit.
    """

    devices: tuple[BoardCost, ...]
    num_fitting: Computed[int]


def compare_boards(
    graph: Graph,
    devices: Iterable[DeviceProfile],
    budget_of: Callable[[DeviceProfile], Budget],
    *,
    file_bytes: int | None = None,
    refusals: Mapping[bool, tuple[Refusal, ...]] | None = None,
) -> Comparison:
    """Return what one network costs on many boards.

    Args:
        graph: The network.
        devices: The boards.
        budget_of: Returns the limits on a board.
        file_bytes: Size of the network's file where there is one.
        refusals: What TFLM, by `True`, and what other runtimes, by `False`, refuse of that file. Defaults to what rules
            tell of the graph.
    """
    sizes: _Sizes = {}
    rows = []
    for device in devices:
        cost, lean, unknown = _estimate(graph, device, sizes)
        cost = cost if file_bytes is None else replace(cost, flash_bytes=file_bytes)
        cost = cost if refusals is None else replace(cost, refusals=refusals[device.runs_tflm])
        ends = flash_ends(graph, cost.flash_bytes) if file_bytes is None else None
        budget, unbounded = budget_of(device), why_unbounded(graph, device)
        gates = cost_gates(
            cost, budget, device, least_ram_bytes=lean, flash_ends=ends, unbounded=unbounded, unknown=unknown
        )
        rows.append(_on_board(cost, device, gates, unknown))
    rows.sort(key=lambda row: (_ORDER.index(row.verdict), row.latency_ms is None, row.latency_ms or 0.0, row.device))
    return Comparison(tuple(rows), sum(row.fits for row in rows))


def _estimate(graph: Graph, device: DeviceProfile, sizes: _Sizes) -> tuple[Cost | UntimedCost, int, Mapping[str, str]]:
    """Return what a network costs on a board, its least RAM, and what is not known; sizes are computed once."""
    key = (device.runs_tflm, device.pointer_bytes, *kernels_of(device))
    if key not in sizes:
        model = CostModel(device)
        cost, _ = model.estimate_known(graph)
        sizes[key] = cost, cost.ram_bytes if model.kernels_known else model.ram_of_leanest_kernels(graph)
    cost, least_ram_bytes = sizes[key]
    known = {f.name: getattr(cost, f.name) for f in fields(Sizes)}
    try:
        latency = latency_ms(graph, device)
    except (ConfigError, ModelError) as error:
        return UntimedCost(**known), least_ram_bytes, {"latency_ms": str(error)}
    timed = Cost(**known, latency_ms=latency.ms, latency_low_ms=latency.low_ms, latency_high_ms=latency.high_ms)
    return timed, least_ram_bytes, {}


def _on_board(
    cost: Cost | UntimedCost, device: DeviceProfile, gates: Mapping[str, Gate], unknown: Mapping[str, str]
) -> BoardCost:
    verdict = verdict_of(gates.values())
    free = Budget.of(device)
    return BoardCost(
        device=device.name,
        board=device.board,
        runtime=device.runtime_title,
        quality=device.quality,
        error_percent=device.error_percent,
        verdict=verdict,
        fits=verdict == HOLDS,
        broken=tuple(limit for limit, gate in gates.items() if gate.verdict == BROKEN),
        open=tuple(limit for limit, gate in gates.items() if gate.verdict == NOT_PROVEN),
        flash_bytes=cost.flash_bytes,
        flash_left_bytes=free.flash_bytes - cost.flash_bytes,
        ram_bytes=cost.ram_bytes,
        ram_left_bytes=free.ram_bytes - cost.ram_bytes,
        latency_ms=cost.latency_ms,
        latency_low_ms=cost.latency_low_ms,
        latency_high_ms=cost.latency_high_ms,
        reason=unknown.get("latency_ms", ""),
    )
