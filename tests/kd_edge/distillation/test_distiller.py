"""The Distiller as a drop-in for Keras' class, and what it mends."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import FeatureDistillation, LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.errors import ConfigError, ModelError

BATCH = 16
BAD_WEIGHTS = (-1.0, np.nan, np.inf, "0.5", None, True, [0.5])
STEPS = 4  # of one epoch over the task's 64 samples


class Runs(keras.layers.Layer):
    """Passes its input on and counts how often it is executed."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign_add(1)
        return x


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def kl(p, q):
    return (p * np.log(p / q)).sum(axis=-1)


def cross_entropy(z, y):
    return -np.log(softmax(z)[np.arange(len(y)), y])


def compiled(task, teacher, student, losses=None, *, run_eagerly=True, **kwargs):
    """A distiller; run eagerly, because tracing a step takes longer than running a few."""
    distiller = Distiller(teacher, student, losses or LogitsDistillation(2.0), **kwargs)
    distiller.compile("adam", loss=task.loss(), metrics=["accuracy"], run_eagerly=run_eagerly)
    return distiller


def fit(distiller, task, **kwargs):
    return distiller.fit(task.x, task.y, **{"batch_size": BATCH, "epochs": 1, "verbose": 0, **kwargs}).history


def first_loss(distiller, task, **kwargs):
    """Loss of one step over all samples, before it changes the weights."""
    return fit(distiller, task, batch_size=len(task.x), **kwargs)["loss"][0]


def test_it_trains_exactly_as_keras_distiller_does_where_that_one_is_right(task):
    teacher, ours, theirs = task.network(16), task.network(), task.network()
    theirs.set_weights(ours.get_weights())
    for kind, student in ((Distiller, ours), (keras.distillation.Distiller, theirs)):
        distiller = kind(teacher, student, LogitsDistillation(3.0, loss=keras.losses.KLDivergence()), None, 0.3)
        distiller.compile("adam", loss=task.loss(), metrics=["accuracy"])
        fit(distiller, task, epochs=3, shuffle=False)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_agreement_counts_each_sample_once_also_those_of_a_smaller_last_batch(task):
    teacher, student = task.network(16), task.network()
    theirs, ours = (network.predict(task.x, verbose=0).argmax(1) for network in (teacher, student))
    same = np.flatnonzero(theirs == ours)
    order = np.concatenate([np.setdiff1d(np.arange(len(task.x)), same), same])  # those that agree come last
    distiller = Distiller(teacher, student, LogitsDistillation(2.0))
    distiller.compile(keras.optimizers.SGD(0.0), loss=task.loss(), run_eagerly=True)
    history = distiller.fit(task.x[order], task.y[order], batch_size=60, shuffle=False, verbose=0).history
    assert 0 < len(same) < 60
    np.testing.assert_allclose(history["teacher_agreement"], [len(same) / 64], rtol=1e-6)


def test_the_names_in_the_history_are_those_of_keras_distiller(task):
    ours = fit(compiled(task, task.network(16), task.network()), task, validation_data=(task.x, task.y))
    distiller = keras.distillation.Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile("adam", loss=task.loss(), metrics=["accuracy"])
    theirs = fit(distiller, task, validation_data=(task.x, task.y))
    assert set(theirs) - set(ours) == {"val_distillation_loss"}  # no teacher runs in validation


def test_the_loss_is_the_weighted_sum_of_the_formula(task):
    teacher, student = task.network(16), task.network()
    t, s = teacher.predict(task.x, verbose=0), student.predict(task.x, verbose=0)
    expected = 0.3 * cross_entropy(s, task.y).mean() + 0.7 * 4 * kl(softmax(t / 2), softmax(s / 2)).mean()
    loss = first_loss(compiled(task, teacher, student, student_loss_weight=0.3), task)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_sample_weights_count_in_both_parts_of_the_loss(task):
    teacher, student = task.network(16), task.network()
    t, s = teacher.predict(task.x, verbose=0), student.predict(task.x, verbose=0)
    weight = np.linspace(0, 2, len(task.x)).astype("float32")
    each = 0.5 * cross_entropy(s, task.y) + 0.5 * 4 * kl(softmax(t / 2), softmax(s / 2))
    loss = first_loss(compiled(task, teacher, student), task, sample_weight=weight)
    assert loss == pytest.approx((weight * each).mean(), rel=1e-4)


def test_class_weights_count_as_the_weights_of_their_samples(task):
    teacher, student, twin = task.network(16), task.network(), task.network()
    twin.set_weights(student.get_weights())
    by_class = first_loss(compiled(task, teacher, student), task, class_weight={0: 0.2, 1: 1.0, 2: 3.0})
    by_sample = first_loss(compiled(task, teacher, twin), task, sample_weight=np.array([0.2, 1.0, 3.0])[task.y])
    assert by_class == pytest.approx(by_sample, rel=1e-5)


def test_evaluate_and_validation_run_only_the_student(task):
    counter = Runs()
    distiller = compiled(task, task.network(16, extra=counter), task.network(), run_eagerly=False)
    fit(distiller, task, validation_data=(task.x, task.y))
    distiller.evaluate(task.x, task.y, verbose=0)
    assert int(counter.count) == STEPS


def test_evaluate_gives_what_the_student_alone_gives(task):
    student = task.network()
    distiller = compiled(task, task.network(16), student)
    student.compile("adam", loss=task.loss(), metrics=["accuracy"])
    ours = distiller.evaluate(task.x, task.y, verbose=0, return_dict=True)
    alone = student.evaluate(task.x, task.y, verbose=0, return_dict=True)
    assert {name: ours[name] for name in alone} == pytest.approx(alone)
    assert ours["student_loss"] == ours["total_loss"] == ours["loss"]


def test_a_feature_loss_does_not_run_the_student_twice(task):
    counter = Runs()
    features = FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden")
    losses = [LogitsDistillation(2.0), features]
    fit(compiled(task, task.network(4), task.network(4, extra=counter), losses, run_eagerly=False), task)
    assert int(counter.count) == STEPS


def test_layers_of_different_width_get_a_trainable_projector(task):
    features = FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden")
    distiller = compiled(task, task.network(16), task.network(4), features)
    (projector,) = distiller.projectors
    assert [tuple(w.shape) for w in projector.weights] == [(4, 16), (16,)]
    before = projector.get_weights()[0]
    fit(distiller, task)
    assert np.abs(projector.get_weights()[0] - before).max() > 1e-4


def test_the_teacher_is_left_as_it_was(task):
    teacher = task.network(16)
    teacher.get_layer("answer").trainable = False
    weights, flags = teacher.get_weights(), [layer.trainable for layer in teacher.layers]
    fit(compiled(task, teacher, task.network()), task)
    assert [layer.trainable for layer in teacher.layers] == flags
    for before, after in zip(weights, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_teacher_that_ends_in_softmax_teaches_the_same_as_its_logits(task):
    logits, probabilities = task.network(16), task.network(16, softmax=True)
    probabilities.set_weights(logits.get_weights())
    student, twin = task.network(), task.network()
    twin.set_weights(student.get_weights())
    of_logits = first_loss(compiled(task, logits, student), task)
    of_probabilities = first_loss(compiled(task, probabilities, twin), task)
    assert of_probabilities == pytest.approx(of_logits, rel=1e-4)


def test_a_student_that_ends_in_softmax_is_compared_by_its_logits(task):
    teacher, logits, probabilities = task.network(16), task.network(), task.network(softmax=True)
    probabilities.set_weights(logits.get_weights())
    of_logits = first_loss(compiled(task, teacher, logits), task)
    distiller = Distiller(teacher, probabilities, LogitsDistillation(2.0), trainee="like_teacher")
    distiller.compile("adam", loss="sparse_categorical_crossentropy", run_eagerly=True)
    history = fit(distiller, task, batch_size=len(task.x))
    without_trainee = history["loss"][0] - 0.5 * 0.5 * history["trainee_divergence"][0]
    assert without_trainee == pytest.approx(of_logits, rel=1e-4)


def test_penalties_of_the_student_count_whole(task):
    penalty = keras.layers.ActivityRegularization(l2=0.1)
    teacher, student, plain = task.network(16), task.network(extra=penalty), task.network()
    plain.set_weights(student.get_weights())
    hidden = keras.Model(student.inputs, student.get_layer("hidden").output).predict(task.x, verbose=0)
    extra = 0.1 * (hidden**2).sum() / len(task.x)  # Keras divides an activity penalty by the batch size
    difference = first_loss(compiled(task, teacher, student), task) - first_loss(compiled(task, teacher, plain), task)
    assert difference == pytest.approx(extra, rel=1e-3)


class PenaltyOfEachSample(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2, axis=1))
        self.add_loss(keras.ops.convert_to_tensor(2.0))
        return inputs


def test_a_penalty_of_each_sample_counts_once_beside_one_of_all(task):
    teacher, student, plain = task.network(16), task.network(extra=PenaltyOfEachSample()), task.network()
    plain.set_weights(student.get_weights())
    hidden = keras.Model(student.inputs, student.get_layer("hidden").output).predict(task.x, verbose=0)
    losses = [first_loss(compiled(task, teacher, network), task) for network in (student, plain)]
    assert losses[0] - losses[1] == pytest.approx((hidden**2).mean(axis=1).sum() + 2.0, rel=1e-3)


def two_headed(width):
    inputs = {"a": keras.Input((5,), name="a"), "b": keras.Input((3,), name="b")}
    h = keras.layers.Dense(width, activation="relu", name="hidden")(keras.layers.Concatenate()(list(inputs.values())))
    kind, size = keras.layers.Dense(3, name="kind")(h), keras.layers.Dense(1, name="size")(h)
    return keras.Model(inputs, {"kind": kind, "size": size})


def test_dict_inputs_and_several_outputs_work(task):
    x = {"a": task.x[:, :5], "b": task.x[:, 5:]}
    y = {"kind": task.y, "size": task.x[:, :1]}
    losses = [
        LogitsDistillation(2.0, loss={"kind": "kl_divergence", "size": None}),
        FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden"),
    ]
    distiller = Distiller(two_headed(16), two_headed(4), losses, trainee="like_teacher")
    distiller.compile(
        "adam", loss={"kind": task.loss(), "size": "mse"}, metrics={"kind": ["accuracy"], "size": ["mae"]}
    )
    history = distiller.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert {"kind_accuracy", "size_mae", "trainee_kind_accuracy", "val_size_mae"} <= set(history)
    assert history["loss"][1] < history["loss"][0]


def test_labels_are_not_needed_without_a_trainee(task):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile("adam", loss=task.loss())
    history = distiller.fit(task.x, epochs=3, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]


def test_an_overridden_compute_loss_is_used(task):
    class Shifted(Distiller):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight, training) + 100.0

    distiller = Shifted(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile("adam", loss=task.loss(), run_eagerly=True)
    assert fit(distiller, task)["loss"][0] > 100


def test_the_saved_file_holds_the_student_and_not_the_teacher(task, tmp_path):
    distiller = compiled(task, task.network(4096), task.network(), trainee="like_teacher")
    fit(distiller, task)
    distiller.save(tmp_path / "distiller.keras")
    assert (tmp_path / "distiller.keras").stat().st_size < 4096 * (8 + 3) * 4  # the teacher's weights alone
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    np.testing.assert_allclose(loaded.predict(task.x, verbose=0), distiller.student.predict(task.x, verbose=0))
    assert loaded.teacher is None
    assert int(loaded.optimizer.iterations) == STEPS
    with pytest.raises(ModelError, match=r"comes back without its teacher and trainee: .* received none"):
        fit(loaded, task)


def read_back(distiller, folder):
    distiller.save(folder / "distiller.keras")
    return keras.models.load_model(folder / "distiller.keras")


@pytest.mark.parametrize("back", [read_back, lambda distiller, folder: copy.deepcopy(distiller)], ids=["file", "copy"])
def test_a_distiller_that_comes_back_without_a_guide_it_still_had_is_not_trained(task, tmp_path, back):
    distiller = compiled(task, task.network(16), task.network(), trainee="like_teacher")
    distiller.halt("trainee")
    with pytest.raises(ModelError, match=r"comes back without its teacher: .* make a new Distiller with them, or"):
        fit(back(distiller, tmp_path), task)
    again = back(distiller, tmp_path)
    for step in (again.train_on_batch, again.compute_loss, lambda *batch: again.train_step(batch)):
        with pytest.raises(ModelError, match="comes back without its teacher"):
            step(task.x, task.y)
    distiller.halt("teacher")
    assert "loss" in fit(back(distiller, tmp_path), task)  # on labels alone, as it would have been before


class Predicts(keras.callbacks.Callback):
    """Lets the student answer all samples after an epoch."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def on_epoch_end(self, epoch, logs=None):
        self.answers = self.model.predict(self.x, batch_size=BATCH, verbose=0)


def test_every_sample_is_predicted_before_in_and_after_a_training_of_several_steps_in_one_call(task):
    distiller = compiled(task, task.network(16), task.network(), run_eagerly=False)
    assert len(distiller.predict(task.x, batch_size=BATCH, verbose=0)) == 64
    predicts = Predicts(task.x)
    fit(distiller, task, callbacks=[predicts])
    answers = distiller.predict(task.x, batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(answers, distiller.student(task.x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(predicts.answers, answers)
    assert len(distiller.predict(task.x, batch_size=BATCH, steps=1, verbose=0)) == BATCH


def test_validation_and_evaluation_read_as_many_batches_as_they_are_asked_for(task):
    distiller = Distiller(task.network(16), task.network(), LogitsDistillation(2.0))
    distiller.compile(keras.optimizers.SGD(0.0), loss=task.loss(), metrics=["accuracy"])
    answers = np.asarray(distiller.student(task.x)).argmax(axis=1)
    labels = np.where(np.arange(64) < 20, answers, (answers + 1) % 3)  # the first 20 are right
    data = tf.data.Dataset.from_tensor_slices((task.x, labels)).batch(10)
    assert fit(distiller, task, validation_data=data, validation_steps=2)["val_accuracy"] == [1.0]
    assert distiller.evaluate(data, steps=2, verbose=0, return_dict=True)["accuracy"] == 1.0
    assert fit(distiller, task, validation_data=data)["val_accuracy"] == [20 / 64]
    assert distiller.evaluate(data, verbose=0, return_dict=True)["accuracy"] == 20 / 64
    assert distiller.evaluate(data, steps=2, verbose=0, return_dict=True)["accuracy"] == 1.0


def test_what_is_exported_is_the_student(task, tmp_path):
    distiller = compiled(task, task.network(16), task.network(), run_eagerly=False)
    fit(distiller, task)
    distiller.export(tmp_path, verbose=False)
    exported = tf.saved_model.load(tmp_path)
    np.testing.assert_allclose(exported.serve(task.x), distiller.student.predict(task.x, verbose=0), rtol=1e-5)


def test_the_trackers_of_keras_distiller_have_the_values_of_the_history(task):
    distiller = compiled(task, task.network(16), task.network(), trainee="like_teacher")
    history = fit(distiller, task)
    for name in ("student_loss", "distillation_loss", "total_loss"):
        assert float(getattr(distiller, f"{name}_tracker").result()) == pytest.approx(history[name][0])


def test_the_teacher_is_saved_on_request(task, tmp_path):
    teacher = task.network(16)
    distiller = compiled(task, teacher, task.network(), save_teacher=True)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    np.testing.assert_allclose(loaded.teacher.predict(task.x, verbose=0), teacher.predict(task.x, verbose=0))
    fit(loaded, task)


def test_weights_of_the_distiller_are_the_students_alone(task):
    distiller = compiled(task, task.network(16), task.network(), trainee="like_teacher")
    for ours, theirs in zip(distiller.get_weights(), distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student_loss_weight": 1.5}, "bad student_loss_weight: expected a number from 0 to 1, received 1.5"),
        ({"distillation_losses": None}, "no distillation losses"),
        ({"distillation_losses": "kl_divergence"}, "not a distillation loss.*received a str"),
        ({"distillation_loss_weights": [1.0, 2.0]}, "expected 1, received 2"),
        ({"distillation_losses": []}, r"no distillation losses: expected one or a list, received \[\]"),
        ({"distillation_losses": {}}, "no distillation losses: expected one or a list, received {}"),
        ({"distillation_losses": [LogitsDistillation()], "distillation_loss_weights": 2.0}, "expected 1, received 2.0"),
        *(
            ({"distillation_loss_weights": [weight]}, "bad distillation_loss_weights: expected a finite number of 0")
            for weight in BAD_WEIGHTS
        ),
        *(({"trainee_loss_weight": weight}, "bad trainee_loss_weight: expected a finite") for weight in BAD_WEIGHTS),
        *(({"student_loss_weight": weight}, "bad student_loss_weight: expected a number") for weight in BAD_WEIGHTS),
        ({"trainee": "like_techer"}, "unknown trainee.*'like_techer'"),
        ({"teacher": None, "trainee": "like_teacher"}, "expected a keras.Model as teacher, received NoneType"),
    ],
)
def test_bad_arguments_are_named(task, change, message):
    arguments = {"teacher": task.network(), "student": task.network(), "distillation_losses": LogitsDistillation()}
    with pytest.raises(ConfigError, match=message):
        Distiller(**{**arguments, **change})


@pytest.mark.parametrize("weights", [np.float32(2), np.array([2.0]), (2,)])
def test_weights_may_be_numbers_of_numpy(task, weights):
    distiller = Distiller(
        task.network(), task.network(), LogitsDistillation(), weights, np.float32(0.5), trainee_loss_weight=np.int64(1)
    )
    assert (distiller.distillation_loss_weights, distiller.student_loss_weight) == ([2], 0.5)
    assert distiller.trainee_loss_weight == 1


def two_labelled():
    inputs = keras.Input((8,))
    return keras.Model(inputs, [keras.layers.Dense(2, name=name)(inputs) for name in ("a", "b")])


def test_weights_of_losses_by_name_go_to_the_losses_of_these_names():
    losses = {"a": LogitsDistillation(), "b": LogitsDistillation()}
    distiller = Distiller(two_labelled(), two_labelled(), losses, {"b": 10.0, "a": 1.0})
    assert distiller.distillation_loss_weights == [1.0, 10.0]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ({"a": LogitsDistillation(), "b": LogitsDistillation()}, r"\['a', 'b'\]"),
        (LogitsDistillation(loss=["kl_divergence", None]), "a list, as of the losses"),
    ],
)
def test_weights_of_losses_that_are_not_there_are_refused(losses, expected):
    with pytest.raises(ConfigError, match=rf"expected {expected}, received \['nope', 'b'\]"):
        Distiller(two_labelled(), two_labelled(), losses, {"nope": 10.0, "b": 1.0})


def test_a_missing_loss_is_named(task):
    with pytest.raises(ConfigError, match="no loss for the labels"):
        Distiller(task.network(), task.network(), LogitsDistillation()).compile("adam")
