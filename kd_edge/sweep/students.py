"""The students of a sweep: each chosen network is trained, compared and converted once."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kd_edge.files import write_model
from kd_edge.ir.blueprint import Blueprint
from kd_edge.pipeline import do_stages
from kd_edge.search.results import STUDENT, Candidate, CandidateTraining
from kd_edge.search.space.student_space import Values
from kd_edge.stages.context import Progress, RunContext
from kd_edge.stages.store import StageStore, stage_key
from kd_edge.sweep.candidates import Pool, same
from kd_edge.sweep.results import StudentResult
from kd_edge.sweep.screening import Feasible

if TYPE_CHECKING:
    import keras

    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.search.space.student_space import StudentSpace
    from kd_edge.search.weight_inheritance import WeightInheritance

STUDENT_STAGES = ("race", "distill", "baseline", "choice", "convert")
_SEARCHED = "searched"


@dataclass(frozen=True)
class Chosen:
    """A network that cells have chosen, as the stages of a run know the one of a design.

    Attributes:
        name: Of its folder.
        chosen: The candidate.
        blueprint: The network.
        training: How the search has trained it.
        cells: Names of the cells that chose it.
    """

    name: str
    chosen: Candidate
    blueprint: Blueprint
    training: CandidateTraining
    cells: tuple[str, ...]


class StudentContext(RunContext):
    """What the stages of one student hand on; teacher, targets and space are those of all.

    Args:
        shared: The context of the sweep.
        chosen: The network.
        progress: Told what is going on.
    """

    def __init__(self, shared: RunContext, chosen: Chosen, progress: Progress) -> None:
        self._shared = shared
        self.config, self.data, self.progress = shared.config, shared.data, progress
        self.store = StageStore(shared.store.folder / "students" / chosen.name)
        self.results = {**shared.results, "design": chosen}
        self.keys = dict(shared.keys)

    def check(self, first: str) -> None:
        """Nothing: the sweep has checked what all students share."""

    @property
    def search(self) -> str:
        """The folder of the network as the search has trained it."""
        return _SEARCHED

    @functools.cached_property
    def teacher(self) -> "keras.Model | SoftTargets":
        """The trained teacher, or the outputs of one that lives elsewhere."""
        return self._shared.teacher

    @functools.cached_property
    def space(self) -> "StudentSpace":
        """The networks to choose from."""
        return self._shared.space

    @functools.cached_property
    def inheritance(self) -> "WeightInheritance | None":
        """The teacher's weights for students that are derived from it."""
        return self._shared.inheritance

    @functools.cached_property
    def guidance(self) -> "keras.Model | SoftTargets":
        """What every student learns from."""
        return self._shared.guidance


def choose_networks(
    pool: Pool, cells: Sequence[Feasible], space: "StudentSpace", candidates: Mapping[str, Sequence[Candidate]]
) -> tuple[Chosen, ...]:
    """Return the best network of each cell, each network once.

    Args:
        pool: What was trained.
        cells: Those that some network fits.
        space: The networks.
        candidates: Those that fit each cell, best first, by its name.
    """
    groups: dict[Any, list[Feasible]] = {}
    for cell in cells:
        groups.setdefault(same(candidates[cell.cell.name][0].values), []).append(cell)
    found = []
    for key, own in groups.items():
        best = candidates[own[0].cell.name][0]
        name = hashlib.sha256(repr((space.name, key)).encode()).hexdigest()[:12]
        names = tuple(cell.cell.name for cell in own)
        found.append(Chosen(name, best, space.blueprint(best.values), pool.training(best), names))
    return tuple(found)


def train_student(context: StudentContext, chosen: Chosen, pool: Pool, taught: str) -> tuple[StudentResult, str]:
    """Train, compare and convert one network, as far as that is not done.

    Args:
        context: Of the student.
        chosen: The network.
        pool: Has it as the search has trained it.
        taught: Digest of the teacher.

    Returns:
        What was found, and the digest of the last stage.
    """
    training = chosen.training
    shape = (chosen.blueprint, same(chosen.chosen.values), context.config.design.importance, training.recipe)
    start = stage_key(taught, "network", *shape, training.initial_epoch)
    kept = context.store.load(_SEARCHED, start, dict)
    if kept is None:
        name = f"{_SEARCHED}/{STUDENT}"
        write_model(context.store.folder / name, pool.model(chosen.chosen))
        kept = context.store.save(_SEARCHED, start, {}, (name,))
    digest = do_stages(STUDENT_STAGES, context, kept.digest)
    result = StudentResult(
        name=chosen.name,
        cells=chosen.cells,
        values=chosen.chosen.values,
        blueprint=chosen.blueprint,
        searched=training,
        **{stage: context.results[stage] for stage in STUDENT_STAGES},
    )
    return result, digest


def serve_cells(
    cells: Sequence[Feasible], values: Sequence[Values], worth: Sequence[float]
) -> tuple[tuple[str, ...], ...]:
    """Return of each trained student the cells that take it: of all students that fit a cell it takes the best one.

    The brief training has ranked the networks before; after the whole one the student of a smaller budget can be the
    better one, too.

    Args:
        cells: Those that some network fits; some student fits each.
        values: Hyperparameters of the students.
        worth: What they are worth on the validation samples; of equal ones the fastest is taken.
    """
    taken: list[list[str]] = [[] for _ in values]
    for own in cells:
        fitting = [at for at, network in enumerate(values) if own.fits(network)]
        best = max(fitting, key=lambda at: (worth[at], -own.costs.cost(values[at]).latency_ms))
        taken[best].append(own.cell.name)
    return tuple(map(tuple, taken))


def stage_progress(progress: Callable[..., None], position: int, num_students: int) -> Progress:
    """Return what shows the stages of one student as a part of all students' training.

    Args:
        progress: Of the sweep.
        position: Of the student, from 0.
        num_students: How many there are.
    """

    def show(stage: str, done: float, message: str = "") -> None:
        inside = (STUDENT_STAGES.index(stage) + done) / len(STUDENT_STAGES)
        text = f"{position + 1} of {num_students}: {message or stage}"
        progress("students", (position + inside) / num_students, text)

    return show
