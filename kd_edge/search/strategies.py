"""Search strategies (hyperparameter optimization): what decides which candidate is trained next; one table of them.

No keras-tuner is imported until an oracle is made: the command line shows the names.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kd_edge.config.choices import MAX_SEED
from kd_edge.config.own_code import own_code
from kd_edge.errors import ConfigError, nearest

if TYPE_CHECKING:
    import keras_tuner

    from kd_edge.search.space.student_space import StudentSpace

# Hyperband hands on the better third of the candidates, as its authors do.
_HALVING_FACTOR = 3

# Grid search begins with the cheapest candidates and steps over what is not trained, thousands of them per second.
_MAX_GRID = 100_000


@dataclass(frozen=True, slots=True)
class OracleRequest:
    """What an oracle is made from.

    Attributes:
        num_trials: How many candidates are to be trained.
        epochs: Most epochs that a candidate is trained for.
        common: What every oracle of keras-tuner takes by these names: `objective`, `hyperparameters` and `seed`.
    """

    num_trials: int
    epochs: int
    common: Mapping[str, Any]


def most_trials(oracle: "keras_tuner.Oracle") -> int:
    """Return how many trials an oracle was told to have at most."""
    return int(oracle.max_trials)


@dataclass(frozen=True, slots=True)
class SearchStrategy:
    """A way to search; `register_strategy` makes it known.

    Attributes:
        name: What `design(search=...)`, `--search` and the configuration call it.
        make_oracle: Returns what proposes candidates. To train one longer, an oracle proposes its values again with
            `tuner/trial_id` (whose weights it starts from), `tuner/initial_epoch` and `tuner/epochs`, as Hyperband's.
        num_planned: Returns how many trials an oracle will have at most.
        max_size: Most combinations of a space that it searches.
    """

    name: str
    make_oracle: Callable[[OracleRequest], "keras_tuner.Oracle"]
    num_planned: Callable[["keras_tuner.Oracle"], int] = most_trials
    max_size: float = math.inf

    def check(self, space: "StudentSpace") -> None:
        """Refuse a space that is too large.

        Raises:
            ConfigError: It has more than `max_size` combinations.
        """
        if space.size > self.max_size:
            raise ConfigError(
                f"cannot search the space {space.name!r} by {self.name!r}: expected at most {self.max_size:,} "
                f"combinations, it has {space.size:,}; choose 'random' or 'bayesian'"
            )


def register_strategy(strategy: SearchStrategy) -> None:
    """Make a strategy known in this process: to `design`, and to `run` by the key `search` of its configuration.

    Raises:
        ConfigError: Another one has its name.
    """
    if strategy.name in _STRATEGIES:
        raise ConfigError(f"cannot register the search {strategy.name!r}: expected a new name, it is taken")
    _STRATEGIES[strategy.name] = strategy


def find_strategy(name: str) -> SearchStrategy:
    """Return a strategy by its name.

    Raises:
        ConfigError: The search is unknown.
    """
    if name not in _STRATEGIES:
        raise ConfigError(f"unknown search {name!r}: {nearest(name, _STRATEGIES)}")
    return _STRATEGIES[name]


def code_of_search(name: str) -> tuple[str, ...]:
    """Return hashes of a strategy's code where that is not kd_edge's; see `own_code`."""
    strategy = find_strategy(name)
    return own_code(strategy.make_oracle, strategy.num_planned)


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies."""
    return tuple(_STRATEGIES)


def make_oracle(
    search: str, space: "StudentSpace", *, num_trials: int, epochs: int, seed: int, objective: str = "accuracy"
) -> "keras_tuner.Oracle":
    """Return the oracle of a strategy for a space.

    Args:
        search: `"random"`, `"bayesian"` (Gaussian process), `"hyperband"` (successive halving: many candidates for few
            epochs, the better ones for more), `"grid"`, or another that is registered.
        space: What to choose from.
        num_trials: How many candidates are trained; Hyperband follows from `epochs` alone.
        epochs: Most epochs that a candidate is trained for.
        seed: Draws candidates.
        objective: What a search ranks by; the metric of a trial is called `val_` and this.

    Raises:
        ConfigError: The search is unknown, or the space is too large for it.
    """
    strategy = find_strategy(search)
    strategy.check(space)
    import keras_tuner

    hyperparameters = keras_tuner.HyperParameters()
    for name, options in space.choices.items():
        hyperparameters.Choice(name, list(options))
    common = {
        "objective": keras_tuner.Objective(f"val_{objective}", "max"),
        "hyperparameters": hyperparameters,
        # A seed of 0 would mean none to keras-tuner.
        "seed": min(seed + 1, MAX_SEED),
    }
    return strategy.make_oracle(OracleRequest(num_trials, epochs, common))


def _random(wanted: OracleRequest) -> "keras_tuner.Oracle":
    from keras_tuner.oracles import RandomSearchOracle

    return RandomSearchOracle(max_trials=wanted.num_trials, **wanted.common)


def _bayesian(wanted: OracleRequest) -> "keras_tuner.Oracle":
    from keras_tuner.oracles import BayesianOptimizationOracle

    return BayesianOptimizationOracle(max_trials=wanted.num_trials, **wanted.common)


def _hyperband(wanted: OracleRequest) -> "keras_tuner.Oracle":
    from keras_tuner.oracles import HyperbandOracle

    return HyperbandOracle(max_epochs=wanted.epochs, factor=_HALVING_FACTOR, **wanted.common)


def _num_hyperband_trials(oracle: "keras_tuner.Oracle") -> int:
    from kd_edge.compat.keras_tuner import num_hyperband_trials

    return num_hyperband_trials(oracle)


def _grid(wanted: OracleRequest) -> "keras_tuner.Oracle":
    from keras_tuner.oracles import GridSearchOracle

    return GridSearchOracle(max_trials=wanted.num_trials, **wanted.common)


_STRATEGIES: dict[str, SearchStrategy] = {
    strategy.name: strategy
    for strategy in (
        SearchStrategy("random", _random),
        SearchStrategy("bayesian", _bayesian),
        SearchStrategy("hyperband", _hyperband, _num_hyperband_trials),
        SearchStrategy("grid", _grid, max_size=_MAX_GRID),
    )
}
