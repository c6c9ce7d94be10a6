"""Oracles (keras-tuner's word for what proposes hyperparameters), made to propose only what fits."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kd_edge.compat.keras_tuner import OracleWrapper
from kd_edge.errors import UNREADABLE, ConfigError
from kd_edge.files import read_object, write_bytes

if TYPE_CHECKING:
    import keras_tuner

# Proposals of a model-based oracle that may be rejected before a random one takes their place.
_ATTEMPTS = 20

# With it an oracle proposes a candidate again, to train it longer.
_GOES_ON = "tuner/trial_id"


class BudgetOracle(OracleWrapper):
    """Makes any keras-tuner oracle propose only candidates that pass a check, so that no other is built or counted.

    No network is proposed twice, but for an oracle that trains it longer: Hyperband, which takes one again where there
    is no other. The oracle that is wrapped keeps its own strategy and its own state, which is written whole or not at
    all.

    Args:
        oracle: For example `keras_tuner.oracles.RandomSearchOracle(...)`. It is absorbed: use the wrapper afterwards.
        accepts: Says whether the candidate with these hyperparameter values may be trained.
        identify: Returns what is equal of equal networks; by default the values are.
        max_draws: Random draws per trial.
        max_steps: Combinations that an oracle that `enumerates` steps over per trial: seconds.
        known: Candidates that pass, for when no random draw does; once they are used up the search is exhausted.
        on_end: Called with the number of finished trials after each of them, also of those that workers train.

    Attributes:
        is_exhausted: Whether nothing was left that passes and was not tried.
    """

    def __init__(
        self,
        oracle: "keras_tuner.Oracle",
        accepts: Callable[[Mapping[str, Any]], bool],
        *,
        identify: Callable[[Mapping[str, Any]], Hashable] | None = None,
        max_draws: int = 10_000,
        max_steps: int = 10_000,
        known: Sequence[Mapping[str, Any]] = (),
        on_end: Callable[[int], None] = lambda done: None,
    ) -> None:
        super().__init__(oracle)
        self.is_exhausted = False
        self._accepts = accepts
        self._identify = identify
        self._networks: dict[str, Hashable] = {}
        self._max_draws, self._max_steps = max_draws, max_steps
        self._known = known
        self._on_end = on_end
        self._drawn: dict[str, Any] | None = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the wrapped oracle's proposal, replaced by a random or the next one where it does not pass."""
        proposal = self._propose(trial_id)
        if proposal["status"] == "RUNNING" and not self._passes(proposal["values"]):
            values = self.next_combination(proposal["values"]) if self.enumerates else self.random_values()
            proposal = proposal_of(values)
        if proposal["status"] == "STOPPED" and self.enumerates:
            return proposal_of(self._untried())
        return proposal

    def _propose(self, trial_id: str) -> dict[str, Any]:
        """Return the first proposal of the wrapped oracle that keeps the limits, be it one that was tried."""
        proposal = super().populate_space(trial_id)
        for _ in range(0 if self.enumerates else _ATTEMPTS - 1):
            if proposal["status"] != "RUNNING" or self._is_within_limits(proposal["values"]):
                break
            proposal = super().populate_space(trial_id)
        return proposal

    def random_values(self) -> dict[str, Any] | None:
        """Draw until a candidate passes; where none does, return one of those that are known to."""
        again = None
        for _ in range(self._max_draws):
            values = super().random_values()
            if values is None:
                break
            if self._accepts(values):
                if not self.was_tried(values):
                    self._drawn = values
                    return values
                again = values
        self._drawn = self._untried() or (again if self.trains_longer else None)
        return self._drawn

    def next_combination(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Step on until a candidate passes, but not without end."""
        following = super().next_combination(values)
        for _ in range(self._max_steps):
            if following is None or self._passes(following):
                return following
            following = super().next_combination(following)
        return None

    def was_tried(self, values: Mapping[str, Any]) -> bool:
        """Return whether a trial had these values, or the same network."""
        if self._identify is None or super().was_tried(values):
            return super().was_tried(values)
        for trial_id, trial in self.trials.items():
            if trial_id not in self._networks:
                self._networks[trial_id] = self._identify(trial.hyperparameters.values)
        return self._identify(values) in self._networks.values()

    def _passes(self, values: Mapping[str, Any]) -> bool:
        is_new = values is self._drawn or _GOES_ON in values or not self.was_tried(values)
        return is_new and self._is_within_limits(values)

    def _is_within_limits(self, values: Mapping[str, Any]) -> bool:
        # What was drawn has passed.
        return values is self._drawn or self._accepts(values)

    def _untried(self) -> dict[str, Any] | None:
        """Return the next of the known candidates."""
        values = next((dict(values) for values in self._known if not self.was_tried(values)), None)
        self.is_exhausted = values is None
        return values

    def end_trial(self, trial: Any) -> None:
        """Record a finished trial and report it."""
        super().end_trial(trial)
        self.save()
        self._on_end(len(self.end_order))

    def reload(self) -> None:
        """Read the state of the search.

        Raises:
            ConfigError: That of the search is damaged, or that of a trial gone or damaged: what the trial was of is not
                known.
        """
        instead = f"remove {self.state_path.parent}, and the same call trains its candidates again"
        try:
            for trial_id in read_object(self.state_path, instead=instead)["start_order"]:
                read_object(self.trial_path(trial_id), instead=instead)
            super().reload()
        except ConfigError:
            raise
        except (*UNREADABLE, AttributeError) as error:
            raise ConfigError(
                f"cannot read the search in {self.state_path.parent}: expected what keras-tuner writes, received other "
                f"content; {instead}"
            ) from error

    def save(self) -> None:
        """Write the state of the search, whole or not at all."""
        write_bytes(self.state_path, json.dumps(self.get_state()).encode())

    def save_trial(self, trial: Any) -> None:
        """Write the state of a trial, whole or not at all."""
        write_bytes(self.trial_path(trial.trial_id), json.dumps(trial.get_state()).encode())


def proposal_of(values: dict[str, Any] | None) -> dict[str, Any]:
    """Return values as keras-tuner's oracles propose them; `None` ends the search."""
    return {"status": "STOPPED" if values is None else "RUNNING", "values": values}
