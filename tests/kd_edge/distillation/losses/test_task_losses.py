"""Tests of distillation where answers are no single class: labels, measured values, several outputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import FeatureDistillation, LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.losses.guide_losses import DecoupledDistillation
from kd_edge.distillation.losses.task_losses import BinaryDistillation, BoundedRegression
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import ConfigError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 4)).astype(np.float32)
LABELS = (X[:, :3] > 0).astype(np.float32)
FROM_LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def network(num_outputs, activation=None, width=4):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(num_outputs, activation=activation),
        ]
    )


def two_heads(width):
    inputs = keras.Input((4,))
    h = keras.layers.Dense(width, activation="relu")(inputs)
    return keras.Model(inputs, {"kind": keras.layers.Dense(3)(h), "size": keras.layers.Dense(1)(h)})


@pytest.fixture(scope="module")
def teachers():
    """Networks of 3 labels that are sure of them: one ends in logits, one of the same weights in sigmoids."""
    keras.utils.set_random_seed(0)
    logits = network(3, width=32)
    logits.compile(keras.optimizers.Adam(1e-2), FROM_LOGITS)
    logits.fit(X, LABELS, epochs=15, verbose=0)
    sigmoids = network(3, "sigmoid", width=32)
    sigmoids.set_weights(logits.get_weights())
    return {None: logits, "sigmoid": sigmoids}


def first_loss(teacher, student, losses, y, loss, weights=None):
    distiller = Distiller(teacher, student, losses, weights, student_loss_weight=0.0)
    distiller.compile("sgd", loss=loss, run_eagerly=True)
    return distiller.fit(X, y, batch_size=len(X), verbose=0).history["distillation_loss"][0]


def test_the_divergence_of_sigmoids_is_that_of_keras_two_class_softmax():
    theirs, ours = RNG.normal(size=(8, 1)), RNG.normal(size=(8, 1))
    as_classes = [np.concatenate([np.zeros_like(side), side], axis=1) for side in (theirs, ours)]
    softmax = [keras.ops.softmax(side / 3) for side in as_classes]
    expected = 9 * keras.losses.KLDivergence()(*softmax)
    assert float(BinaryDistillation(3.0).compute_loss(theirs, ours)) == pytest.approx(float(expected), rel=1e-5)


def test_several_labels_count_by_their_mean():
    theirs, ours = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 3))
    loss = BinaryDistillation(2.0)
    single = [float(loss.compute_loss(theirs[:, i : i + 1], ours[:, i : i + 1])) for i in range(3)]
    assert float(loss.compute_loss(theirs, ours)) == pytest.approx(np.mean(single), rel=1e-5)


def test_a_student_better_than_the_teacher_by_the_margin_is_left_alone():
    truth = np.zeros((4, 1), np.float32)
    theirs, ours = np.float32([[2], [2], [2], [1]]), np.float32([[1], [1.9], [3], [1]])
    values = BoundedRegression().per_sample(theirs, ours, truth)
    np.testing.assert_allclose(values, [0, 0, 9, 0], rtol=1e-6)
    # 1.9^2 + 0.5 > 2^2, and 1 + 0.5 > 1.
    np.testing.assert_allclose(BoundedRegression(0.5).per_sample(theirs, ours, truth), [0, 3.61, 9, 1], rtol=1e-6)
    np.testing.assert_allclose(BoundedRegression().per_sample(theirs, ours, None), [1, 0.01, 1, 0], rtol=1e-4)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("ending", [None, "sigmoid"])
def test_a_teacher_of_logits_and_one_of_sigmoids_teach_the_same(teachers, stored, ending):
    keras.utils.set_random_seed(1)
    student = network(3, "sigmoid")
    losses = []
    for activation in (None, ending):
        copy = keras.models.clone_model(student)
        copy.set_weights(student.get_weights())
        teacher = soft_targets(teachers[activation], X) if stored else teachers[activation]
        losses.append(first_loss(teacher, copy, BinaryDistillation(2.0), LABELS, "binary_crossentropy"))
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=5e-3 if stored else 1e-4)


def test_stored_sigmoids_are_probabilities_again_for_a_loss_that_compares_values(teachers):
    targets = soft_targets(teachers["sigmoid"], X)
    assert targets.sigmoid == [True]
    student = network(3)
    live, stored = (
        first_loss(teacher, clone, FeatureDistillation(), LABELS, FROM_LOGITS)
        for teacher in (teachers["sigmoid"], targets)
        for clone in [_same(student)]
    )
    assert stored == pytest.approx(live, rel=1e-3)


def _same(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def test_a_student_taught_by_the_teacher_alone_decides_on_labels_like_it(teachers):
    keras.utils.set_random_seed(0)
    student = network(3, width=16)
    distiller = Distiller(teachers["sigmoid"], student, BinaryDistillation(2.0), student_loss_weight=0.0)
    distiller.compile(keras.optimizers.Adam(2e-2), loss=FROM_LOGITS)
    history = distiller.fit(X, LABELS, epochs=30, verbose=0).history
    same = (teachers["sigmoid"](X) > 0.5) == (student(X) > 0)
    assert np.mean(same) > 0.9
    assert history["teacher_agreement"][-1] == pytest.approx(np.mean(same), abs=0.03)


@pytest.mark.parametrize(
    ("loss", "outputs", "message"),
    [
        (LogitsDistillation(4.0), (1, None), r"would be constant.*shape \(None, 1\).*use kd_edge.BinaryDistillation"),
        (DecoupledDistillation(), (1, "sigmoid"), "would be constant.*measured value kd_edge.BoundedRegression"),
        (LogitsDistillation(4.0), (3, "sigmoid"), "received the outputs of sigmoids; use kd_edge.BinaryDistillation"),
        (BinaryDistillation(), (3, "softmax"), "received the outputs of a softmax; use keras.distillation.Logits"),
    ],
)
def test_a_loss_that_is_constant_or_wrong_for_the_outputs_is_refused_at_construction(loss, outputs, message):
    with pytest.raises(ConfigError, match=message):
        Distiller(network(*outputs, width=8), network(*outputs), loss)


@pytest.mark.parametrize(
    ("loss", "compiled", "message"),
    [
        (LogitsDistillation(4.0), FROM_LOGITS, "compares classes: .* received one for labels; use kd_edge.Binary"),
        (LogitsDistillation(4.0), "mse", "received one for values; use kd_edge.BoundedRegression"),
        (BinaryDistillation(), "sparse_categorical_crossentropy", "compares labels: .* use keras.distillation.Logits"),
        (BoundedRegression(), FROM_LOGITS, "compares values: .* received one for labels"),
    ],
)
def test_a_loss_for_other_labels_is_refused_when_compiled(loss, compiled, message):
    distiller = Distiller(network(3, width=8), network(3), loss)
    with pytest.raises(ConfigError, match=message):
        distiller.compile("sgd", loss=compiled)


def test_outputs_of_two_kinds_learn_each_by_its_own_loss(tmp_path):
    keras.utils.set_random_seed(0)
    y = {"kind": X[:, :3].argmax(axis=1), "size": X[:, 3:]}
    compiled = {"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"}
    teacher, student = two_heads(32), two_heads(8)
    teacher.compile(keras.optimizers.Adam(1e-2), compiled)
    teacher.fit(X, y, epochs=15, verbose=0)
    losses = {"size": BoundedRegression(), "kind": LogitsDistillation(2.0)}
    distiller = Distiller(soft_targets(teacher, X), student, losses, [0.5, 1.0], student_loss_weight=0.1)
    distiller.compile(keras.optimizers.Adam(1e-2), loss=compiled)
    history = distiller.fit(X, y, epochs=15, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0] / 2
    distiller.save(tmp_path / "two.keras")
    again = keras.models.load_model(tmp_path / "two.keras")
    assert again.distillation_outputs == [(1, "size"), (0, "kind")]


def test_each_output_has_the_part_of_its_loss():
    keras.utils.set_random_seed(0)
    teacher, student = two_heads(8), two_heads(4)
    y = {"kind": X[:, :3].argmax(axis=1), "size": X[:, 3:]}
    compiled = {"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"}
    losses = {"kind": LogitsDistillation(2.0), "size": BoundedRegression()}
    *parts, both = (
        first_loss(teacher, _same(student), losses, y, compiled, weights) for weights in ([1, 0], [0, 1], [1, 1])
    )
    assert both == pytest.approx(sum(parts), rel=1e-5)


def test_one_loss_for_two_outputs_says_how_to_give_one_each():
    with pytest.raises(ConfigError, match=r"one LogitsDistillation for 2 outputs: .*\{'kind': ..., 'size': ...\}"):
        Distiller(two_heads(8), two_heads(4), LogitsDistillation(2.0))
    with pytest.raises(ConfigError, match="no output 'weight' for a distillation loss"):
        Distiller(two_heads(8), two_heads(4), {"weight": BoundedRegression()})


@pytest.mark.parametrize("ending", [None, "sigmoid"])
def test_a_trainee_leaves_once_it_and_the_student_decide_alike(ending):
    keras.utils.set_random_seed(0)
    y = LABELS[:, :1]
    student, trainee = network(1, ending), network(1, None, width=16)
    distiller = Distiller(None, student, BinaryDistillation(2.0), trainee=trainee)
    distiller.compile(keras.optimizers.Adam(2e-2), loss=keras.losses.BinaryCrossentropy(from_logits=ending is None))
    history = distiller.fit(X, y, epochs=12, verbose=0, callbacks=[EarlyHalting(baseline=0.9)]).history
    assert distiller.halted == ("trainee",)
    assert history["trainee_loss"][-1] < history["trainee_loss"][0]


def test_measured_values_cannot_agree_and_the_rules_that_fit_are_named():
    distiller = Distiller(network(3, width=8), network(3), BoundedRegression(), trainee="like_teacher")
    distiller.compile("sgd", loss="mse")
    with pytest.raises(ConfigError, match=r"expected an output of 2 classes .*use rule='plateau' or rule='gradient'"):
        distiller.fit(X, X[:, :3], verbose=0, callbacks=[EarlyHalting()])


def test_the_largest_of_several_labels_cannot_be_stored_alone(teachers):
    with pytest.raises(ConfigError, match="no top_k of labels that hold together"):
        soft_targets(teachers["sigmoid"], X, top_k=1)


@pytest.mark.parametrize(("loss", "message"), [(BinaryDistillation, "temperature"), (BoundedRegression, "margin")])
def test_arguments_below_0_are_refused(loss, message):
    with pytest.raises(ConfigError, match=f"bad {message}: expected .* received -1"):
        loss(-1)
    for bad in (float("nan"), "4", None):
        with pytest.raises(ConfigError, match=f"bad {message}: expected .* received {bad!r}"):
            loss(bad)


@pytest.mark.parametrize("loss", ["mse", "huber", "poisson", "cosine_similarity", keras.losses.CosineSimilarity()])
def test_outputs_of_a_loss_of_values_decide_on_nothing(loss):
    distiller = Distiller(network(3, width=8), network(3), FeatureDistillation())
    distiller.compile("sgd", loss=loss)
    assert distiller.guide_set.decides == [""]


def test_subclassed_networks_of_labels_are_told_by_their_outputs(teachers):
    class Labels(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network(3)

        def call(self, x):
            return tf.sigmoid(self.inner(x))

    student = Labels()
    student(X[:1])
    plain = network(3)
    plain.set_weights(student.inner.get_weights())
    values = [
        first_loss(teachers[None], one, BinaryDistillation(2.0), LABELS, loss)
        for one, loss in ((student, "binary_crossentropy"), (plain, FROM_LOGITS))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-3)
