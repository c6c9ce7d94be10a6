"""Oracles (keras-tuner's word for what proposes hyperparameters), made to propose only what fits."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kd_edge.compat.keras_tuner import OracleWrapper
from kd_edge.files import write_bytes

if TYPE_CHECKING:
    import keras_tuner

# Proposals of a model-based oracle that may be rejected before a random one takes their place.
_ATTEMPTS = 20


class BudgetOracle(OracleWrapper):
    """Makes any keras-tuner oracle propose only candidates that pass a check, so that no other is built or counted.

    The oracle that is wrapped keeps its own strategy and its own state, which is written whole or not at all.

    Args:
        oracle: For example `keras_tuner.oracles.RandomSearchOracle(...)`. It is absorbed: use the wrapper afterwards.
        accepts: Says whether the candidate with these hyperparameter values may be trained.
        max_draws: Random draws per trial.
        known: Candidates that pass, for when no random draw does; once they are used up the search is exhausted.
        on_end: Called with the number of finished trials after each of them, also of those that workers train.
    """

    def __init__(
        self,
        oracle: "keras_tuner.Oracle",
        accepts: Callable[[Mapping[str, Any]], bool],
        *,
        max_draws: int = 10_000,
        known: Sequence[Mapping[str, Any]] = (),
        on_end: Callable[[int], None] = lambda done: None,
    ) -> None:
        super().__init__(oracle)
        self._accepts = accepts
        self._max_draws = max_draws
        self._known = known
        self._on_end = on_end

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the wrapped oracle's proposal, replaced by a random or the next one where it does not pass."""
        for _ in range(1 if self.enumerates else _ATTEMPTS):
            proposal = super().populate_space(trial_id)
            if proposal["status"] != "RUNNING" or self._accepts(proposal["values"]):
                return proposal
        values = self.next_combination(proposal["values"]) if self.enumerates else self.random_values()
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}

    def random_values(self) -> dict[str, Any] | None:
        """Draw until a candidate passes; where none does, return one of those that are known to."""
        for _ in range(self._max_draws):
            values = super().random_values()
            if values is None or self._accepts(values):
                return values
        return next((dict(values) for values in self._known if not self.was_tried(values)), None)

    def next_combination(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Step on until a candidate passes."""
        following = super().next_combination(values)
        while following is not None and not self._accepts(following):
            following = super().next_combination(following)
        return following

    def end_trial(self, trial: Any) -> None:
        """Record a finished trial and report it."""
        super().end_trial(trial)
        self.save()
        self._on_end(len(self.end_order))

    def save(self) -> None:
        """Write the state of the search, whole or not at all."""
        write_bytes(self.state_path, json.dumps(self.get_state()).encode())

    def save_trial(self, trial: Any) -> None:
        """Write the state of a trial, whole or not at all."""
        write_bytes(self.trial_path(trial.trial_id), json.dumps(trial.get_state()).encode())
