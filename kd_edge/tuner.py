"""Searches a space for the best student that fits, with keras-tuner."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from kd_edge.blueprint import Blueprint
from kd_edge.budget import Budget
from kd_edge.cost import Cost, CostModel
from kd_edge.data import Dataset
from kd_edge.devices import DeviceProfile
from kd_edge.lowering import lower
from kd_edge.space import Screening, StudentSpace, Values
from kd_edge.targets import SoftTargets, soft_targets
from kd_edge.training import Recipe, distill

# Of the candidates that fit, the half with fewer MACs is not trained: larger ones are usually better.
SCREENED_OUT = 0.5

# Proposals of a model-based oracle that may be rejected before a random one takes their place.
_ATTEMPTS = 20


class BudgetOracle(keras_tuner.Oracle):
    """Makes any keras-tuner oracle propose only candidates that pass a check, so that no other is built or counted.

    The oracle that is wrapped keeps its own strategy and its own state.

    Args:
        oracle: For example `keras_tuner.oracles.RandomSearchOracle(...)`. It is absorbed: use the wrapper afterwards.
        accepts: Says whether the candidate with these hyperparameter values may be trained.
        max_draws: Random draws per trial before the search is declared exhausted.
    """

    def __new__(cls, oracle: keras_tuner.Oracle, *args: Any, **kwargs: Any) -> "BudgetOracle":
        wrapper: BudgetOracle = object.__new__(type(f"Budget{type(oracle).__name__}", (cls, type(oracle)), {}))
        wrapper.__dict__.update(vars(oracle))
        wrapper._display.oracle = wrapper
        return wrapper

    def __init__(
        self, oracle: keras_tuner.Oracle, accepts: Callable[[Mapping[str, Any]], bool], *, max_draws: int = 10_000
    ) -> None:
        self._accepts = accepts
        self._max_draws = max_draws

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the wrapped oracle's proposal, replaced by a random or the next one where it does not pass."""
        for _ in range(_ATTEMPTS):
            proposal: dict[str, Any] = super().populate_space(trial_id)
            if proposal["status"] != "RUNNING" or self._accepts(proposal["values"]):
                return proposal
            if self._is_grid:
                break
        values = self._get_next_combination(proposal["values"]) if self._is_grid else self._random_values()
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}

    @property
    def _is_grid(self) -> bool:
        return isinstance(self, keras_tuner.oracles.GridSearchOracle)

    def _random_values(self) -> dict[str, Any] | None:
        """Draw until a candidate passes: random search, Hyperband and Bayesian optimization start from here."""
        for _ in range(self._max_draws):
            values: dict[str, Any] | None = super()._random_values()
            if values is None or self._accepts(values):
                return values
        return None

    def _get_next_combination(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """Step on until a candidate passes: grid search."""
        following: dict[str, Any] | None = super()._get_next_combination(values)
        while following is not None and not self._accepts(following):
            following = super()._get_next_combination(following)
        return following


@dataclass(frozen=True, slots=True)
class Candidate:
    """One trained network of a search.

    Attributes:
        values: Its hyperparameters.
        cost: What it costs on the device.
        accuracy: Of the float network on the validation samples after the brief training, 0 to 1.
    """

    values: dict[str, int | float]
    cost: Cost
    accuracy: float


@dataclass(frozen=True, slots=True)
class Design:
    """What a search found.

    Attributes:
        space: Name of the space.
        chosen: The candidate with the best validation accuracy, of equal ones the fastest.
        blueprint: Its network.
        front: Candidates that no other beats in accuracy, latency, RAM and flash at once.
        candidates: All that were trained, best first.
        num_costed: Networks costed before training.
        num_feasible: Those of them that fit the budget.
    """

    space: str
    chosen: Candidate
    blueprint: Blueprint
    front: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    num_costed: int
    num_feasible: int


class SizingTuner(keras_tuner.Tuner):
    """Trains candidates of a space briefly with the teacher's soft targets and scores them by validation accuracy.

    Args:
        oracle: Proposes hyperparameter values; usually a `BudgetOracle`.
        space: Turns them into networks.
        targets: The teacher's outputs for the training samples: the teacher runs once for the whole search.
        recipe: How each candidate is trained.
        on_trial: Called with the number of finished trials.
        **kwargs: `directory`, `project_name` and `overwrite` of `keras_tuner.Tuner`.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        *,
        space: StudentSpace,
        targets: SoftTargets,
        recipe: Recipe,
        on_trial: Callable[[int], None] = lambda done: None,
        **kwargs: Any,
    ) -> None:
        self._space = space
        self._targets = targets
        self._recipe = recipe
        self._on_trial = on_trial
        super().__init__(oracle, **kwargs)

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, data: Dataset) -> dict[str, float]:  # type: ignore[name-defined]
        """Train one candidate and return its best validation accuracy.

        Every network of a space can be trained: a failure is an error of this package or of the machine, and ends the
        search instead of being counted as a failed trial.
        """
        keras.utils.set_random_seed(self._recipe.seed)
        try:
            student = self._space.blueprint(trial.hyperparameters.values).to_keras()
            history = distill(student, data, self._recipe, teacher=self._targets).history
        except Exception as error:
            raise keras_tuner.errors.FatalRuntimeError(f"candidate {trial.hyperparameters.values} failed") from error
        return {"val_accuracy": max(history["val_accuracy"])}

    def on_trial_end(self, trial: Any) -> None:
        """Record the trial and report progress."""
        super().on_trial_end(trial)
        self._on_trial(len(self.oracle.end_order))


def design(
    teacher: keras.Model,
    data: Dataset,
    *,
    device: DeviceProfile,
    budget: Budget,
    space: StudentSpace | None = None,
    recipe: Recipe | None = None,
    num_trials: int = 8,
    teacher_ratio: float = 20.0,
    directory: str | Path = "search",
    on_trial: Callable[[int], None] = lambda done: None,
) -> Design:
    """Find the best student of a space that fits a budget.

    Thousands of networks are costed without building one; of those that fit, the larger half is searched by
    keras-tuner's random search, and only these are built and trained. An interrupted search resumes from `directory`.

    Args:
        teacher: Its outputs guide the brief training. It ends in logits.
        data: Training and validation samples.
        device: The board.
        budget: The limits.
        space: The networks to choose from; depthwise separable ones (dense ones for flat samples) by default.
        recipe: How each candidate is trained; 6 epochs by default.
        num_trials: How many candidates are trained.
        teacher_ratio: A candidate has at most the teacher's MACs divided by this.
        directory: Where the search keeps its state.
        on_trial: Called with the number of finished trials.

    Raises:
        BudgetError: No network of the space fits; the message says what binds.
    """
    recipe = recipe or Recipe(epochs=6, learning_rate=4e-3)
    family = "mlp" if len(data.input_shape) == 1 else "ds_cnn"
    space = space or StudentSpace.family(family, data.input_shape, data.num_classes)
    cost_model = CostModel(device)
    max_macs = lower(teacher).total_macs / teacher_ratio
    screening = space.screen(cost_model, budget, max_macs=max_macs, seed=recipe.seed)
    oracle = BudgetOracle(
        keras_tuner.oracles.RandomSearchOracle(
            objective=keras_tuner.Objective("val_accuracy", "max"),
            max_trials=num_trials,
            seed=recipe.seed + 1,
            hyperparameters=_hyperparameters(space),
        ),
        _accept_large(space, cost_model, budget, screening, max_macs),
    )
    tuner = SizingTuner(
        oracle,
        space=space,
        targets=soft_targets(teacher, data.x_train),
        recipe=recipe,
        on_trial=on_trial,
        directory=str(directory),
        project_name=_fingerprint(space, data, recipe, budget, device, max_macs, num_trials),
    )
    oracle.verbose = 0
    tuner.search(data)
    return _result(space, screening, oracle, cost_model)


def _hyperparameters(space: StudentSpace) -> keras_tuner.HyperParameters:
    hyperparameters = keras_tuner.HyperParameters()
    for name, options in space.choices.items():
        hyperparameters.Choice(name, list(options))
    return hyperparameters


def _accept_large(
    space: StudentSpace, cost_model: CostModel, budget: Budget, screening: Screening, max_macs: float
) -> Callable[[Values], bool]:
    least = screening.macs_quantile(SCREENED_OUT)

    def accepts(values: Values) -> bool:
        cost = cost_model.estimate(space.blueprint(values).to_graph())
        return least <= cost.macs <= max_macs and cost.fits(budget)

    return accepts


def _fingerprint(space: StudentSpace, data: Dataset, *rest: object) -> str:
    """Name the search's folder by everything that shapes it, so that no two searches ever mix."""
    text = json.dumps([space.name, dict(space.choices), data.name, data.x_train.shape, *map(repr, rest)])
    digest = hashlib.sha256(text.encode())
    digest.update(data.x_train.tobytes())
    return digest.hexdigest()[:16]


def _result(space: StudentSpace, screening: Screening, oracle: keras_tuner.Oracle, cost_model: CostModel) -> Design:
    candidates = []
    for trial in oracle.get_best_trials(len(oracle.trials)):
        if trial.score is not None:
            values = dict(trial.hyperparameters.values)
            candidates.append(
                Candidate(values, cost_model.estimate(space.blueprint(values).to_graph()), float(trial.score))
            )
    candidates.sort(key=lambda candidate: (-candidate.accuracy, candidate.cost.latency_ms))
    return Design(
        space=space.name,
        chosen=candidates[0],
        blueprint=space.blueprint(candidates[0].values),
        front=tuple(c for c in candidates if not any(_beats(other, c) for other in candidates)),
        candidates=tuple(candidates),
        num_costed=screening.num_costed,
        num_feasible=screening.num_feasible,
    )


def _beats(one: Candidate, other: Candidate) -> bool:
    def losses(c: Candidate) -> tuple[float, ...]:
        return -c.accuracy, c.cost.latency_ms, c.cost.arena_bytes, c.cost.flash_bytes

    pairs = list(zip(losses(one), losses(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
