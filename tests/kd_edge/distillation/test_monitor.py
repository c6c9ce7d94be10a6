"""A training whose loss is no longer a number stops, and says why."""

import keras
import numpy as np
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.errors import ModelError


class Spoil(keras.callbacks.Callback):
    """Runs something at the start of the second epoch, and remembers the student's weights of that moment."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.weights = self.model.student.get_weights()
            self.what(self.model)


class Loss(keras.losses.Loss):
    """The mean of the student's squared outputs, and no number once it is spoiled."""

    factor = 1.0

    def call(self, y_true, y_pred):
        return self.factor * keras.ops.mean(keras.ops.square(y_pred), axis=-1)


def spoil_labels(distiller):
    distiller.loss.factor = np.nan


def spoil(name):
    def set_weights(distiller):
        model = getattr(distiller, name)
        model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])

    return set_weights


@pytest.mark.parametrize(
    ("what", "term"), [(spoil_labels, "labels"), (spoil("teacher"), "teacher"), (spoil("trainee"), "trainee")]
)
def test_the_training_stops_names_the_term_and_keeps_the_last_good_weights(task, what, term):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0), trainee="like_teacher")
    distiller.compile("adam", loss=Loss(), run_eagerly=True)
    callback = Spoil(what)
    with pytest.raises(ModelError, match=f"stopped in epoch 2: .* from the {term} term; .* of the end of epoch 1"):
        distiller.fit(task.x, task.y, batch_size=16, epochs=3, verbose=0, callbacks=[callback])
    for before, now in zip(callback.weights, distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(before, now)


def square(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred - y_true), axis=-1)


def plain(task, loss=None):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile("sgd", loss=loss or Loss(), run_eagerly=True)
    return distiller


def test_samples_and_a_teachers_outputs_that_are_not_finite_are_named_with_what_helps(task):
    distiller, x = plain(task), np.array(task.x)
    x[-1, 0] = np.nan  # of the last batch alone
    with pytest.raises(ModelError, match=r"received none for samples or labels that are not finite; .*; mend these"):
        distiller.fit(x, task.y, batch_size=32, shuffle=False, verbose=0)
    with pytest.raises(ModelError, match="for samples or labels that are not finite"):
        plain(task, square).fit(task.x, np.full((len(x), 3), np.nan), batch_size=64, verbose=0)
    spoil("teacher")(distiller)
    with pytest.raises(ModelError, match=r"from the teacher term; .*; the teacher's outputs are not finite"):
        distiller.fit(task.x, task.y, batch_size=64, verbose=0)


def test_what_went_wrong_in_a_training_is_forgotten_in_the_next(task):
    distiller = plain(task)
    spoil_labels(distiller)
    with pytest.raises(ModelError, match="from the labels term"):
        distiller.fit(task.x, task.y, batch_size=32, verbose=0)
    distiller.loss.factor = 1.0
    spoil("teacher")(distiller)
    with pytest.raises(ModelError, match="from the teacher term"):
        distiller.fit(task.x, task.y, batch_size=64, verbose=0)


def test_a_step_that_is_too_long_is_noticed_in_the_compiled_step(task):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile(keras.optimizers.SGD(1e30), loss=task.loss())
    with pytest.raises(ModelError, match=r"expected a finite loss.*lower the learning rate"):
        distiller.fit(task.x, task.y, batch_size=16, epochs=2, verbose=0)
    assert np.isfinite(distiller.student.get_weights()[0]).all()
