"""Times the steps of a training and stops it when a loss is no longer a number."""

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.errors import ModelError, TrainingWarning

# Of the first epoch's loss.
_LEAST_FALL = 1e-3
_FEWEST_EPOCHS = 3
GIVEN = ("samples", "teacher's outputs")
TERMS = ("labels", "teacher", "trainee", "trainee's own", "penalty")
_LOWER_RATE = "lower the learning rate"
# Where the loss is no number and what helps, if that is not a term and a shorter step.
_CAUSES = {
    "samples": ("for samples or labels that are not finite", "mend these or leave them out"),
    "teacher's outputs": ("from the teacher term", "the teacher's outputs are not finite: see its weights"),
    "trainee's own": ("from the trainee's own term", f"{_LOWER_RATE} of trainee_optimizer"),
}


class NotFinite(keras.metrics.Metric):  # type: ignore[misc]
    """Counts the steps in which what they were given, or a term of their loss, was infinite or no number.

    The first term to go spoils the weights and with them all terms of later steps, so it has the highest count.
    """

    def __init__(self) -> None:
        super().__init__(name="not_finite")
        self.counts = self.add_variable((len(GIVEN + TERMS),), "zeros", name="counts")

    def update_state(self, terms: Mapping[str, Any]) -> None:
        """Look at the terms of a step, and sums of what it was given, by name; one that is missing counts as finite."""
        values = keras.ops.stack([keras.ops.cast(terms.get(name, 0.0), "float32") for name in GIVEN + TERMS])
        self.counts.assign_add(1.0 - keras.ops.cast(keras.ops.isfinite(values), "float32"))

    def result(self) -> Any:
        """Return the counts."""
        return self.counts

    @property
    def culprit(self) -> str:
        """Name of what was given and not finite, in any step; if nothing, of the term that went first."""
        counts = self.counts.numpy()
        given = (name for name, count in zip(GIVEN, counts, strict=False) if count)
        return next(given, TERMS[int(np.argmax(counts[len(GIVEN) :]))])


def total(values: Any) -> Any:
    """Return the sum of all floating-point numbers in a structure of dense tensors: finite where all of them are."""
    flat = [leaf for leaf in keras.tree.flatten(values) if isinstance(leaf, tf.Tensor | np.ndarray)]
    floats = [leaf for leaf in flat if tf.as_dtype(leaf.dtype).is_floating]
    return sum((keras.ops.sum(keras.ops.cast(leaf, "float32")) for leaf in floats), 0.0)


def say_if_idle(history: Mapping[str, Sequence[float]]) -> None:
    """Warn of a trainee that has learnt nothing: its loss never fell by a thousandth of what it began with.

    Args:
        history: Metrics per epoch, as in `keras.callbacks.History`; of fewer than three
            nothing is said, since rates are warmed up.
    """
    losses = history.get("trainee_loss", ())
    if len(losses) >= _FEWEST_EPOCHS and min(losses[1:]) > losses[0] - _LEAST_FALL * abs(losses[0]):
        warnings.warn(
            f"the trainee's loss did not move: {losses[0]:.4g} in the first epoch, {losses[-1]:.4g} in the last of "
            f"{len(losses)}, so it teaches nothing; see its optimizer's learning rate (trainee_optimizer), whether its "
            "layers are trainable, and whether the loss of compile() is for its kind of outputs (from_logits)",
            TrainingWarning,
            stacklevel=3,
        )


class TrainingMonitor(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives the Distiller's training log the time of each epoch's steps, and ends a training that has gone wrong."""

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Forget what was not finite in an earlier training."""
        self.model.training_log.not_finite.reset_state()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the clock and keep the student's weights."""
        self._weights = self.model.student.get_weights()
        self._guides = self.model.guides
        self._step = self.model.num_steps
        self.model.training_log.start_epoch(self._step)
        self._start: float | None = time.perf_counter()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Stop the clock: the rest of the epoch is validation."""
        self._stop()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Stop the clock and check that the epoch's losses are numbers."""
        self._stop()
        values = [float(value) for name, value in (logs or {}).items() if name in ("loss", "trainee_loss")]
        if all(math.isfinite(value) for value in values):
            return
        self.model.student.set_weights(self._weights)
        culprit = self.model.training_log.not_finite.culprit
        where, way_out = _CAUSES.get(culprit, (f"from the {culprit} term", _LOWER_RATE))
        raise ModelError(
            f"training stopped in epoch {epoch + 1}: expected a finite loss, received none {where}; the student has "
            f"its weights of the end of epoch {epoch} again; {way_out}"
        )

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Put the reports beside the history."""
        self.model.history.halting = [report.to_dict() for report in self.model.halting_reports]

    def _stop(self) -> None:
        if self._start is None:
            return
        seconds, self._start = time.perf_counter() - self._start, None
        num_steps = self.model.num_steps - self._step
        mixed = self._guides != self.model.guides
        self.model.training_log.add_epoch(None if mixed else self._guides, seconds, num_steps)
