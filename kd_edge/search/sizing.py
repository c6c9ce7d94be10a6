"""Neural architecture search: finds the best student of a space that fits, with keras-tuner."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from kd_edge.config.by_task import objective_for
from kd_edge.config.choices import STUDENT_LOSS_WEIGHT, TEMPERATURE
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile, load_device
from kd_edge.cost.model import Cost, CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.recipe_targets import check_views, store_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError, DataError
from kd_edge.files import write_model
from kd_edge.ir.lowering import macs_of
from kd_edge.search.checkpoint import PROJECT, TARGETS, claim_folder, identify_search
from kd_edge.search.local_workers import is_worker
from kd_edge.search.oracles import BudgetOracle
from kd_edge.search.results import STUDENT, Candidate, SearchResult, budget_shares, pareto_front, sort_candidates
from kd_edge.search.space.screening import Screening, Size
from kd_edge.search.space.student_space import StudentSpace, Values
from kd_edge.search.strategies import code_of_search, find_strategy, make_oracle
from kd_edge.search.student_check import check_students
from kd_edge.search.tuner import SizingTuner, search_trials
from kd_edge.search.weight_inheritance import WeightInheritance
from kd_edge.silence import say

# Of the candidates that fit, this share, the smaller ones, is not trained: see `Size`.
SCREENED_OUT = 0.8

# Random draws for one trial; where so few fit, those that the screening found are taken.
_MAX_DRAWS = 500


def design(
    teacher: keras.Model | SoftTargets,
    data: Dataset,
    *,
    device: DeviceProfile | str,
    budget: Budget | None = None,
    space: StudentSpace | None = None,
    recipe: Recipe | None = None,
    search: str = "random",
    num_trials: int = 8,
    teacher_ratio: float | None = None,
    importance: str = "batch_norm",
    temperature: float = TEMPERATURE,
    student_loss_weight: float = STUDENT_LOSS_WEIGHT,
    objective: str | None = None,
    beside_bytes: int = 0,
    screening: Screening | None = None,
    directory: str | Path = "search",
    overwrite: bool = False,
    on_trial: Callable[[int, int], None] = lambda done, planned: None,
) -> SearchResult | None:
    """Find the best student of a space that fits a budget.

    Thousands of networks are costed without building one; of those that fit, the largest fifth is searched by
    keras-tuner, and only these are built and trained, from the teacher's weights where the space is derived from it. An
    interrupted search resumes from `directory`, which also keeps `student.keras`, the chosen student as it was trained.

    With keras-tuner's environment variables `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`
    the same call makes the chief (its id contains "chief") or a worker of a search on several machines.

    Args:
        teacher: Its outputs guide the brief training; of one that lives elsewhere these alone.
        data: Training and validation samples.
        device: The board, or its name.
        budget: The limits; what the board leaves by default.
        space: The networks to choose from; `StudentSpace.from_teacher(teacher)` by default.
        recipe: How each candidate is trained; 6 epochs by default.
        search: `"random"`, `"bayesian"`, `"hyperband"`, `"grid"`, or another that `register_strategy` made known.
        num_trials: How many candidates are trained; Hyperband follows from the recipe's epochs instead.
        teacher_ratio: A candidate has at most the teacher's MACs divided by this; no limit by default.
        importance: Which of the teacher's channels a candidate starts from, as for `inherit`; of no effect where the
            space is not derived from the teacher.
        temperature: Softens the teacher's outputs.
        student_loss_weight: Weight of the labels, 0 to 1; the rest is the teacher's.
        objective: What candidates are ranked by on the validation samples: of classes `"accuracy"`,
            `"balanced_accuracy"` or `"macro_f1"`; the task's metric by default. See `objective_for`.
        beside_bytes: What the file of a student will hold beside its network, as `metadata_bytes(data)` says; it counts
            as flash. The network's own size alone by default.
        screening: What `space.screen` gave for this budget, `macs_limit(teacher, teacher_ratio)` and the recipe's
            seed; screened here by default.
        directory: Where the search keeps its state.
        overwrite: Whether an older search in it is deleted.
        on_trial: Called with the numbers of finished and of planned trials.

    Returns:
        What was found; None in a worker, whose chief has it.

    Raises:
        BudgetError: No network of the space fits; the message says what binds.
        ConfigError: The search, the importance or the objective is unknown; or the space is too large for the search;
            or the directory holds another search, or cannot be written to.
        ModelError: The teacher cannot be pruned, and no other space was given; or a student of it cannot be built.
    """
    device = load_device(device) if isinstance(device, str) else device
    budget = budget or Budget.of(device)
    recipe = recipe or Recipe(epochs=6)
    if space is None:
        if isinstance(teacher, SoftTargets):
            raise ConfigError("no space of students: expected `space` beside a teacher's outputs, received none")
        space = StudentSpace.from_teacher(teacher)
    find_strategy(search).check(space)
    objective = objective_for(objective, data.task)
    cost_model, max_macs = CostModel(device, beside_bytes=beside_bytes), macs_limit(teacher, teacher_ratio)
    screening = screening or space.screen(cost_model, budget, max_macs=max_macs, seed=recipe.seed)
    limits = _Limits(space, cost_model, budget, screening, least_size(screening, num_trials), max_macs)
    check_students(space, teacher)
    inheritance = _inheritance(teacher, space, importance)
    settings = {
        "device": device,
        "budget": budget,
        "recipe": recipe,
        "search": " ".join([search, *code_of_search(search)]),
        "teacher ratio": teacher_ratio,
        "screened out": SCREENED_OUT,
        "importance": importance,
        "temperature": temperature,
        "student loss weight": student_loss_weight,
        "objective": objective,
        "class weight": data.class_weight,
    }
    settings |= {} if data.task.kind == "multiclass" else {"task": data.task}
    claim_folder(directory, identify_search(teacher, data, space, settings), overwrite=overwrite and not is_worker())
    oracle = _budget_oracle(search, limits, num_trials, recipe, on_trial, objective)
    tuner = SizingTuner(
        oracle,
        space=space,
        targets=stored_targets(teacher, data, recipe, Path(directory) / TARGETS),
        recipe=recipe,
        inheritance=inheritance,
        temperature=temperature,
        student_loss_weight=student_loss_weight,
        objective=objective,
        directory=str(directory),
        project_name=PROJECT,
    )
    search_trials(tuner, data, directory)
    if is_worker():
        return None
    _tell_shortage(oracle, find_strategy(search).num_planned(oracle), on_trial)
    found = _result(limits, tuner, objective, data.task.metric)
    write_model(Path(directory) / STUDENT, tuner.trained(found.chosen.values, found.chosen.trial))
    return found


@dataclass(frozen=True)
class _Limits:
    """Which networks of a space are trained: those that fit, of these the larger ones."""

    space: StudentSpace
    cost_model: CostModel
    budget: Budget
    screening: Screening
    least: Size
    max_macs: float

    def cost(self, values: Values) -> Cost:
        return self.cost_model.estimate(self.space.graph(values))

    def accept(self, values: Values) -> bool:
        cost = self.cost(values)
        return Size.of(cost).reaches(self.least) and cost.known_macs <= self.max_macs and cost.fits(self.budget)


def least_size(screening: Screening, num_trials: int) -> Size:
    """Return from which size on a network is trained: the largest fifth of those that fit, or as many as are asked for.

    Args:
        screening: Which networks fit.
        num_trials: How many candidates are trained.
    """
    return screening.least_size(max(num_trials, screening.num_feasible - int(SCREENED_OUT * screening.num_feasible)))


def macs_limit(teacher: keras.Model | SoftTargets, teacher_ratio: float | None) -> float:
    """Return the most multiply-accumulates that a candidate may have: the teacher's divided by a ratio, if any.

    Args:
        teacher: Its weights do not count: it may be untrained. Where its own multiply-accumulates are unknown, as those
            of stored outputs are, there is no limit; it is said once.
        teacher_ratio: As for `design`.
    """
    if teacher_ratio is None:
        return math.inf
    macs = None if isinstance(teacher, SoftTargets) else macs_of(teacher)
    if macs is None:
        say("the teacher's multiply-accumulates are unknown: its share of them limits no candidate")
        return math.inf
    return macs / teacher_ratio


def stored_targets(teacher: keras.Model | SoftTargets, data: Dataset, recipe: Recipe, path: Path) -> SoftTargets:
    """Return what all candidates of a search learn from: the teacher's outputs, kept in a file that is made once.

    A file that is damaged is made again.

    Args:
        teacher: The trained teacher, or its outputs.
        data: Its training samples.
        recipe: How candidates are trained.
        path: Of the file.

    Raises:
        ConfigError: The teacher would have to run in every step.
    """
    if isinstance(teacher, SoftTargets):
        check_views(teacher, recipe)
        return teacher
    try:
        targets = store_targets(teacher, data, recipe, path=path)
    except DataError:
        if not path.is_file():
            raise
        path.unlink()
        targets = store_targets(teacher, data, recipe, path=path)
    if targets is None:
        raise ConfigError(
            f"the teacher runs once for the whole search: expected an augmentation by name, received {recipe.augment!r}"
        )
    return targets


def _inheritance(teacher: keras.Model | SoftTargets, space: StudentSpace, importance: str) -> WeightInheritance | None:
    if space.prunable is None or isinstance(teacher, SoftTargets):
        return None
    return WeightInheritance(teacher, importance=importance, prunable=space.prunable)


def _budget_oracle(
    search: str,
    limits: _Limits,
    num_trials: int,
    recipe: Recipe,
    on_trial: Callable[[int, int], None],
    objective: str,
) -> BudgetOracle:
    plain = make_oracle(
        search, limits.space, num_trials=num_trials, epochs=recipe.epochs, seed=recipe.seed, objective=objective
    )
    planned = find_strategy(search).num_planned(plain)
    known = limits.screening.feasible_values[::-1]
    oracle = BudgetOracle(
        plain,
        limits.accept,
        identify=limits.space.graph,
        max_draws=_MAX_DRAWS,
        known=known,
        on_end=lambda done: on_trial(done, planned),
    )
    oracle.verbose = 0
    return oracle


def _tell_shortage(oracle: BudgetOracle, planned: int, on_trial: Callable[[int, int], None]) -> None:
    """Say that the search has ended early because there was no other network, if so."""
    done = len(oracle.end_order)
    if oracle.is_exhausted and done < planned:
        say(f"{done} of {planned} candidates are trained: no other network of the space was found within the limits")
        on_trial(done, done)


def _result(limits: _Limits, tuner: SizingTuner, objective: str, metric: str) -> SearchResult:
    trained = []
    for trial in tuner.oracle.trials.values():
        if trial.score is not None:
            values = {name: trial.hyperparameters.values[name] for name in limits.space.choices}
            accuracy = float(trial.metrics.get_best_value(f"val_{metric}"))
            score = None if objective == metric else float(trial.score)
            trained.append(Candidate(values, limits.cost(values), accuracy, trial.trial_id, score))
    candidates = sort_candidates(trained, identify=limits.space.graph)
    return SearchResult(
        space=limits.space.name,
        chosen=candidates[0],
        blueprint=limits.space.blueprint(candidates[0].values),
        front=pareto_front(candidates),
        candidates=candidates,
        num_costed=limits.screening.num_costed,
        num_feasible=limits.screening.num_feasible,
        num_over=dict(limits.screening.num_over),
        shares=budget_shares(candidates[0].cost, limits.budget),
        training=tuner.training(candidates[0].trial),
        objective=objective,
    )
