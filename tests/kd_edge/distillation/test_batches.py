"""Batches of samples in memory: what an epoch holds follows from the seed and its number alone."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.distillation import LogitsDistillation

from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.feed import Feed
from kd_edge.distillation.samples import Samples
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import ConfigError, DataError

IMAGES = np.random.default_rng(0).normal(size=(24, 8, 8, 1)).astype("float32")
LABELS = np.arange(24) % 3


def read(plan, epochs, **kwargs):
    return [
        tf.nest.map_structure(lambda t: None if t is None else t.numpy(), batch)
        for batch in plan.feed(epochs, **kwargs)
    ]


def image_teacher(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_every_epoch_has_each_sample_once_in_an_order_of_its_own():
    plan = Batches(x=np.arange(10.0)[:, None], y=np.arange(10), batch_size=4)
    labels = [y for _, y in read(plan, 2)]
    one, two = np.concatenate(labels[:3]), np.concatenate(labels[3:])
    assert sorted(one) == sorted(two) == list(range(10))
    assert list(one) != list(two)
    assert plan.num_steps == 3


def test_an_epoch_is_the_same_whether_training_starts_with_it_or_comes_to_it():
    plan = Batches(x=IMAGES, y=LABELS, batch_size=8, augmentation=make_augmentation("image"))
    whole, resumed = read(plan, 3), read(plan, 3, first_epoch=2)
    for (x, y), (again, same) in zip(whole[-3:], resumed, strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, same)


def test_what_fills_no_batch_is_left_out_when_asked():
    plan = Batches(x=IMAGES[:10], y=LABELS[:10], batch_size=4, drop_remainder=True)
    assert [len(y) for _, y in read(plan, 1)] == [4, 4]
    assert plan.num_steps == 2


@pytest.mark.parametrize("augment", ["image", "mixup"])
def test_training_sees_exactly_the_sample_that_the_teacher_answered_about(augment):
    teacher = image_teacher()
    targets = soft_targets(teacher, IMAGES, views=3, augment=augment, seed=5)
    order = np.random.default_rng(1).permutation(len(IMAGES))
    plan = Batches(x=IMAGES[order], y=LABELS[order], batch_size=7, targets=targets)
    batches = read(plan, 4)
    assert len(batches) == 16
    for samples, _ in batches:
        answers = teacher(samples.inputs, training=False).numpy()
        np.testing.assert_allclose(samples.targets, answers, atol=4e-3)  # float16 of a few units


def test_a_sample_goes_through_its_views_in_turn():
    targets = soft_targets(image_teacher(), IMAGES, views=3, augment="image")
    plan = Batches(x=IMAGES, y=LABELS, batch_size=24, shuffle=False, targets=targets)
    epochs = [samples.inputs for samples, _ in read(plan, 4)]
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[3])


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_batch_that_does_not_know_its_views_is_refused(size):
    teacher = image_teacher()
    targets = soft_targets(teacher, IMAGES, views=2, augment="image")
    distiller = Distiller(targets, image_teacher(), LogitsDistillation(2.0))
    distiller.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ConfigError, match=r"stored outputs of views .* expected its batches, .* use fit"):
        distiller.train_on_batch(IMAGES[:size], np.zeros(size, int))


def test_views_of_mixup_mix_the_labels_like_the_samples():
    plan = Batches(x=np.eye(6, dtype="float32"), y=np.arange(6), batch_size=6, augmentation=make_augmentation("mixup"))
    ((inputs, labels),) = read(plan, 1)
    np.testing.assert_allclose(labels, inputs, atol=1e-6)  # sample i is the one-hot row of its label
    assert (inputs.max(axis=1) < 1).any()


def test_weights_of_samples_come_with_them_and_are_mixed_like_them():
    weights = np.arange(6, dtype="float32")
    plan = Batches(x=np.eye(6, dtype="float32"), y=np.arange(6), sample_weight=weights, batch_size=6)
    ((_, labels, plain),) = read(plan, 1)
    np.testing.assert_array_equal(plain, weights[labels])
    ((inputs, _, mixed),) = read(replace(plan, augmentation=make_augmentation("mixup")), 1)
    np.testing.assert_allclose(mixed, inputs @ weights, rtol=1e-5)


def test_unlabelled_samples_join_and_their_labels_weigh_nothing():
    plan = Batches(x=IMAGES[:8], y=LABELS[:8], x_unlabeled=IMAGES[8:], batch_size=24, shuffle=False)
    ((samples, labels),) = read(plan, 1)
    np.testing.assert_array_equal(samples.label_weight, np.repeat([3.0, 0.0], [8, 16]))  # 24 samples, 8 labels
    np.testing.assert_array_equal(labels[:8], LABELS[:8])
    assert samples.index.tolist() == list(range(24))


@pytest.mark.parametrize(("asked", "steps"), [({}, 3), ({"steps_per_epoch": 2}, 2)])
def test_an_epoch_has_the_steps_that_were_asked_for(asked, steps):
    assert Feed(IMAGES, LABELS, 8, 2, asked).with_batches(None).options["steps_per_epoch"] == steps


def test_weights_of_classes_are_not_those_of_samples_without_a_class():
    options = {"class_weight": {0: 3.0, 1: 0.5}, "shuffle": False}
    for labels in (LABELS[:12], np.eye(3)[LABELS[:12]]):
        feed = Feed(IMAGES[:12], labels, 24, 1, options).with_batches(None, x_unlabeled=IMAGES[12:])
        ((_, _, weights),) = feed.x
        np.testing.assert_array_equal(weights, [3.0, 0.5, 1.0] * 4 + [1.0] * 12)
        assert "class_weight" not in feed.options


def test_the_labels_loss_is_that_of_the_samples_that_have_one(task):
    """With weight 1 for the labels, one batch of all gives the student what the labelled samples alone give it."""
    ours, theirs = task.network(), task.network()
    theirs.set_weights(ours.get_weights())
    targets = soft_targets(task.network(16), task.x)
    for student, labelled, more in ((ours, 32, task.x[32:]), (theirs, 32, None)):
        distiller = Distiller(targets, student, LogitsDistillation(2.0), student_loss_weight=0.9999999)
        distiller.compile("sgd", loss=task.loss(), metrics=["accuracy"])
        history = distiller.fit(
            task.x[:labelled], task.y[:labelled], batch_size=64, x_unlabeled=more, shuffle=False, verbose=0
        ).history
        assert history["accuracy"][0] * 32 == pytest.approx(round(history["accuracy"][0] * 32), abs=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_student_learns_what_unlabelled_samples_are_from_the_teacher(task):
    """Of samples without labels, it gives the teacher's answer far more often if it has seen them."""
    teacher, agreements = task.network(16), []
    answers = teacher.predict(task.x[8:], verbose=0).argmax(1)
    for more in (None, task.x[8:]):
        student = task.network()
        distiller = Distiller(teacher, student, LogitsDistillation(1.0), student_loss_weight=0.0)
        distiller.compile(keras.optimizers.Adam(0.05), loss=task.loss())
        distiller.fit(task.x[:8], task.y[:8], x_unlabeled=more, batch_size=32, epochs=60, verbose=0)
        agreements.append(np.mean(student.predict(task.x[8:], verbose=0).argmax(1) == answers))
    assert agreements[1] > agreements[0] + 0.1
    assert agreements[1] > 0.8


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"x_unlabeled": np.zeros((3, 8, 7, 1), "float32")},
            DataError,
            r"unlabelled samples of another shape: expected",
        ),
        ({"y": LABELS[:20]}, DataError, "different numbers of samples: expected 24 as in x, received 20 in y"),
        ({"y": np.tile(LABELS, 2)}, DataError, "expected 24 as in x, received 48 in y"),
        ({"y": {"a": LABELS, "b": LABELS[:9]}}, DataError, "expected 24 as in x, received 9 in y"),
        ({"x": {"a": IMAGES, "b": IMAGES[:9]}}, DataError, "expected 24 as in x, received 9 in x"),
        ({"y": LABELS[:20], "x_unlabeled": IMAGES[:4]}, DataError, "expected 24 as in x, received 20 in y"),
        ({"sample_weight": np.ones(25)}, DataError, "expected 24 as in x, received 25 in sample_weight"),
        (
            {"x": {"a": IMAGES, "b": IMAGES}, "x_unlabeled": {"a": IMAGES, "b": IMAGES[:9]}},
            DataError,
            "expected 24 as in x_unlabeled, received 9 in x_unlabeled",
        ),
        ({"x": {"a": IMAGES}, "augmentation": make_augmentation("image")}, ConfigError, "changes one array of samples"),
        ({"y": np.eye(3)[LABELS], "augmentation": make_augmentation("mixup")}, DataError, "mixup mixes class indices"),
    ],
)
def test_what_cannot_be_batched_is_refused(change, error, message):
    plan = Batches(**{"x": IMAGES, "y": LABELS} | change)
    with pytest.raises(error, match=message):
        plan.feed(1)


def test_views_of_mixup_need_every_sample_that_the_teacher_saw():
    targets = soft_targets(image_teacher(), IMAGES, views=2, augment="mixup")
    with pytest.raises(DataError, match="expected 24, received 20 of them"):
        Batches(x=IMAGES[:20], y=LABELS[:20], targets=targets).feed(1)


def test_samples_as_they_are_need_no_carrier():
    ((inputs, _),) = read(Batches(x=IMAGES, y=LABELS, batch_size=24), 1)
    assert not isinstance(inputs, Samples)
