"""Trains what a search proposes, with keras-tuner."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from kd_edge.compat.keras_tuner import StatelessTuner, asks_a_chief
from kd_edge.config.choices import STUDENT_LOSS_WEIGHT, TEMPERATURE
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import Recipe, kept_accuracy
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training import distill
from kd_edge.errors import ConfigError, KdEdgeError
from kd_edge.search.checkpoint import finite_history, is_whole, load_training, load_weights, save_trial
from kd_edge.search.results import CandidateTraining
from kd_edge.search.scores import validation_score
from kd_edge.search.space.student_space import StudentSpace, Values
from kd_edge.search.weight_inheritance import WeightInheritance
from kd_edge.silence import say


class SizingTuner(StatelessTuner):
    """Trains candidates of a space briefly with the teacher's soft targets and scores them on validation samples.

    Args:
        oracle: Proposes hyperparameter values; usually a `BudgetOracle`.
        space: Turns them into networks.
        targets: The teacher's outputs for the training samples: the teacher runs once for the whole search.
        recipe: How each candidate is trained; Hyperband decides on the epochs itself.
        inheritance: The teacher's weights, from which candidates start; fresh ones by default.
        temperature: Softens the teacher's outputs.
        student_loss_weight: Weight of the labels, 0 to 1.
        objective: What they are ranked by; see `objective_for`.
        **kwargs: `directory`, `project_name` and `overwrite` of `keras_tuner.Tuner`.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        *,
        space: StudentSpace,
        targets: SoftTargets,
        recipe: Recipe,
        inheritance: WeightInheritance | None = None,
        temperature: float = TEMPERATURE,
        student_loss_weight: float = STUDENT_LOSS_WEIGHT,
        objective: str = "accuracy",
        **kwargs: Any,
    ) -> None:
        self._space = space
        self._targets = targets
        self._recipe = recipe
        self._inheritance = inheritance
        self._temperature = temperature
        self._student_loss_weight = student_loss_weight
        self._objective = objective
        # keras-tuner says on stdout that it resumes.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(oracle, **kwargs)

    def run_trial(self, trial: Any, data: Dataset) -> dict[str, float]:
        """Train one candidate and return its best validation accuracy, or metric, and what it is ranked by there.

        Every network of a space can be trained: a failure is an error of this package or of the machine, and ends the
        search instead of being counted as a failed trial.

        Raises:
            keras_tuner.errors.FatalRuntimeError: It failed; the cause is behind it.
        """
        values = trial.hyperparameters.values
        try:
            student = self.start(values, data)
            training = self._train(student, values, data)
            save_trial(self.get_trial_dir(trial.trial_id), student.get_weights(), training)
        except Exception as error:
            raise keras_tuner.errors.FatalRuntimeError(f"candidate {values} failed") from error
        found = {f"val_{data.task.metric}": kept_accuracy(training.history)}
        if self._objective != data.task.metric:
            found[f"val_{self._objective}"] = validation_score(student, data, self._objective)
        return found

    def _train(self, student: keras.Model, values: Values, data: Dataset) -> CandidateTraining:
        initial_epoch = int(values.get("tuner/initial_epoch", 0))
        epochs = int(values.get("tuner/epochs", self._recipe.epochs)) - initial_epoch
        recipe = replace(self._recipe, epochs=epochs)
        temperature, weight = self._temperature, self._student_loss_weight
        training = distill(
            student, data, recipe, teacher=self._targets, temperature=temperature, student_loss_weight=weight
        )
        history = finite_history(training.history)
        seconds, halting = training.seconds, training.halting
        return CandidateTraining(recipe, temperature, weight, initial_epoch, history, seconds, halting)

    def start(self, values: Values, data: Dataset) -> keras.Model:
        """Return a candidate as its training starts: with inherited weights, or those of an earlier round."""
        keras.utils.set_random_seed(self._recipe.seed)
        if "tuner/trial_id" in values:
            return self.trained(values, str(values["tuner/trial_id"]))
        if self._inheritance is None:
            return self._space.blueprint(values).to_keras()
        return self._inheritance.student(values, data.x_train)

    def trained(self, values: Values, trial_id: str) -> keras.Model:
        """Return a candidate with the weights that a trial left."""
        student = self._space.blueprint(values).to_keras()
        student.set_weights(load_weights(self.get_trial_dir(trial_id)))
        return student

    def training(self, trial_id: str) -> CandidateTraining:
        """Return how a trial was trained."""
        return load_training(self.get_trial_dir(trial_id))

    def save(self) -> None:
        """Write the state of the search, whole or not at all."""
        if not asks_a_chief(self):
            self.oracle.save()

    def reload(self) -> None:
        """Read the state of the search; a finished candidate of which a file is gone or damaged is trained again."""
        if asks_a_chief(self):
            return
        self.oracle.reload()
        finished = self.oracle.end_order
        lost = [trial_id for trial_id in finished if not is_whole(self.get_trial_dir(trial_id))]
        if lost:
            self.oracle.train_again(lost)
            say(f"files of {len(lost)} of {len(finished)} candidates are gone or damaged: these are trained again")


def search_trials(tuner: SizingTuner, data: Dataset, directory: str | Path) -> None:
    """Train what a tuner's oracle proposes, and raise what the user can do something about as an error of this package.

    Args:
        tuner: Resumes where its folder says so.
        data: Training and validation samples.
        directory: The search's folder, for a message.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    try:
        tuner.search(data)
    except keras_tuner.errors.FatalError as error:
        if isinstance(error.__cause__, KdEdgeError):
            raise error.__cause__ from error
        raise
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"cannot write the search in {directory}: {reason}; the same call goes on once there is room"
        ) from error
