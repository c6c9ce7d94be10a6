"""The verdict of each cell: the file of its student in the real runtimes, against its budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kd_edge.cost.gate import BROKEN, HOLDS, Gate, at_most
from kd_edge.reporting.documents import measured_by
from kd_edge.search.results import Candidate, budget_shares, pareto_front
from kd_edge.stages.context import MODEL
from kd_edge.stages.store import stage_key
from kd_edge.sweep.cells import Cell
from kd_edge.sweep.results import BELOW, INFEASIBLE, NOT_SHOWN, REACHED, CellResult
from kd_edge.sweep.screening import Feasible, Infeasible
from kd_edge.sweep.students import StudentContext
from kd_edge.verification.results import Verification

_FIGURES = ("accuracy", "latency_ms", "ram_bytes", "flash_bytes", "macs", "energy", "teacher_loss")


def verify_cells(context: StudentContext, cells: Sequence[Feasible], converted: str) -> dict[str, Verification]:
    """Return what a student's file is worth in each of its cells; the runtimes run it once.

    Args:
        context: Of the student, whose file is there.
        cells: Those that chose it.
        converted: Digest of the file.
    """
    wanted, known = context.config.verify, {}
    shape, cells_asked = (wanted, measured_by()), [own.cell for own in cells]
    keys = {cell.name: stage_key(converted, "verify", *shape, cell.device, cell.budget) for cell in cells_asked}
    for name, key in keys.items():
        kept = context.store.load(f"cells/{name}", key, Verification)
        if kept is not None:
            known[name] = kept.result
    missing = [own.cell for own in cells if own.cell.name not in known]
    if missing:
        from kd_edge.verification.observation import observe
        from kd_edge.verification.verifier import judge

        content = (context.store.folder / MODEL).read_bytes()
        observed = observe(content, context.data, student=context.student, teacher=context.teacher_network)
        for cell in missing:
            found = judge(
                observed,
                device=cell.device,
                budget=cell.budget,
                max_accuracy_loss=wanted.max_accuracy_loss,
                max_teacher_loss=wanted.max_teacher_loss,
            )
            known[cell.name] = context.store.save(f"cells/{cell.name}", keys[cell.name], found).result
    return known


def cell_result(
    own: Feasible, student: str, found: Verification, candidates: Sequence[Candidate], limit: float | None
) -> CellResult:
    """Return a cell with its student.

    Args:
        own: The cell, and what the screening said.
        student: Name of its student.
        found: The verification of the student's file.
        candidates: Those that fit the cell, best first.
        limit: Largest accepted loss against the teacher; `None` is held against 0.
    """
    cell, cost = own.cell, found.predicted
    used = replace(cost, flash_bytes=found.measured.flash_bytes, ram_bytes=found.ram_bytes)
    shares = budget_shares(used, cell.budget)
    reasons = {name: why for name, why in found.unavailable_reason.items() if name in _FIGURES}
    loss = _teacher_loss(found, limit)
    if loss is None:
        reasons["teacher_loss"] = "the teacher is no network: its answers for the test samples are not known"
    return CellResult(
        name=cell.name,
        device=cell.device.name,
        budget=cell.budget,
        asked=cell.asked,
        verdict=found.verdict,
        student=student,
        metric=found.accuracy.metric,
        accuracy=found.accuracy.int8_litert,
        accuracy_ci95=found.accuracy_ci95.get("int8_litert"),
        teacher_loss=loss,
        teacher=None if loss is None else {HOLDS: REACHED, BROKEN: BELOW}.get(str(loss.verdict), NOT_SHOWN),
        latency_ms=cost.latency_ms,
        latency_low_ms=cost.latency_low_ms,
        latency_high_ms=cost.latency_high_ms,
        ram_bytes=found.ram_bytes,
        flash_bytes=found.measured.flash_bytes,
        macs=cost.macs,
        energy=found.energy,
        shares=shares,
        binds=(max(shares, key=lambda name: shares[name]),),
        gates=found.gates,
        num_costed=own.screening.num_costed,
        num_feasible=own.screening.num_feasible,
        num_over=own.screening.num_over,
        candidates=tuple(candidate.trial for candidate in candidates),
        front=tuple(candidate.trial for candidate in pareto_front(candidates)),
        unavailable_reason=reasons,
    )


def infeasible_result(cell: Cell, why: Infeasible, metric: str) -> CellResult:
    """Return a cell that no network fits; `metric` is the task's."""
    reasons = dict.fromkeys((*_FIGURES, "shares", "num_costed", "num_over"), "no network of the space fits")
    return CellResult(
        name=cell.name,
        device=cell.device.name,
        budget=cell.budget,
        asked=cell.asked,
        verdict=INFEASIBLE,
        infeasible=why,
        metric=metric,
        binds=why.binds,
        unavailable_reason=reasons,
    )


def by_name(cells: Sequence[Feasible]) -> Mapping[str, Feasible]:
    """Return cells by their names."""
    return {own.cell.name: own for own in cells}


def _teacher_loss(found: Verification, limit: float | None) -> Gate | None:
    """Return the check of what the file lacks of the teacher, at most nothing where no loss is accepted."""
    gate = found.gates.get("teacher_loss")
    if gate is None:
        return None
    return at_most(gate.measured, limit or 0.0, low=gate.low, high=gate.high)
