"""A guide is no longer asked for the samples that the student answers like it."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import FeatureDistillation, LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.sample_halting import SampleHalting
from kd_edge.distillation.samples import Samples
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import ConfigError

NUM_SAMPLES, BATCH, STEPS = 64, 16, 4
MACS = 8 * 16 + 16 * 3  # of a guide's forward pass


class Rows(keras.layers.Layer):
    """Passes its input on and counts its rows."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign_add(tf.cast(tf.shape(x)[0], tf.int64))
        return x


def compiled(task, *, teacher=None, student=None, trainee=None, losses=None, **kwargs):
    losses = losses or LogitsDistillation(2.0)
    distiller = Distiller(teacher, student or task.network(), losses, trainee=trainee)
    distiller.compile(keras.optimizers.Adam(0.02), loss=task.loss(), metrics=["accuracy"], **kwargs)
    return distiller


def batches(task, *, x=None):
    """Return batches that know their samples, shuffled."""
    x = task.x if x is None else x
    samples = Samples(x, index=np.arange(len(x)))
    pairs = tf.data.Dataset.from_tensor_slices((samples.inputs, samples.index, task.y))
    pairs = pairs.shuffle(len(x), seed=1).batch(BATCH)
    return pairs.map(lambda x, index, y: (Samples(x, index=index), y))


def fit(distiller, task, *callbacks, epochs=6, data=None):
    return distiller.fit(data or batches(task), epochs=epochs, verbose=0, callbacks=list(callbacks)).history


def test_the_share_asked_falls_and_the_macs_with_it(task):
    distiller = compiled(task, teacher=task.taught(task.y))
    history = fit(distiller, task, SampleHalting("teacher"), epochs=10)
    (report,) = distiller.halting_reports
    shares = history["teacher_asked"]
    assert shares[0] == 1.0
    assert shares[-1] < 0.5
    assert report.share_asked == pytest.approx(np.mean(shares))
    assert report.macs_spent == round(MACS * sum(shares) * NUM_SAMPLES)
    assert report.macs_spent + report.macs_saved == MACS * 10 * NUM_SAMPLES
    assert report.data_passes == pytest.approx(sum(shares))
    assert not report.halted


def test_the_guide_runs_on_the_asked_samples_alone(task):
    rows = Rows()
    teacher = task.taught(task.y, extra=rows)
    before = int(rows.count)
    distiller = compiled(task, teacher=teacher)
    history = fit(distiller, task, SampleHalting("teacher"))
    assert int(rows.count) - before == round(sum(history["teacher_asked"]) * NUM_SAMPLES)
    assert history["teacher_asked"][-1] < 1


def test_with_all_samples_asked_the_training_is_the_plain_one_to_the_bit(task):
    # In the first epoch no sample has left.
    weights = []
    for callbacks in ([], [SampleHalting("teacher"), SampleHalting("trainee")]):
        keras.utils.set_random_seed(1)
        student = task.network(extra=keras.layers.BatchNormalization())
        trainee = task.network(16, extra=keras.layers.BatchNormalization())
        distiller = compiled(task, teacher=task.network(16), trainee=trainee, student=student)
        fit(distiller, task, *callbacks, epochs=1)
        weights.append(student.get_weights() + trainee.get_weights())
    for by_sample, plain in zip(*weights, strict=True):
        np.testing.assert_array_equal(by_sample, plain)


def test_a_sample_leaves_with_its_class_and_comes_back_when_the_student_changes_its_mind(task):
    student, teacher = task.network(), task.network(16)
    distiller = compiled(task, teacher=teacher, student=student)
    guide_set = distiller.guide_set
    guide_set.ask_by_sample("teacher")
    index = tf.range(NUM_SAMPLES, dtype=tf.int64)

    def asked_then_seen(answers):
        shown = guide_set.observe(Samples(task.x, index=index), task.y, None)
        guide_set.divergences({"final_output": answers}, shown, sample_weight=None, labels=task.y)
        return shown["teacher"]["asked"].numpy()

    theirs = teacher(task.x).numpy()
    some = theirs.copy()
    some[:10] = np.roll(some[:10], 1, axis=-1)  # another class than the teacher's
    assert asked_then_seen(some).all()
    assert asked_then_seen(theirs).nonzero()[0].tolist() == list(range(10))
    assert not asked_then_seen(some).any()  # all had agreed; the first ten no longer do
    assert asked_then_seen(theirs).nonzero()[0].tolist() == list(range(10))


def test_the_divergence_counts_the_asked_samples_alone(task):
    teacher = task.network(16)
    distiller = compiled(task, teacher=teacher)
    guide_set = distiller.guide_set
    guide_set.ask_by_sample("teacher")
    samples = Samples(task.x, index=tf.range(NUM_SAMPLES, dtype=tf.int64))
    theirs = teacher(task.x).numpy()
    ours = theirs.copy()
    ours[:10] = np.roll(ours[:10], 1, axis=-1)

    def divergence():
        answers = tf.constant(ours)
        with tf.GradientTape() as tape:
            tape.watch(answers)
            shown = guide_set.observe(samples, task.y, None)
            value = guide_set.divergences({"final_output": answers}, shown, sample_weight=None, labels=task.y)[
                "teacher"
            ]
        return float(value), tape.gradient(value, answers).numpy()

    divergence()  # now the others have left
    ours[10:] += np.random.default_rng(0).normal(scale=1e-2, size=ours[10:].shape)  # and drift, within their class
    value, gradient = divergence()
    p, q = (tf.nn.log_softmax(logits[:10] / 2.0) for logits in (theirs, ours))
    per_sample = tf.reduce_sum(tf.exp(p) * (p - q), axis=-1)
    assert value == pytest.approx(2.0**2 * float(tf.reduce_sum(per_sample)) / NUM_SAMPLES, rel=1e-4)
    assert np.abs(gradient[:10]).max() > 1e-4
    np.testing.assert_allclose(gradient[10:], 0.0, atol=1e-7)


@pytest.mark.parametrize("guide", ["teacher", "trainee"])
def test_batches_of_which_none_is_asked_leave_the_guide_as_it_is(task, guide):
    # The student gives the guide's answers from the start, each in its mode: a trainee by the statistics of the batch.
    extra = keras.layers.BatchNormalization() if guide == "trainee" else None
    network = task.taught(task.y, extra=extra)
    student = keras.models.clone_model(network)
    student.set_weights(network.get_weights())
    kwargs = {"teacher": network} if guide == "teacher" else {"trainee": network}
    distiller = compiled(task, student=student, trainee_optimizer=keras.optimizers.SGD(0.0), **kwargs)
    distiller.optimizer.learning_rate = 0.0
    history = fit(distiller, task, SampleHalting(guide), epochs=4)
    assert history[f"{guide}_asked"][-1] == 0.0
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in network.get_weights() + student.get_weights())
    assert history[f"{guide}_divergence"][-1] == pytest.approx(0.0, abs=1e-6)


def test_a_trainee_does_not_learn_from_fewer_than_eight_samples(task):
    trainee = task.network(16)
    distiller = compiled(task, trainee=trainee)
    guide_set = distiller.guide_set
    distiller.fit(task.x[:BATCH], task.y[:BATCH], batch_size=BATCH, verbose=0)
    guide_set.ask_by_sample("trainee")
    samples = Samples(task.x, index=tf.range(NUM_SAMPLES, dtype=tf.int64))

    ours = np.zeros((NUM_SAMPLES, 3), "float32")

    def step(num_others):
        shown = guide_set.observe(samples, task.y, None)
        asked = shown["trainee"]["asked"].numpy()
        ours[asked] = shown["trainee"]["final_output"]
        ours[:num_others] = np.where(
            asked[:num_others, None], np.roll(ours[:num_others], 1, axis=-1), ours[:num_others]
        )
        guide_set.divergences({"final_output": tf.constant(ours)}, shown, sample_weight=None, labels=task.y)
        return int(trainee.optimizer.iterations), int(asked.sum())

    assert step(8) == (2, NUM_SAMPLES)
    assert step(7) == (3, 8)
    assert step(7) == (3, 0)


def test_it_works_beside_a_rule_that_halts_the_guide(task):
    distiller = compiled(task, teacher=task.taught(task.y), trainee="like_teacher")
    history = fit(distiller, task, SampleHalting(), EarlyHalting(rule="epoch", start_from_epoch=2), epochs=4)
    report = distiller.halting_reports[1]
    assert report.epoch == 2
    assert report.share_asked < 1
    assert report.macs_saved == 3 * MACS * 4 * NUM_SAMPLES - report.macs_spent
    assert len(history["trainee_divergence"]) == 2


def test_a_callback_starts_anew_with_each_training_and_can_be_copied(task):
    distiller = compiled(task, teacher=task.taught(task.y))
    callback = SampleHalting("teacher")
    assert fit(distiller, task, callback, epochs=4)["teacher_asked"][-1] < 1
    assert fit(distiller, task, copy.deepcopy(callback), epochs=1)["teacher_asked"] == [1.0]
    assert "teacher_asked" not in fit(distiller, task, epochs=1)


def test_the_counts_survive_saved_weights(task, tmp_path):
    distiller = compiled(task, teacher=task.taught(task.y))
    fit(distiller, task, SampleHalting("teacher"))
    distiller.save_weights(tmp_path / "state.weights.h5")
    restored = compiled(task, teacher=task.network(16))
    restored.load_weights(tmp_path / "state.weights.h5")
    assert restored.halting_reports[0].share_asked == distiller.halting_reports[0].share_asked < 1


def test_samples_whose_positions_are_not_known_are_refused(task):
    distiller = compiled(task, teacher=task.network(16))
    data = tf.data.Dataset.from_tensor_slices((task.x, task.y)).batch(BATCH)
    with pytest.raises(ConfigError, match=r"pass (x and y to fit as )?arrays"):
        fit(distiller, task, SampleHalting("teacher"), data=data)


def test_stored_targets_are_not_asked(task):
    distiller = compiled(task, teacher=soft_targets(task.network(16), task.x))
    with pytest.raises(ConfigError, match="the teacher's targets are stored: expected a network to ask by sample"):
        fit(distiller, task, SampleHalting("teacher"))


def test_features_are_not_asked_by_sample(task):
    feature = FeatureDistillation(teacher_layer_name="hidden", student_layer_name="hidden")
    distiller = compiled(task, teacher=task.network(4), losses=[LogitsDistillation(2.0), feature])
    with pytest.raises(ConfigError, match="expected losses on outputs, received one between layers"):
        fit(distiller, task, SampleHalting("teacher"))


def test_a_guide_without_classes_is_not_asked_by_sample(task):
    def network():
        return keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])

    distiller = Distiller(network(), network(), FeatureDistillation())
    distiller.compile("sgd", loss="mse")
    with pytest.raises(
        ConfigError, match=r"expected one output of 2 classes or more, received the shapes \[\(None, 1\)"
    ):
        fit(distiller, task, SampleHalting("teacher"))


def test_a_guide_that_is_not_there_is_not_asked(task):
    with pytest.raises(ConfigError, match="unknown guide 'treinee'; did you mean 'trainee'"):
        SampleHalting("treinee")
    with pytest.raises(ConfigError, match="no guide 'trainee' to halt"):
        fit(compiled(task, teacher=task.network(16)), task, SampleHalting())


def test_probabilities_and_logits_can_meet(task):
    # The guide gives probabilities, the student logits: where it is not asked, the divergence is zero all the same.
    teacher = task.taught(task.y)
    soft = task.network(16, softmax=True)
    soft.set_weights(teacher.get_weights())
    student = keras.models.clone_model(teacher)
    student.set_weights(teacher.get_weights())
    distiller = compiled(task, teacher=soft, student=student)
    distiller.optimizer.learning_rate = 0.0
    history = fit(distiller, task, SampleHalting("teacher"), epochs=2)
    assert history["teacher_asked"] == [1.0, 0.0]
    assert history["teacher_divergence"] == pytest.approx([0.0, 0.0], abs=1e-5)


def test_a_fit_that_fails_leaves_no_guide_that_is_asked_by_sample(task):
    distiller = compiled(task, teacher=task.taught(task.y), trainee="like_teacher")
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: 1 // 0)
    with pytest.raises(ZeroDivisionError, match="division"):
        fit(distiller, task, SampleHalting(), stop, epochs=2)
    before = distiller.halting_reports[1].num_samples
    asked = before * distiller.halting_reports[1].share_asked
    fit(distiller, task, epochs=1)
    report = distiller.halting_reports[1]
    assert report.num_samples * report.share_asked - asked == pytest.approx(report.num_samples - before)


def test_a_distribution_strategy_is_refused(task):
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        distiller = compiled(task, teacher=task.taught(task.y), trainee="like_teacher")
    with pytest.raises(ConfigError, match="expected a distiller without a distribution strategy, received one under"):
        distiller.fit(task.x, task.y, batch_size=BATCH, verbose=0, callbacks=[SampleHalting()])
