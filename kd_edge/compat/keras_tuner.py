"""Private names of keras-tuner 1.4: how an oracle draws candidates, and where it keeps the state of a search."""

import functools
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial


def _handed_on(name: str) -> Callable[..., Any]:
    def method(self: "OracleWrapper", *args: Any, **kwargs: Any) -> Any:
        return getattr(self.wrapped, name)(*args, **kwargs)

    return method


class OracleWrapper(keras_tuner.Oracle):  # type: ignore[misc]
    """Stands for another oracle, which keeps its strategy and its state: what this one is asked, that one answers.

    The other takes five steps through this one, so that a subclass may change them: `populate_space`, `random_values`
    (how random search, Hyperband and Bayesian optimization draw), `next_combination` (how grid search goes on), `save`
    and `save_trial`.

    Args:
        oracle: The other. Its steps are replaced: use the wrapper afterwards.
    """

    def __init__(self, oracle: keras_tuner.Oracle) -> None:
        # Without `Oracle.__init__`: the state is the other's.
        self.wrapped = oracle
        self._waiting: list[str] = []
        self.enumerates = hasattr(oracle, "_get_next_combination")
        self.trains_longer = isinstance(oracle, keras_tuner.oracles.HyperbandOracle)
        self._steps = {name: getattr(oracle, name) for name in ("populate_space", "_random_values", "save")}
        self._steps["_save_trial"] = oracle._save_trial
        oracle.populate_space = self.populate_space
        oracle._random_values = self.random_values
        oracle.save = self.save
        oracle._save_trial = self.save_trial
        if self.enumerates:
            self._steps["_get_next_combination"] = oracle._get_next_combination
            oracle._get_next_combination = self.next_combination

    create_trial = _handed_on("create_trial")
    update_trial = _handed_on("update_trial")
    score_trial = _handed_on("score_trial")
    get_trial = _handed_on("get_trial")
    get_best_trials = _handed_on("get_best_trials")
    remaining_trials = _handed_on("remaining_trials")
    get_space = _handed_on("get_space")
    update_space = _handed_on("update_space")
    get_state = _handed_on("get_state")
    set_state = _handed_on("set_state")
    _set_project_dir = _handed_on("_set_project_dir")

    def __getattr__(self, name: str) -> Any:
        """Return what only the other has, such as `trials` and `objective`."""
        return getattr(self.__dict__["wrapped"], name)

    @property
    def max_trials(self) -> int | None:
        """How many trials the search has at most; may be set, as of any oracle."""
        most: int | None = self.wrapped.max_trials
        return most

    @max_trials.setter
    def max_trials(self, value: int | None) -> None:
        self.wrapped.max_trials = value

    def reload(self) -> None:
        """Read the state of the search; grid search, whose state does not say it, goes on after its latest trial.

        Trials are in the order in which they started. One that the state does not know was being proposed when the
        process was killed: it is proposed again.
        """
        other = self.wrapped
        other.reload()
        other.trials = {trial_id: other.trials[trial_id] for trial_id in other.start_order}
        self.train_again(())
        if self.enumerates:
            other._populate_next = other.start_order[-1:]

    def train_again(self, lost: Container[str]) -> None:
        """Propose the trials that have started and not ended, in that order, before any new one.

        One that goes on from another, as in Hyperband, waits until that has ended.

        Args:
            lost: Trials that count as not ended.
        """
        other = self.wrapped
        other.end_order = [trial_id for trial_id in other.end_order if trial_id not in lost]
        self._waiting = [trial_id for trial_id in other.start_order if trial_id not in other.end_order]
        other.trials |= {
            trial_id: Trial(other.trials[trial_id].hyperparameters, trial_id) for trial_id in self._waiting
        }
        other._retry_queue = []
        self._queue_ready()

    def end_trial(self, trial: Trial) -> None:
        """Record a finished trial; those that waited for it are proposed next."""
        self.wrapped.end_trial(trial)
        self._queue_ready()

    def _queue_ready(self) -> None:
        other = self.wrapped
        before = {i: other.trials[i].hyperparameters.values.get("tuner/trial_id") for i in self._waiting}
        ready = [trial_id for trial_id in self._waiting if before[trial_id] in (None, *other.end_order)]
        self._waiting = [trial_id for trial_id in self._waiting if trial_id not in ready]
        other._retry_queue[:0] = ready[::-1]  # its end comes first

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the other's proposal: its `status`, and the `values` if that is `"RUNNING"`."""
        if self._waiting:
            return {"status": "IDLE"}
        if self.enumerates:
            self._order_trials()
        proposal: dict[str, Any] = self._steps["populate_space"](trial_id)
        return proposal

    def random_values(self) -> dict[str, Any] | None:
        """Draw values that no trial had; None where the space seems exhausted."""
        values: dict[str, Any] | None = self._steps["_random_values"]()
        return values

    def next_combination(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what follows on some values where the other `enumerates` its space; None after the last."""
        following: dict[str, Any] | None = self._steps["_get_next_combination"](values)
        return following

    def _order_trials(self) -> None:
        """Show grid search where in its order the trials are that it has not proposed since it was made."""
        other = self.wrapped
        if other.trials.keys() <= other._ordered_ids._data_to_index.keys():
            return

        def compare(one: str, another: str) -> int:
            values = (other.trials[trial_id].hyperparameters.values for trial_id in (one, another))
            return int(other._compare(*values))

        other._ordered_ids = type(other._ordered_ids)()
        for trial_id in sorted(other.trials, key=functools.cmp_to_key(compare)):
            other._ordered_ids.insert(trial_id)

    def save(self) -> None:
        """Write the state of the search."""
        self._steps["save"]()

    def save_trial(self, trial: Any) -> None:
        """Write the state of one trial."""
        self._steps["_save_trial"](trial)

    def was_tried(self, values: Mapping[str, Any]) -> bool:
        """Return whether a trial had these values."""
        return bool(self.wrapped._duplicate(values))

    @property
    def state_path(self) -> Path:
        """The file that the state of the search is read from."""
        return Path(self.wrapped._get_oracle_fname())

    def trial_path(self, trial_id: str) -> Path:
        """Return the file that the state of a trial is read from."""
        return Path(self.wrapped._get_trial_dir(trial_id)) / "trial.json"


def num_hyperband_trials(oracle: keras_tuner.oracles.HyperbandOracle) -> int:
    """Return how many trials one sweep of Hyperband over all its brackets has."""
    brackets = range(oracle._get_num_brackets())
    return sum(oracle._get_size(bracket, done) for bracket in brackets for done in range(bracket + 1))


class StatelessTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """A tuner that has no state beside its oracle's: it resumes where that has one, alone or with other processes.

    keras-tuner resumes where a tuner of the same name has left a file, and a chief has another name.
    """

    def _get_tuner_fname(self) -> str:
        return str(self.oracle._get_oracle_fname())


def asks_a_chief(tuner: keras_tuner.Tuner) -> bool:
    """Return whether a tuner's oracle is that of another process, which writes its own state."""
    return bool(tuner._is_worker())
