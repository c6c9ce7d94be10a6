"""A guide leaves when its gradient is harmful or redundant."""

import copy
import math
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.gradient_probe import GradientProbe
from kd_edge.distillation.halting.gradient_rule import GradientEvidence, GradientRule
from kd_edge.distillation.halting.probe_batch import ProbeBatch, draw_batch
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import ConfigError

BATCH = 16


def compiled(task, *, teacher=None, trainee=None, student=None, losses=None, **kwargs):
    distiller = Distiller(teacher, student or task.network(), losses or LogitsDistillation(2.0), trainee=trainee)
    kwargs = {"trainee_optimizer": keras.optimizers.SGD(0.0)} | kwargs if trainee is not None else kwargs
    distiller.compile("adam", loss=task.loss(), metrics=["accuracy"], **kwargs)
    return distiller


def fit(distiller, task, *callbacks, epochs=4, x=None, **kwargs):
    kwargs = {"validation_data": (task.x, task.y)} | kwargs
    x, y = (task.x, task.y) if x is None else (x, None)
    batch_size = None if isinstance(x, tf.data.Dataset) else BATCH
    return distiller.fit(
        x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks), **kwargs
    ).history


def twin(network):
    copied = keras.models.clone_model(network)
    copied.set_weights(network.get_weights())
    return copied


def reasons(rule, evidence):
    return [rule.reason(GradientEvidence(*each), epoch) for epoch, each in enumerate(evidence, start=1)]


def test_a_guide_is_harmful_when_its_last_cosines_are_below_the_margin_on_average():
    # Means of two: 0, -0.15, -0.25.
    found = reasons(
        GradientRule(min_delta=0.2, patience=2), [(0.1, 0, "teacher"), (-0.1, 0, "teacher"), (-0.2, 0, "teacher")]
    )
    assert found == [None, None, None]
    found = reasons(
        GradientRule(min_delta=0.1, patience=2), [(0.1, 0, "teacher"), (-0.1, 0, "teacher"), (-0.2, 0, "teacher")]
    )
    assert found == [None, None, "harmful: cosine -0.15 with the held-out labels' gradient"]


def test_a_guide_is_redundant_when_what_remains_explains_more_than_the_baseline_on_average():
    found = reasons(
        GradientRule(baseline=0.5, patience=2), [(1, 0.9, "teacher"), (1, 0.1, "teacher"), (1, 0.94, "teacher")]
    )
    assert found == [None, None, "redundant: the teacher's gradient explains 52% of it"]


def test_what_explained_a_guide_says_nothing_once_something_else_remains():
    found = reasons(GradientRule(patience=2), [(1, 0.4, "trainee"), (1, 0.95, "labels"), (1, 0.97, "labels")])
    assert found == [None, None, "redundant: the training labels' gradient explains 96% of it"]


def test_labels_alone_have_to_explain_more_than_another_guide():
    assert reasons(GradientRule(patience=1), [(1, 0.85, "labels")]) == [None]
    assert reasons(GradientRule(patience=1), [(1, 0.85, "trainee")]) != [None]


def test_a_check_without_numbers_does_not_count():
    found = reasons(
        GradientRule(patience=2), [(1, 0.9, "teacher"), (math.nan, math.nan, "teacher"), (1, 0.9, "teacher")]
    )
    assert [reason is not None for reason in found] == [False, False, True]


def test_the_rule_forgets_on_reset():
    rule = GradientRule(patience=1)
    assert reasons(rule, [(-1, 0, "labels")])[0] is not None
    rule = GradientRule(patience=2)
    reasons(rule, [(-1, 0, "labels")])
    rule.reset()
    assert reasons(rule, [(-1, 0, "labels")]) == [None]


def test_a_trainee_equal_to_the_teacher_is_redundant(task):
    teacher = task.taught(task.y)
    distiller = compiled(task, teacher=teacher, trainee=twin(teacher))
    history = fit(distiller, task, EarlyHalting(rule="gradient", patience=2))
    report = distiller.halting_reports[1]
    assert (report.epoch, report.reason) == (2, "redundant: the teacher's gradient explains 100% of it")
    assert history["trainee_explained"] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert distiller.guides == ("teacher",)


def test_a_guide_that_teaches_other_labels_is_harmful(task):
    # To a student that knows the labels: one that knows nothing may learn a little even from such a guide.
    distiller = compiled(task, teacher=task.taught((task.y + 1) % 3), student=task.taught(task.y))
    history = fit(distiller, task, EarlyHalting("teacher", "gradient"))
    assert max(history["teacher_alignment"]) < -0.3
    assert len(history["teacher_alignment"]) == 3  # the patience
    assert distiller.halting_reports[0].reason.startswith("harmful: cosine -0.")


def test_a_guide_that_helps_stays(task):
    # The labels at hand are wrong; the teacher knows the right ones.
    distiller = compiled(task, teacher=task.taught(task.y))
    wrong = (task.y + np.random.default_rng(0).integers(0, 3, len(task.y))) % 3
    dataset = tf.data.Dataset.from_tensor_slices((task.x, wrong)).batch(BATCH)
    history = fit(distiller, task, EarlyHalting("teacher", "gradient"), x=dataset)
    assert distiller.guides == ("teacher",)
    assert min(history["teacher_alignment"]) > 0.5
    assert max(history["teacher_explained"]) < 0.5


def test_the_alignment_is_the_cosine_of_the_two_gradients(task):
    teacher, student = task.taught(task.y), task.network()
    distiller = compiled(task, teacher=teacher, student=student)
    held_out, training = ProbeBatch(task.x[:24], task.y[:24]), ProbeBatch(task.x[24:], task.y[24:])
    probe = GradientProbe(distiller, "teacher", held_out=held_out, taught=training)
    evidence = probe.measure()

    def gradient(samples, loss):
        with tf.GradientTape() as tape:
            value = loss(student(samples, training=True))
        return np.concatenate([np.ravel(g) for g in tape.gradient(value, student.trainable_weights)])

    def of_teacher(answers):
        p, q = (tf.nn.log_softmax(logits / 2.0) for logits in (teacher(training.x), answers))
        return tf.reduce_mean(tf.reduce_sum(tf.exp(p) * (p - q), axis=-1))

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    guide = gradient(training.x, of_teacher)
    labels = gradient(held_out.x, lambda answers: task.loss()(held_out.y, answers))
    remaining = gradient(training.x, lambda answers: task.loss()(training.y, answers))
    assert evidence.alignment == pytest.approx(cosine(guide, labels), abs=1e-5)
    assert evidence.explained == pytest.approx(cosine(guide, remaining) ** 2, abs=1e-5)
    assert evidence.remaining == "labels"


def test_measuring_changes_nothing_and_traces_once_for_each_set_of_guides(task):
    class Traces(keras.layers.BatchNormalization):
        num_traces = 0

        def call(self, x, training=None):
            self.num_traces += 1
            return super().call(x, training=training)

    in_student = Traces()
    student = task.network(extra=in_student)
    distiller = compiled(task, teacher=task.network(16), trainee=task.network(16), student=student)
    probe = GradientProbe(distiller, "trainee", held_out=ProbeBatch(task.x, task.y), taught=ProbeBatch(task.x, task.y))
    weights, before = student.get_weights(), in_student.num_traces
    assert probe.measure() == probe.measure()
    assert in_student.num_traces - before == 2  # one trace looks at both batches
    for now, then in zip(student.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    distiller.halt("teacher")
    assert probe.measure().remaining == "labels"
    assert in_student.num_traces - before == 4


def test_a_training_that_is_only_measured_is_the_plain_one_to_the_bit(task):
    weights = []
    for callbacks in ([], [EarlyHalting(rule="gradient", baseline=2.0, min_delta=2.0)]):
        keras.utils.set_random_seed(1)
        extra = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
        distiller = compiled(task, teacher=task.network(16), trainee="like_teacher", student=task.network(extra=extra))
        history = fit(distiller, task, *callbacks)
        weights.append(distiller.student.get_weights())
    assert len(history["trainee_alignment"]) == 4
    for measured, plain in zip(*weights, strict=True):
        np.testing.assert_array_equal(measured, plain)


def test_a_halted_trainee_leaves_the_memory_though_its_gradients_were_measured_for_both_guides(task):
    distiller = compiled(task, teacher=task.network(16), trainee="like_teacher")
    held = [weakref.ref(variable.value) for variable in distiller.trainee.variables]
    seen = []

    class Looks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(sum(ref() is not None for ref in held))

    trainee = EarlyHalting(rule="gradient", patience=1, min_delta=-2.0)
    teacher = EarlyHalting("teacher", "gradient", min_delta=2.0, baseline=2.0)
    history = fit(distiller, task, teacher, trainee, Looks(), epochs=2)
    assert len(history["teacher_explained"]) == 2
    assert distiller.guides == ("teacher",)
    assert seen == [len(held)] * 4 + [0] * 4


def test_stored_targets_are_compared_on_the_training_samples(task):
    teacher = task.taught(task.y)
    distiller = compiled(task, teacher=soft_targets(teacher, task.x), trainee=twin(teacher))
    history = fit(distiller, task, EarlyHalting(rule="gradient", patience=1), epochs=2)
    assert history["trainee_explained"] == pytest.approx([1.0], abs=1e-3)  # stored as float16
    dataset = tf.data.Dataset.from_tensor_slices((task.x, task.y)).batch(BATCH)
    distiller = compiled(task, teacher=soft_targets(teacher, task.x), trainee=twin(teacher))
    history = fit(distiller, task, EarlyHalting(rule="gradient", patience=1), epochs=2, x=dataset)
    assert history["trainee_explained"] == pytest.approx([1.0], abs=1e-3)


def test_the_history_has_the_figures_of_every_epoch_also_before_the_first_check(task):
    distiller = compiled(task, teacher=task.network(16), trainee="like_teacher")
    halting = EarlyHalting(rule="gradient", start_from_epoch=2, patience=1, min_delta=-2.0)
    history = fit(distiller, task, halting)
    assert len(history["trainee_alignment"]) == len(history["trainee_explained"]) == 2
    assert all(-1 <= value <= 1 for value in history["trainee_alignment"])
    assert all(0 <= value <= 1 for value in history["trainee_explained"])
    assert distiller.halting_reports[1].epoch == 2


def test_a_check_every_few_steps_measures_then(task):
    distiller = compiled(task, teacher=task.network(16), trainee="like_teacher")
    fit(distiller, task, EarlyHalting(rule="gradient", check_freq=2, patience=3, min_delta=-2.0))
    assert (distiller.halting_reports[1].step, distiller.halting_reports[1].epoch) == (6, 1)


@pytest.mark.parametrize("form", ["arrays", "dataset", "given"])
def test_held_out_labels_come_from_the_validation_data_or_are_given(task, form):
    pair = (task.x[:24], task.y[:24])
    dataset = tf.data.Dataset.from_tensor_slices(pair).batch(10)
    validation = {"arrays": pair, "dataset": dataset, "given": None}[form]
    distiller = compiled(task, teacher=task.network(16))
    halting = EarlyHalting("teacher", "gradient", held_out=pair if form == "given" else None)
    assert len(fit(distiller, task, halting, epochs=1, validation_data=validation)["teacher_alignment"]) == 1


def test_without_held_out_labels_the_training_does_not_start(task):
    distiller = compiled(task, teacher=task.network(16), trainee="like_teacher")
    with pytest.raises(ConfigError, match=r"needs held-out labels: expected held_out=\(x, y\).*received NoneType"):
        fit(distiller, task, EarlyHalting(rule="gradient"), validation_data=None)
    with pytest.raises(ConfigError, match="needs held-out labels"):
        fit(distiller, task, EarlyHalting(rule="gradient", held_out=task.x))
    assert distiller.num_steps == 0


def test_samples_of_a_generator_cannot_be_drawn(task):
    distiller = compiled(task, teacher=task.network(16))
    batches = ((task.x, task.y) for _ in range(9))
    with pytest.raises(ConfigError, match=r"draws training samples with labels: expected arrays.*received generator"):
        distiller.fit(
            batches,
            steps_per_epoch=1,
            verbose=0,
            validation_data=(task.x, task.y),
            callbacks=[EarlyHalting("teacher", "gradient")],
        )


def test_a_held_out_loss_that_is_no_number_is_in_the_history_and_halts_nobody(task):
    broken = task.x.copy()
    broken[0] = math.nan
    distiller = compiled(task, teacher=task.network(16))
    halting = EarlyHalting("teacher", "gradient", patience=1, min_delta=-2.0, held_out=(broken, task.y))
    history = fit(distiller, task, halting, epochs=2)
    assert all(math.isnan(value) for value in history["teacher_alignment"])
    assert distiller.guides == ("teacher",)


def test_a_used_callback_with_the_rule_can_be_copied(task):
    halting = EarlyHalting("teacher", "gradient", patience=1, min_delta=-2.0)
    fit(compiled(task, teacher=task.network(16)), task, halting, epochs=2)
    other = compiled(task, teacher=task.network(16))
    fit(other, task, copy.deepcopy(halting), epochs=2)
    assert other.halted == ("teacher",)


def test_a_drawn_batch_has_as_many_samples_of_each_class_and_is_always_the_same():
    x, y = np.arange(100.0), np.repeat([0, 1, 2], [80, 15, 5])
    batch = draw_batch(x, y, num_samples=30)
    assert np.bincount(batch.y).tolist() == [13, 12, 5]  # 5 of each, then what is left of two, then of one
    np.testing.assert_array_equal(batch.x, draw_batch(x, np.eye(3)[y], num_samples=30).x)


def test_a_batch_is_drawn_from_the_first_samples_of_a_data_set_without_end():
    dataset = tf.data.Dataset.range(10).map(lambda i: (i, i % 2)).repeat().batch(4)
    batch = draw_batch(dataset, num_samples=2)
    assert sorted(np.asarray(batch.y)) == [0, 1]
