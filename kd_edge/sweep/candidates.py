"""The candidates of a sweep: one search for all cells, each network trained once."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kd_edge.cost.model import Cost
from kd_edge.search.results import Candidate, CandidateTraining, sort_candidates
from kd_edge.search.space.student_space import Values
from kd_edge.stages.context import RunContext
from kd_edge.stages.own_code import own_code_in
from kd_edge.stages.store import stage_key
from kd_edge.sweep.screening import Feasible
from tflite_bench.provenance import Computed, Measured

if TYPE_CHECKING:
    import keras

    from kd_edge.search.space.student_space import StudentSpace
    from kd_edge.search.tuner import SizingTuner

Workers = Callable[[Path], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that the search has trained.

    Attributes:
        values: Its hyperparameters.
        accuracy: On the validation samples after the brief training; of other tasks their metric.
        trial: Its number.
        score: What it is ranked by, where that is another figure.
    """

    values: Computed[dict[str, int | float]]
    accuracy: Measured[float]
    trial: str
    score: Measured[float | None] = None

    def on(self, cost: Cost) -> Candidate:
        """Return it as a candidate on the board where it has this cost."""
        return Candidate(self.values, cost, self.accuracy, self.trial, self.score)


class Pool:
    """What the search of a sweep has trained.

    Args:
        tuner: Of the search.
        space: The networks.
        metric: Of the task.
        objective: What candidates are ranked by.
    """

    def __init__(self, tuner: "SizingTuner", space: "StudentSpace", *, metric: str, objective: str) -> None:
        self._tuner, self._space = tuner, space
        self.trained = tuple(
            Trained(
                {name: trial.hyperparameters.values[name] for name in space.choices},
                float(trial.metrics.get_best_value(f"val_{metric}")),
                trial.trial_id,
                None if objective == metric else float(trial.score),
            )
            for trial in tuner.oracle.trials.values()
            if trial.score is not None
        )

    def candidates(self, feasible: Feasible) -> tuple[Candidate, ...]:
        """Return those that fit a cell, whichever cell they were trained for, best first."""
        fitting = [trained for trained in self.trained if feasible.fits(trained.values)]
        found = (trained.on(feasible.costs.cost(trained.values)) for trained in fitting)
        return sort_candidates(found, identify=self._space.graph)

    def model(self, candidate: Candidate) -> "keras.Model":
        """Return a network as the search has trained it."""
        return self._tuner.trained(candidate.values, candidate.trial)

    def training(self, candidate: Candidate) -> CandidateTraining:
        """Return how that was done."""
        return self._tuner.training(candidate.trial)


def train_candidates(
    context: RunContext,
    cells: Sequence[Feasible],
    taught: str,
    *,
    workers: Workers,
    on_trial: Callable[[float, int], None] = lambda share, done: None,
) -> Pool | None:
    """Search the networks of all cells; `None` in a process that is a worker of another one's search.

    Candidates are kept in a folder that belongs to the teacher, the space and the recipe: cells that are added later
    find those of before.

    Args:
        context: Has the trained teacher.
        cells: Those that some network fits.
        taught: Digest of the teacher.
        workers: Makes the processes that train beside this one, of the search's folder.
        on_trial: As for `SweepOracle`.
    """
    from kd_edge.config.by_task import objective_for
    from kd_edge.search.checkpoint import PROJECT, TARGETS
    from kd_edge.search.local_workers import is_worker
    from kd_edge.search.sizing import stored_targets
    from kd_edge.search.strategies import make_oracle
    from kd_edge.search.student_check import check_students
    from kd_edge.search.tuner import SizingTuner, search_trials
    from kd_edge.stages.training_fields import candidate_recipe
    from kd_edge.sweep.oracle import SweepOracle

    wanted, distill, seed = context.config.design, context.config.distill, context.config.seed
    recipe = candidate_recipe(distill, wanted.epochs, seed)
    objective = objective_for(wanted.objective, context.data.task)
    weights = {"temperature": distill.temperature, "student_loss_weight": distill.student_loss_weight}
    named = (wanted.search, wanted.importance, objective, *own_code_in(wanted))
    shape = (context.space.choices, recipe, weights, *named)
    directory = context.store.folder / "search" / stage_key(taught, "search", *shape)[:16]
    check_students(context.space, context.teacher)
    with workers(directory):
        plain = make_oracle(
            wanted.search,
            context.space,
            num_trials=wanted.trials * len(cells),
            epochs=recipe.epochs,
            seed=seed,
            objective=objective,
        )
        oracle = SweepOracle(plain, cells, num_trials=wanted.trials, identify=context.space.graph, on_end=on_trial)
        oracle.verbose = 0
        tuner = SizingTuner(
            oracle,
            space=context.space,
            targets=stored_targets(context.teacher, context.data, recipe, directory / TARGETS),
            recipe=recipe,
            inheritance=context.inheritance,
            objective=objective,
            directory=str(directory),
            project_name=PROJECT,
            **weights,
        )
        search_trials(tuner, context.data, directory)
    if is_worker():
        return None
    return Pool(tuner, context.space, metric=context.data.task.metric, objective=objective)


def same(values: Values) -> tuple[tuple[str, int | float], ...]:
    """Return what is equal of equal networks."""
    return tuple(sorted(values.items()))
