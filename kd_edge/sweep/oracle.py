"""The oracle of a sweep: proposes networks until each cell has enough candidates."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kd_edge.search.oracles import BudgetOracle, proposal_of
from kd_edge.search.space.student_space import Values
from kd_edge.sweep.screening import Feasible

if TYPE_CHECKING:
    import keras_tuner

# Random draws for one trial; where none is wanted, those that the screening found are taken.
_MAX_DRAWS = 500


class SweepOracle(BudgetOracle):
    """Makes any keras-tuner oracle propose networks that some cell still lacks.

    A cell has enough once as many of its wanted networks were tried, by whichever cell they were proposed for.

    Args:
        oracle: Is absorbed, as by `BudgetOracle`.
        cells: Those that some network fits.
        num_trials: How many candidates a cell is to have.
        identify: As for `BudgetOracle`.
        on_end: Called with the share of the candidates that are there, 0 to 1, and with their number.
    """

    def __init__(
        self,
        oracle: "keras_tuner.Oracle",
        cells: Sequence[Feasible],
        *,
        num_trials: int,
        identify: Callable[[Values], Hashable] | None = None,
        on_end: Callable[[float, int], None] = lambda share, done: None,
    ) -> None:
        super().__init__(
            oracle,
            self._is_lacking,
            identify=identify,
            max_draws=_MAX_DRAWS,
            on_end=lambda done: on_end(self._share(), done),
        )
        self.max_trials = None  # those of budgets that went count to keras-tuner
        self._cells, self._num_trials = cells, num_trials
        self._lacking: list[Feasible] = []

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return what is trained next; nothing once each cell has enough."""
        counts = self._counts(self.trials)
        self._lacking = [cell for cell, count in zip(self._cells, counts, strict=True) if count < self._num_trials]
        if not self._lacking:
            return {"status": "STOPPED", "values": None}
        proposal = super().populate_space(trial_id)
        return proposal_of(self._untried()) if proposal["status"] == "STOPPED" else proposal

    def _untried(self) -> dict[str, Any] | None:
        """Return one of the networks that the screening has found, for when the other oracle finds none."""
        found = (values for cell in self._lacking for values in cell.known())
        values = next((dict(values) for values in found if not self.was_tried(values)), None)
        self.is_exhausted = values is None
        return values

    def _is_lacking(self, values: Values) -> bool:
        return any(cell.wants(values) for cell in self._lacking)

    def _counts(self, trial_ids: Iterable[str]) -> list[int]:
        tried = [self.trials[trial_id].hyperparameters.values for trial_id in trial_ids]
        return [sum(cell.wants(values) for values in tried) for cell in self._cells]

    def _share(self) -> float:
        enough = sum(min(count, self._num_trials) for count in self._counts(self.end_order))
        return enough / (self._num_trials * len(self._cells))
