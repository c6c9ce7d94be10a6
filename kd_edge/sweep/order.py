"""The whole sweep: teacher, one search, students, files, verdicts. The only file that knows the order."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kd_edge.config.paths import refuse_overwriting
from kd_edge.config.run import RunConfig
from kd_edge.files import sole_use
from kd_edge.pipeline import do_stages
from kd_edge.reporting.sentences.formatting import counted
from kd_edge.search.local_workers import is_worker
from kd_edge.search.results import Candidate
from kd_edge.stages.context import MODEL, STUDENT, TEACHER, Progress
from kd_edge.stages.shaping import without_paths
from kd_edge.stages.store import stage_key
from kd_edge.sweep.candidates import Pool, Workers, train_candidates
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.context import SweepContext
from kd_edge.sweep.files import SWEEP_FILES, claim_sweep, write_sweep
from kd_edge.sweep.results import BoardResult, CellResult, StudentResult, SweepResult
from kd_edge.sweep.screening import BoardCosts, Feasible
from kd_edge.sweep.students import (
    Chosen,
    StudentContext,
    choose_networks,
    serve_cells,
    stage_progress,
    train_student,
)
from kd_edge.sweep.verdicts import by_name, cell_result, infeasible_result, verify_cells
from kd_edge.sweep.wanted import SweepConfig

_RESULT = "sweep"


def run_sweep(
    config: RunConfig,
    wanted: SweepConfig,
    folder: str | Path,
    *,
    workers: Workers = lambda folder: nullcontext(),
    progress: Progress = lambda stage, done, message="": None,
    on_start: Callable[[], None] = lambda: None,
) -> SweepResult | None:
    """Design, train, convert and verify a student for each board and budget.

    The teacher and its stored targets are made once. One search trains candidates for all cells, each network once.
    Cells that choose the same network share its student, its baseline and its file. What is done stays in the folder:
    a sweep that was interrupted, or that has more boards and budgets than before, does only what is missing.

    Args:
        config: Data, teacher, search and training; of its budget what the sweep does not say.
        wanted: Boards and limits.
        folder: Made if missing.
        workers: Makes the processes that train candidates beside this one, of the search's folder; none by default.
        progress: Told what is going on.
        on_start: Called once before TensorFlow is loaded, so never for a sweep that is finished.

    Returns:
        What was found; `None` in a process that is a worker of another one's search.

    Raises:
        BudgetError: No network of the space fits any cell.
        ConfigError: A board or a limit is wrong, the folder holds something else, or another process works in it.
    """
    refuse_overwriting(asdict(config), Path(folder), (TEACHER, *SWEEP_FILES))
    context = SweepContext(config, cells_of(wanted, config.budget), Path(folder), progress)
    with nullcontext() if is_worker() else sole_use(folder):
        return _run(context, workers, on_start)


def _run(context: SweepContext, workers: Workers, on_start: Callable[[], None]) -> SweepResult | None:
    claim_sweep(context)
    shaped_by = [
        without_paths(context.config),
        *((cell.name, cell.device, cell.budget, cell.asked) for cell in context.cells),
    ]
    key = stage_key(context.data.sha256, _RESULT, *shaped_by, *context.teacher_shape)
    kept = context.store.load(_RESULT, key, SweepResult)
    if kept is not None:
        context.progress(_RESULT, 1.0, "done before")
        return kept.result
    on_start()
    result = _Sweep(context, workers).make()
    if result is None:
        return None
    write_sweep(result, context)
    return context.store.save(_RESULT, key, result, _files(result, context.config)).result


@dataclass(frozen=True, eq=False)
class _Student:
    """A student with its context and the digest of its file."""

    context: StudentContext
    result: StudentResult
    digest: str


class _Sweep:
    """The steps of a sweep that is not finished."""

    def __init__(self, context: SweepContext, workers: Workers) -> None:
        self._context, self._workers, self._progress = context, workers, context.progress

    def make(self) -> SweepResult | None:
        """Do what is missing."""
        context = self._context
        context.check_worker()
        taught = do_stages(("data", "teacher"), context, context.data.sha256)
        feasible, infeasible = context.screened
        self._progress("search", 0.0)
        pool = train_candidates(context, feasible, taught, workers=self._workers, on_trial=self._on_trial)
        if pool is None:
            return None
        candidates = {own.cell.name: pool.candidates(own) for own in feasible}
        chosen = choose_networks(pool, feasible, context.space, candidates)
        trained = [self._student(pool, taught, own, at, len(chosen)) for at, own in enumerate(chosen)]
        students = self._served(trained, feasible)
        found = self._verdicts(students, candidates)
        metric = context.data.task.metric
        results = [
            found[cell.name] if cell.name in found else infeasible_result(cell, infeasible[cell.name], metric)
            for cell in context.cells
        ]
        return SweepResult(
            data=context.results["data"],
            teacher=context.results["teacher"],
            space=context.space.name,
            objective=context.objective,
            num_trained=len(pool.trained),
            boards=self._boards(pool),
            students=tuple(student.result for student in students),
            cells=tuple(results),
        )

    def _on_trial(self, share: float, done: int) -> None:
        self._progress("search", share, f"{counted(done, 'candidate', 'candidates')} trained for all budgets")

    def _student(self, pool: Pool, taught: str, chosen: Chosen, position: int, count: int) -> _Student:
        own = StudentContext(self._context, chosen, stage_progress(self._progress, position, count))
        return _Student(own, *train_student(own, chosen, pool, taught))

    def _served(self, students: Sequence[_Student], feasible: Sequence[Feasible]) -> list[_Student]:
        """Return the students with the cells that take them."""
        from kd_edge.search.scores import validation_score

        context = self._context
        worth = [validation_score(student.context.student, context.data, context.objective) for student in students]
        taken = serve_cells(feasible, [student.result.values for student in students], worth)
        return [
            replace(student, result=replace(student.result, cells=cells))
            for student, cells in zip(students, taken, strict=True)
        ]

    def _verdicts(
        self, students: Sequence[_Student], candidates: dict[str, tuple[Candidate, ...]]
    ) -> dict[str, CellResult]:
        found: dict[str, CellResult] = {}
        feasible, limit = by_name(self._context.screened[0]), self._context.config.verify.max_teacher_loss
        for at, student in enumerate(students):
            self._progress("verify", at / len(students))
            own = [feasible[name] for name in student.result.cells]
            for name, verified in verify_cells(student.context, own, student.digest).items():
                found[name] = cell_result(feasible[name], student.result.name, verified, candidates[name], limit)
        self._progress("verify", 1.0)
        return found

    def _boards(self, pool: Pool) -> tuple[BoardResult, ...]:
        devices = {cell.device.name: cell.device for cell in self._context.cells}
        costs = {own.cell.device.name: own.costs for own in self._context.screened[0]}
        boards = []
        for name, device in devices.items():
            beside_bytes = self._context.beside_bytes
            board = costs.get(name) or BoardCosts(self._context.space, device, beside_bytes=beside_bytes)
            boards.append(
                BoardResult(
                    name=name,
                    title=device.title,
                    core=device.core,
                    runtime=device.runtime_title,
                    quality=device.quality,
                    error_percent=device.error_percent,
                    flash_bytes=device.flash_bytes,
                    ram_bytes=device.ram_bytes,
                    candidates=tuple(trained.on(board.cost(trained.values)) for trained in pool.trained),
                )
            )
        return tuple(boards)


def _files(result: SweepResult, config: RunConfig) -> list[str]:
    """Return the files that a finished sweep has left."""
    students = [f"students/{student.name}/{file}" for student in result.students for file in (STUDENT, MODEL)]
    return [*SWEEP_FILES, *students, *([] if config.teacher.outputs is not None else [TEACHER])]
