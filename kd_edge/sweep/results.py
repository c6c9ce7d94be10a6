"""What a sweep found, as frozen values; none holds a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from kd_edge.conversion.results import ConversionSummary
from kd_edge.cost.budget import Budget
from kd_edge.cost.energy import Energy
from kd_edge.cost.gate import Gate
from kd_edge.ir.blueprint import Blueprint
from kd_edge.search.results import Candidate, CandidateTraining
from kd_edge.stages.results import (
    BaselineResult,
    ChoiceResult,
    DataSummary,
    DistillResult,
    RaceResult,
    TeacherResult,
)
from kd_edge.sweep.screening import Infeasible
from kd_edge.verification.intervals.interval import Interval
from kd_edge.verification.results import GATES
from tflite_bench.provenance import Calibrated, Computed, Given, Measured, Provenance

INFEASIBLE = "infeasible"
# Whether a file is as good as the teacher: proven, proven not to be, or neither.
REACHED, BELOW, NOT_SHOWN = "reached", "below", "not_shown"


@dataclass(frozen=True, kw_only=True)
class StudentResult:
    """A network that some cells chose by the search; trained, converted and compared once for all of them.

    Attributes:
        name: Its folder within `students`.
        cells: The cells that take it, now that it is trained; none where another student is better in each.
        values: Its hyperparameters.
        blueprint: The network.
        searched: How the search has trained it.
        race: The short training with guides beside one without.
        distill: The student with its guides.
        baseline: The same student without guides.
        choice: Which of the two is handed on.
        convert: Its file.
    """

    name: str
    cells: tuple[str, ...]
    values: Computed[dict[str, int | float]]
    blueprint: Computed[Blueprint]
    searched: CandidateTraining
    race: RaceResult
    distill: DistillResult
    baseline: BaselineResult
    choice: ChoiceResult
    convert: ConversionSummary


@dataclass(frozen=True, kw_only=True)
class BoardResult:
    """A board of a sweep.

    Attributes:
        name: Of its profile.
        title: Its full name.
        core: The processor.
        runtime: Its runtime with the release.
        quality: How its costs were had.
        error_percent: Half width of the interval of its latencies.
        flash_bytes: All of its flash.
        ram_bytes: All of its RAM.
        candidates: What each network that the search has trained costs on it, whether or not it fits a budget.
    """

    name: str
    title: str
    core: str
    runtime: str
    quality: str
    error_percent: Given[float]
    flash_bytes: Given[int]
    ram_bytes: Given[int]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A board with a budget, and its student.

    Attributes:
        name: Of the cell.
        device: The board.
        budget: The limits.
        asked: The combinations that came to this cell.
        verdict: `"holds"`, `"broken"`, `"not_proven"`, or `"infeasible"`: no network of the space fits.
        infeasible: Why none fits; `None` where some do.
        student: Its name among the students; `None` where the cell is infeasible, as are all figures of it.
        metric: What `accuracy` is; see `Task.metric`.
        accuracy: Of the file on the test samples, in LiteRT.
        accuracy_ci95: Its interval.
        teacher_loss: What the file lacks of the teacher on the same samples, held against `max_teacher_loss`, or 0
            where that is not given; `None` where the teacher is no network.
        teacher: `"reached"` where the whole interval of that loss keeps the limit, `"below"` where all of it exceeds
            the limit, else `"not_shown"`.
        latency_ms: Time of one inference.
        latency_low_ms: Lower end of its interval.
        latency_high_ms: Upper end.
        ram_bytes: What the firmware reserves.
        flash_bytes: Size of the file.
        macs: Multiply-accumulates.
        energy: Of one inference; `None` where its time or the board's power is not known.
        shares: The part of each limit that the file uses.
        binds: The limits that decide: of a student the one of which it uses the largest part, of an infeasible cell
            those that no network keeps.
        gates: The checks of the verification.
        num_costed: Networks that were costed before any was trained; `None` where none fits.
        num_feasible: Those of them that fit.
        num_over: How many exceed each limit.
        candidates: Trials of the trained networks that fit, best first.
        front: Those of them that no other beats in accuracy, latency, RAM and flash at once.
        unavailable_reason: Why a figure is `None` or an estimate, by its name.
    """

    name: str
    device: str
    budget: Budget
    asked: tuple[str, ...]
    verdict: str
    infeasible: Infeasible | None = None
    student: str | None = None
    metric: str = "accuracy"
    accuracy: Measured[float | None] = None
    accuracy_ci95: Interval | None = None
    teacher_loss: Annotated[Gate | None, GATES] = None
    teacher: str | None = None
    latency_ms: Calibrated[float | None] = None
    latency_low_ms: Calibrated[float | None] = None
    latency_high_ms: Calibrated[float | None] = None
    ram_bytes: Computed[int | None] = None
    flash_bytes: Measured[int | None] = None
    macs: Computed[int | None] = None
    energy: Energy | None = None
    shares: Annotated[Mapping[str, float] | None, Provenance("computed", (("latency_ms", "calibrated"),))] = None
    binds: tuple[str, ...] = ()
    gates: Annotated[Mapping[str, Gate], GATES] = field(default_factory=dict)
    num_costed: Computed[int | None] = None
    num_feasible: Computed[int] = 0
    num_over: Computed[Mapping[str, int] | None] = None
    candidates: tuple[str, ...] = ()
    front: tuple[str, ...] = ()
    unavailable_reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        data: The samples.
        teacher: The teacher of all students.
        space: Name of the space of students.
        objective: What candidates are ranked by.
        num_trained: Networks that the one search has trained for all cells.
        boards: In the order in which they were named.
        students: The networks that were trained to the end.
        cells: Boards with budgets, by boards.
    """

    data: DataSummary
    teacher: TeacherResult
    space: str
    objective: str
    num_trained: Computed[int]
    boards: tuple[BoardResult, ...]
    students: tuple[StudentResult, ...]
    cells: tuple[CellResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every cell that some network fits holds; where none fits any cell, it does not."""
        verdicts = {cell.verdict for cell in self.cells} - {INFEASIBLE}
        return verdicts == {"holds"}
