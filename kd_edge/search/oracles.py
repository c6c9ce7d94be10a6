"""keras-tuner's oracles, made to propose only what fits."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner

from kd_edge.config import MAX_SEED
from kd_edge.errors import ConfigError, nearest
from kd_edge.files import write_bytes
from kd_edge.search.space.student_space import StudentSpace

SEARCHES = ("random", "bayesian", "hyperband", "grid")

# Proposals of a model-based oracle that may be rejected before a random one takes their place.
_ATTEMPTS = 20

# Hyperband hands on the better third of the candidates, as its authors do.
_HALVING_FACTOR = 3


class BudgetOracle(keras_tuner.Oracle):
    """Makes any keras-tuner oracle propose only candidates that pass a check, so that no other is built or counted.

    The oracle that is wrapped keeps its own strategy and its own state, which is written whole or not at all.

    Args:
        oracle: For example `keras_tuner.oracles.RandomSearchOracle(...)`. It is absorbed: use the wrapper afterwards.
        accepts: Says whether the candidate with these hyperparameter values may be trained.
        max_draws: Random draws per trial.
        known: Candidates that pass, for when no random draw does; once they are used up the search is exhausted.
        on_end: Called with the number of finished trials after each of them, also of those that workers train.
    """

    def __new__(cls, oracle: keras_tuner.Oracle, *args: Any, **kwargs: Any) -> "BudgetOracle":
        wrapper: BudgetOracle = object.__new__(type(f"Budget{type(oracle).__name__}", (cls, type(oracle)), {}))
        wrapper.__dict__.update(vars(oracle))
        wrapper._display.oracle = wrapper
        return wrapper

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        accepts: Callable[[Mapping[str, Any]], bool],
        *,
        max_draws: int = 10_000,
        known: Sequence[Mapping[str, Any]] = (),
        on_end: Callable[[int], None] = lambda done: None,
    ) -> None:
        self._accepts = accepts
        self._max_draws = max_draws
        self._known = known
        self._on_end = on_end

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

    def end_trial(self, trial: Any) -> None:
        """Record a finished trial and report it."""
        super().end_trial(trial)
        self.save()
        self._on_end(len(self.end_order))

    def save(self) -> None:
        """Write the state of the search."""
        write_bytes(self._get_oracle_fname(), json.dumps(self.get_state()).encode())

    def _save_trial(self, trial: Any) -> None:
        write_bytes(f"{self._get_trial_dir(trial.trial_id)}/trial.json", json.dumps(trial.get_state()).encode())

    @property
    def _is_grid(self) -> bool:
        return isinstance(self, keras_tuner.oracles.GridSearchOracle)

    def _random_values(self) -> dict[str, Any] | None:
        """Draw until a candidate passes: random search, Hyperband and Bayesian optimization start from here."""
        for _ in range(self._max_draws):
            values: dict[str, Any] | None = super()._random_values()
            if values is None or self._accepts(values):
                return values
        return next((dict(values) for values in self._known if not self._duplicate(values)), None)

    def _get_next_combination(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """Step on until a candidate passes: grid search."""
        following: dict[str, Any] | None = super()._get_next_combination(values)
        while following is not None and not self._accepts(following):
            following = super()._get_next_combination(following)
        return following


def make_oracle(search: str, space: StudentSpace, *, num_trials: int, epochs: int, seed: int) -> keras_tuner.Oracle:
    """Return one of keras-tuner's oracles for a space.

    Args:
        search: `"random"`, `"bayesian"` (Gaussian process), `"hyperband"` (successive halving: many candidates for few
            epochs, the better ones for more) or `"grid"`.
        space: What to choose from.
        num_trials: How many candidates are trained; Hyperband follows from `epochs` alone.
        epochs: Most epochs that a candidate is trained for.
        seed: Draws candidates.

    Raises:
        ConfigError: The search is unknown.
    """
    if search not in SEARCHES:
        raise ConfigError(f"unknown search {search!r}: {nearest(search, SEARCHES)}")
    hyperparameters = keras_tuner.HyperParameters()
    for name, options in space.choices.items():
        hyperparameters.Choice(name, list(options))
    common = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "hyperparameters": hyperparameters,
        # A seed of 0 would mean none to keras-tuner.
        "seed": min(seed + 1, MAX_SEED),
    }
    oracles = keras_tuner.oracles
    if search == "hyperband":
        return oracles.HyperbandOracle(max_epochs=epochs, factor=_HALVING_FACTOR, **common)
    kinds = {
        "random": oracles.RandomSearchOracle,
        "bayesian": oracles.BayesianOptimizationOracle,
        "grid": oracles.GridSearchOracle,
    }
    return kinds[search](max_trials=num_trials, **common)


def num_planned(oracle: keras_tuner.Oracle) -> int:
    """Return how many trials a search will have at most."""
    if not isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        return int(oracle.max_trials)
    brackets = range(oracle._get_num_brackets())
    return sum(oracle._get_size(bracket, done) for bracket in brackets for done in range(bracket + 1))
