"""The distillation losses against their formulas, worked out in NumPy sample by sample."""

import itertools

import keras
import numpy as np
import pytest
from keras.distillation import DistillationLoss, FeatureDistillation, LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.losses.guide_losses import (
    AttentionTransfer,
    DecoupledDistillation,
    HintDistillation,
    RelationalDistillation,
    distillation_value,
)
from kd_edge.errors import ConfigError, ModelError

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 4, 3, 3, 5)).astype("float32")  # of teacher and student: 4 samples, 3 x 3, 5 channels
LOGITS = RNG.normal(size=(2, 4, 3)).astype("float32") * 2  # 4 samples, 3 classes
LABELS = np.array([0, 2, 1, 1])
WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5], "float32")


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def kl(p, q):
    return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def huber(a, b):
    return (a - b) ** 2 / 2 if abs(a - b) <= 1 else abs(a - b) - 0.5


def hint(t, s):
    return [((a - b) ** 2).mean() / 2 for a, b in zip(t, s, strict=True)]


def attention(t, s):
    maps = [[(a**2).sum(axis=-1) for a in side] for side in (t, s)]
    units = [[m / np.sqrt((m**2).sum()) for m in side] for side in maps]
    return [((a - b) ** 2).sum() / 2 for a, b in zip(*units, strict=True)]


def relational(t, s, distance_weight, angle_weight):
    n = len(t)
    sides = [[a.ravel() for a in side] for side in (t, s)]

    def distance(side, i, j):
        pairs = [np.linalg.norm(side[a] - side[b]) for a, b in itertools.permutations(range(n), 2)]
        return np.linalg.norm(side[i] - side[j]) / np.mean(pairs)

    def cosine(side, i, j, k):
        if i in (j, k):
            return 0.0
        a, b = side[j] - side[i], side[k] - side[i]
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    values = []
    for i in range(n):
        distances = np.mean([huber(*(distance(side, i, j) if i != j else 0.0 for side in sides)) for j in range(n)])
        angles = [huber(*(cosine(side, i, j, k) for side in sides)) for j in range(n) for k in range(n)]
        values.append(distance_weight * distances + angle_weight * np.mean(angles))
    return values


def decoupled(t, s, labels, temperature, alpha, beta):
    values = []
    for a, b, label in zip(t, s, labels, strict=True):
        p, q = softmax(a / temperature), softmax(b / temperature)
        others = [i for i in range(len(p)) if i != label]
        sure = kl([p[label], 1 - p[label]], [q[label], 1 - q[label]])
        spread = kl(p[others] / p[others].sum(), q[others] / q[others].sum())
        values.append(temperature**2 * (alpha * sure + beta * spread))
    return values


CASES = {
    "hints": (HintDistillation("a", "b"), MAPS, hint(*MAPS)),
    "attention": (AttentionTransfer("a", "b"), MAPS, attention(*MAPS)),
    "relations of outputs": (RelationalDistillation(1.5, 0.5), LOGITS, relational(*LOGITS, 1.5, 0.5)),
    "relations of maps": (RelationalDistillation(0.0, 1.0, "a", "b"), MAPS, relational(*MAPS, 0.0, 1.0)),
    "decoupled": (DecoupledDistillation(2.0, 1.0, 8.0), LOGITS, decoupled(*LOGITS, LABELS, 2.0, 1.0, 8.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_the_mean_of_its_formula(name):
    loss, (teacher, student), expected = CASES[name]
    value = distillation_value(loss, teacher, student, labels=LABELS)
    assert float(value) == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_every_loss_counts_each_sample_with_its_weight(name):
    loss, (teacher, student), expected = CASES[name]
    value = distillation_value(loss, teacher, student, sample_weight=WEIGHTS, labels=LABELS)
    assert float(value) == pytest.approx(np.mean(WEIGHTS * expected), rel=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_student_that_has_what_the_guide_shows_loses_nothing(name):
    loss, (teacher, _), _ = CASES[name]
    assert float(distillation_value(loss, teacher, teacher, labels=LABELS)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_a_loss_comes_back_from_its_config(name):
    loss, (teacher, student), _ = CASES[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert float(again.compute_loss(teacher, student)) == float(loss.compute_loss(teacher, student))


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_finite_where_both_agree(name):
    import tensorflow as tf

    loss, (teacher, _), _ = CASES[name]
    student = tf.Variable(teacher)
    with tf.GradientTape() as tape:
        value = distillation_value(loss, teacher, student, labels=LABELS)
    assert np.isfinite(tape.gradient(value, student).numpy()).all()


def test_the_losses_of_keras_are_weighed_per_sample():
    teacher, student = LOGITS
    each = [9 * kl(softmax(a / 3), softmax(b / 3)) for a, b in zip(teacher, student, strict=True)]
    value = distillation_value(LogitsDistillation(3.0), teacher, student, sample_weight=WEIGHTS)
    assert float(value) == pytest.approx(np.mean(WEIGHTS * each), rel=1e-4)
    squares = ((teacher - student) ** 2).mean(axis=1)
    value = distillation_value(FeatureDistillation("mse"), teacher, student, sample_weight=WEIGHTS)
    assert float(value) == pytest.approx(np.mean(WEIGHTS * squares), rel=1e-4)


ENTROPY = {
    "by its name": ("categorical_crossentropy", "softmax"),
    "of logits": (keras.losses.CategoricalCrossentropy(from_logits=True), None),
    "of labels": ("binary_crossentropy", "sigmoid"),
}


@pytest.mark.parametrize("kind", ENTROPY)
def test_a_cross_entropy_between_networks_of_probabilities_is_that_of_keras_distiller(kind):
    loss, ending = ENTROPY[kind]

    def network(seed, activation):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation=activation)])

    x, y = RNG.normal(size=(32, 8)).astype("float32"), np.eye(3, dtype="float32")[np.arange(32) % 3]
    values = []
    for distiller in (keras.distillation.Distiller, Distiller):
        sides = network(0, ending or "softmax"), network(1, ending)
        model = distiller(*sides, LogitsDistillation(1.0, loss=loss), student_loss_weight=0.0)
        model.compile("adam", loss=loss, run_eagerly=True)
        values.append(model.fit(x, y, epochs=3, verbose=0).history["distillation_loss"])
    assert values[1] == pytest.approx(values[0], rel=1e-4)
    assert min(values[1]) > 0


@pytest.mark.parametrize(
    ("loss", "activate"),
    [
        (keras.losses.CategoricalCrossentropy(), softmax),
        (keras.losses.CategoricalCrossentropy(from_logits=True), softmax),
        (keras.losses.BinaryCrossentropy(from_logits=True), lambda z: 1 / (1 + np.exp(-z))),
    ],
)
def test_a_cross_entropy_is_that_of_the_probabilities_of_the_logits(loss, activate):
    each = []
    for theirs, ours in zip(*LOGITS / 2, strict=True):
        p, q = activate(theirs), activate(ours)
        binary = isinstance(loss, keras.losses.BinaryCrossentropy)
        each.append(-np.mean(p * np.log(q) + (1 - p) * np.log(1 - q)) if binary else -np.sum(p * np.log(q)))
    value = distillation_value(LogitsDistillation(2.0, loss=loss), *LOGITS, sample_weight=WEIGHTS)
    assert float(value) == pytest.approx(np.mean(WEIGHTS * each), rel=1e-4)


def test_a_loss_of_the_numbers_of_classes_cannot_compare_two_networks(task):
    loss = LogitsDistillation(loss="sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match=r"the probabilities of all classes: .* received a sparse one"):
        Distiller(task.network(16), task.network(), loss)


def test_a_loss_of_labels_between_networks_of_classes_is_refused(task):
    loss = LogitsDistillation(loss="binary_crossentropy")
    with pytest.raises(ConfigError, match=r"compares labels that hold together: .* received the outputs of a softmax"):
        Distiller(task.network(16, softmax=True), task.network(softmax=True), loss)


def test_a_loss_of_the_user_gets_the_labels_and_weights_that_it_names():
    class Own(DistillationLoss):
        def compute_loss(self, teacher_outputs, student_outputs, labels=None, **kwargs):
            return keras.ops.sum(labels) + keras.ops.cast(len(kwargs), "int64")

    assert int(distillation_value(Own(), *LOGITS, sample_weight=WEIGHTS, labels=LABELS)) == LABELS.sum()


def test_decoupled_distillation_takes_one_hot_labels_and_without_labels_the_guides_answer():
    loss, (teacher, student) = DecoupledDistillation(2.0), LOGITS
    by_index = loss.compute_loss(teacher, student, labels=LABELS)
    one_hot = loss.compute_loss(teacher, student, labels=np.eye(3, dtype="float32")[LABELS])
    assert float(one_hot) == pytest.approx(float(by_index), rel=1e-6)
    expected = np.mean(decoupled(*LOGITS, teacher.argmax(axis=1), 2.0, 1.0, 8.0))
    assert float(loss.compute_loss(teacher, student)) == pytest.approx(expected, rel=1e-4)


def test_decoupled_distillation_of_each_pixel_is_averaged_over_a_samples_pixels():
    loss, sides = DecoupledDistillation(2.0), [np.stack([side, side[::-1]], axis=1) for side in LOGITS]
    labels = np.stack([LABELS, LABELS[::-1]], axis=1)
    of_rows = np.array(decoupled(*LOGITS, LABELS, 2.0, 1.0, 8.0))
    expected = np.mean(WEIGHTS * (of_rows + of_rows[::-1]) / 2)
    for told in (labels, labels[..., None], np.eye(3)[labels]):
        value = distillation_value(loss, *sides, sample_weight=WEIGHTS, labels=told)
        assert float(value) == pytest.approx(expected, rel=1e-4)


def test_weights_of_single_pixels_are_refused_where_a_loss_weighs_samples():
    sides = [np.stack([side, side], axis=1) for side in LOGITS]
    weights = np.ones((len(LABELS), 2), "float32")
    with pytest.raises(ConfigError, match=r"DecoupledDistillation weighs whole samples: .* received \(\d+, 2\)"):
        distillation_value(DecoupledDistillation(2.0), *sides, sample_weight=weights, labels=None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda bad: DecoupledDistillation(bad), "bad temperature: expected more than 0"),
        (lambda bad: DecoupledDistillation(alpha=bad), "bad alpha: expected a finite number of 0 or more"),
        (lambda bad: DecoupledDistillation(beta=bad), "bad beta: expected a finite number of 0 or more"),
        (lambda bad: RelationalDistillation(bad), "bad distance_weight: expected a finite number of 0 or more"),
        (lambda bad: RelationalDistillation(angle_weight=bad), "bad angle_weight: expected a finite number of 0"),
    ],
)
@pytest.mark.parametrize("bad", [-1.0, float("nan"), "4", None, True])
def test_numbers_that_mean_nothing_are_refused(make, message, bad):
    with pytest.raises(ConfigError, match=f"{message}.*, received {bad!r}"):
        make(bad)


def test_decoupled_distillation_needs_a_temperature_above_zero():
    with pytest.raises(ConfigError, match="bad temperature: expected more than 0, received 0"):
        DecoupledDistillation(0)


def test_hints_go_through_a_projector_even_between_layers_of_one_width(task):
    distiller = Distiller(task.network(4), task.network(4), HintDistillation("hidden", "hidden"))
    (projector,) = distiller.projectors
    assert [tuple(w.shape) for w in projector.weights] == [(4, 4), (4,)]


def test_attention_is_compared_whatever_the_number_of_channels(task):
    def network(channels):
        inputs = keras.Input((8,))
        maps = keras.layers.Conv1D(channels, 3, padding="same", name="maps")(keras.layers.Reshape((8, 1))(inputs))
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(maps)))

    distiller = Distiller(network(6), network(2), [AttentionTransfer("maps", "maps"), DecoupledDistillation()])
    assert distiller.projectors == []
    distiller.compile("adam", loss=task.loss(), run_eagerly=True)
    history = distiller.fit(task.x, task.y, epochs=3, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]


@pytest.mark.parametrize("kind", [HintDistillation, AttentionTransfer, RelationalDistillation])
@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_layer_that_is_not_there_is_named(task, kind, role):
    names = {"teacher_layer_name": "hidden", "student_layer_name": "hidden", f"{role}_layer_name": "hiden"}
    with pytest.raises(ModelError, match=f"In {role} model: No such layer: hiden"):
        Distiller(task.network(), task.network(), kind(**names))


def test_relations_in_a_layer_of_the_student_alone_are_refused():
    with pytest.raises(ConfigError, match="expected teacher_layer_name beside student_layer_name='hidden'"):
        RelationalDistillation(student_layer_name="hidden")


def test_layers_of_different_resolution_cannot_be_hints(task):
    def network(length):
        inputs = keras.Input((8,))
        maps = keras.layers.Reshape((length, 8 // length), name="maps")(inputs)
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(maps)))

    with pytest.raises(ModelError, match=r"expected the same extent, received \(4, 2\).*\(2, 4\)"):
        Distiller(network(4), network(2), HintDistillation("maps", "maps"))


@pytest.mark.parametrize(
    "name", ["HintDistillation", "AttentionTransfer", "RelationalDistillation", "DecoupledDistillation"]
)
def test_the_losses_stand_at_the_top_of_the_package(name):
    import kd_edge
    from kd_edge.distillation.losses import guide_losses as losses

    assert getattr(kd_edge, name) is getattr(kd_edge.distillation, name) is getattr(losses, name)
