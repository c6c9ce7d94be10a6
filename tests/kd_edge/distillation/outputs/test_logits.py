"""Whether outputs are logits or probabilities is found from the graph or from outputs, and else said once."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.monitor import say_if_idle
from kd_edge.distillation.outputs.logits import (
    alike,
    are_probabilities,
    ends_in_softmax,
    sigmoid_to_logits,
    to_logits,
)
from kd_edge.distillation.outputs.predictions import predictions
from kd_edge.errors import TrainingWarning

L = keras.layers


def graph(*layers):
    source = x = keras.Input((8,))
    for layer in layers:
        x = layer(x)
    return keras.Model(source, x)


class Subclassed(keras.Model):
    """A network whose graph nobody knows."""

    def __init__(self, softmax=True):
        super().__init__()
        self.inner, self.softmax = L.Dense(3), softmax

    def call(self, x):
        return tf.nn.softmax(self.inner(x)) if self.softmax else self.inner(x)


KNOWN = {
    "dense": ([L.Dense(3)], False),
    "softmax": ([L.Dense(3, activation="softmax")], True),
    "softmax of tensorflow": ([L.Dense(3, activation=tf.nn.softmax)], True),
    "operation": ([L.Dense(3), keras.ops.softmax], True),
    "cast behind": ([L.Dense(3, activation="softmax"), lambda x: keras.ops.cast(x, "float16"), L.Identity()], True),
    "reshaped": ([L.Dense(6, activation="softmax"), L.Reshape((6,)), L.Activation("linear")], True),
    "nested": ([keras.Sequential([keras.Input((8,)), L.Dense(3), L.Softmax()])], True),
    "log-softmax": ([L.Dense(3), L.Activation("log_softmax")], False),
    "lambda": ([L.Dense(3), L.Lambda(tf.nn.softmax)], None),
    "mean of two": ([L.Dense(3, activation="softmax"), lambda x: L.Average()([x, x])], None),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_the_graph_tells_it_where_it_can(kind):
    layers, expected = KNOWN[kind]
    assert ends_in_softmax(graph(*layers)) == [expected]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (graph(*KNOWN["lambda"][0]), True),
        (graph(*KNOWN["mean of two"][0]), True),
        (Subclassed(), True),
        (Subclassed(softmax=False), False),
        (graph(L.Dense(1, activation=lambda x: tf.nn.sigmoid(x))), False),
    ],
)
def test_outputs_for_some_samples_tell_what_the_graph_does_not(model, expected, task):
    assert ends_in_softmax(model) == [None]
    assert ends_in_softmax(model, task.x) == [expected]


def test_distributions_are_told_from_other_numbers():
    assert are_probabilities([[0.2, 0.8], [1.0, 0.0]])
    assert not are_probabilities([[0.2, 0.8], [1.5, -0.5]])
    assert not are_probabilities([[1.0], [1.0]])
    assert not are_probabilities([[np.nan, 1.0]])


def test_least_probabilities_in_half_precision_have_the_logits_of_single_precision():
    shares = np.array([[1.0, 0.0], [0.25, 0.75]])
    for turn in (to_logits, sigmoid_to_logits):
        half, single = (np.asarray(turn(shares.astype(dtype), [True])) for dtype in ("float16", "float32"))
        np.testing.assert_array_equal(half, single)
        assert np.isfinite(half).all()


def test_predictions_in_half_precision_come_in_single(task):
    model = graph(L.Dense(3, dtype="mixed_float16"))
    assert model.predict(task.x, verbose=0).dtype == np.float16
    assert predictions(model, task.x).dtype == np.float32


def test_where_one_side_is_unknown_both_are_taken_as_they_are():
    assert alike([True, True], [None, False]) == ([False, True], [False, False])
    assert alike([None], [True, False]) == ([], [])


def compiled(teacher, student, task):
    distiller = Distiller(teacher, student, LogitsDistillation(2.0), student_loss_weight=0.0)
    distiller.compile("sgd", loss=task.loss())
    return distiller


@pytest.mark.parametrize("as_dataset", [False, True])
def test_a_subclassed_teacher_with_a_softmax_teaches_like_one_whose_graph_is_known(task, as_dataset):
    teacher = Subclassed()
    teacher(task.x)
    known = graph(L.Dense(3, activation="softmax"))
    known.set_weights(teacher.inner.get_weights())
    losses = []
    for one in (teacher, known):
        keras.utils.set_random_seed(3)
        distiller = compiled(one, task.network(), task)
        fed = tf.data.Dataset.from_tensor_slices((task.x, task.y)).batch(16) if as_dataset else task.x
        history = distiller.fit(fed, None if as_dataset else task.y, shuffle=False, verbose=0, epochs=2)
        losses.append(history.history["distillation_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_subclassed_teacher_with_a_softmax_is_told_before_a_single_batch_too(task):
    teacher = Subclassed()
    teacher(task.x)
    distiller = Distiller(teacher, task.network(), LogitsDistillation(2.0))
    distiller.compile("sgd", loss=task.loss(), run_eagerly=True)
    distiller.train_on_batch(task.x, task.y)
    assert distiller.guide_set.guides["teacher"].softmax == [True]


def test_what_stays_unknown_is_said_once(task):
    def batches():
        while True:
            yield task.x[:16], task.y[:16]

    distiller = compiled(Subclassed(), task.network(), task)
    with pytest.warns(TrainingWarning, match="outputs of teacher are logits or probabilities is not known"):
        distiller.fit(batches(), steps_per_epoch=2, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        distiller.fit(batches(), steps_per_epoch=2, verbose=0)


def test_a_trainee_whose_loss_does_not_move_is_said(task):
    distiller = Distiller(None, task.network(), LogitsDistillation(2.0), trainee=task.network(16))
    distiller.compile("sgd", loss=task.loss(), trainee_optimizer=keras.optimizers.SGD(0.0))
    with pytest.warns(TrainingWarning, match="the trainee's loss did not move: .* in the last of 3"):
        distiller.fit(task.x, task.y, epochs=3, verbose=0)


def test_of_a_trainee_that_learns_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say_if_idle({"trainee_loss": [1.1, 1.1, 1.0]})
        say_if_idle({"trainee_loss": [1.1, 1.1]})
        say_if_idle({"loss": [1.0, 1.0]})
