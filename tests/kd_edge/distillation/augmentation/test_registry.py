"""Augmentations by name, layers of the user, and what is true of all of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.config.choices import AUGMENTATIONS
from kd_edge.distillation.augmentation.base import registered_augmentations
from kd_edge.distillation.augmentation.registry import (
    candidates_for,
    check_augmentation,
    make_augmentation,
    register_augmentation,
)
from kd_edge.errors import ConfigError

KINDS = [
    ("image", (9, 11, 3)),
    ("image-flip", (28, 28, 1)),
    ("spectrogram", (49, 40, 1)),
    ("spectrogram", (19, 13)),
    ("sensor", (61, 7)),
    ("imu", (61, 6)),
]


def batch(shape, count=7):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, *shape)).astype("float32"), rng.integers(0, 2**32, count)


@pytest.mark.parametrize(("name", "shape"), KINDS)
def test_a_sample_and_a_seed_give_the_same_to_the_bit_in_any_batch_eager_and_compiled(name, shape):
    samples, seeds = batch(shape)
    augment = make_augmentation(name)
    together = augment(tf.constant(samples), tf.constant(seeds)).numpy()
    alone = [augment(tf.constant(samples[i : i + 1]), tf.constant(seeds[i : i + 1])).numpy() for i in range(7)]
    assert np.array_equal(np.concatenate(alone), together)
    batches = tf.data.Dataset.from_tensor_slices((samples, seeds)).batch(3)
    assert np.array_equal(np.concatenate(list(batches.map(lambda x, s: augment(x, s)))), together)
    compiled = tf.function(lambda x, s: augment(x, s))
    assert np.array_equal(compiled(tf.constant(samples), tf.constant(seeds)).numpy(), together)


@pytest.mark.parametrize(("name", "shape"), KINDS)
def test_another_seed_gives_another_sample(name, shape):
    samples, seeds = batch(shape)
    augment = make_augmentation(name)
    one, two = (augment(tf.constant(samples), tf.constant(s)).numpy() for s in (seeds, seeds[::-1].copy()))
    different = np.abs(one - two).reshape(7, -1).max(axis=1) > 0.01
    assert different.sum() == 6  # the sample in the middle has its own seed both times


@pytest.mark.parametrize(("name", "shape"), KINDS)
def test_strength_0_changes_nothing_and_more_strength_changes_more(name, shape):
    samples, seeds = batch(shape, 64)
    changes = [
        np.abs(make_augmentation(name, strength=strength)(tf.constant(samples), tf.constant(seeds)) - samples).mean()
        for strength in (0, 0.3, 1)
    ]
    assert changes[0] == 0
    assert changes == sorted(set(changes))


@pytest.mark.parametrize(("name", "shape"), KINDS)
def test_the_largest_strength_still_gives_finite_samples(name, shape):
    samples, seeds = batch(shape)
    assert np.isfinite(make_augmentation(name, strength=50)(tf.constant(samples), tf.constant(seeds))).all()


@pytest.mark.parametrize("name", AUGMENTATIONS[1:])
@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf"), "strong"])
def test_a_strength_that_is_none_is_refused(name, strength):
    with pytest.raises(ConfigError, match=r"bad strength: expected a finite number of at least 0, received"):
        make_augmentation(name, strength=strength)


def test_the_configuration_knows_the_names_that_are_built_in():
    assert set(registered_augmentations()) == set(AUGMENTATIONS) - {"none"}


def test_none_is_no_augmentation_and_fits_everything():
    assert make_augmentation("none") is None
    check_augmentation("none", (3,))


def test_an_unknown_name_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown augmentation 'spectogram': did you mean 'spectrogram'"):
        make_augmentation("spectogram")


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((28, 28, 1), ("image", "image-flip", "spectrogram", "mixup")),
        ((32, 32, 3), ("image", "image-flip", "mixup")),
        ((49, 40), ("sensor", "spectrogram", "mixup")),
        ((128, 6), ("imu", "sensor", "mixup")),
        ((128, 3), ("sensor", "mixup")),
        ((20,), ("mixup",)),
        ((None, 6), ("mixup",)),
    ],
)
def test_candidates_are_what_fits_the_samples_with_mixup_last(shape, names):
    assert candidates_for(shape) == names


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("image", (28, 28), r"'image' reads samples of shape \(height, width, channels\).*received \(28, 28\)"),
        ("image-flip", (2, 28, 1), r"'image-flip' reads samples .* at least \(4, 4, 1\), received \(2, 28, 1\)"),
        ("spectrogram", (49, 40, 2), r"\(time, bins\) or \(time, bins, 1\).*received \(49, 40, 2\)"),
        ("spectrogram", (None, 40), r"received \(None, 40\)"),
        ("sensor", (128,), r"'sensor' reads samples of shape \(time, channels\)"),
    ],
)
def test_samples_that_do_not_fit_are_named(name, shape, message):
    with pytest.raises(ConfigError, match=message):
        check_augmentation(name, shape)


def test_an_augmentation_of_the_user_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr("kd_edge.distillation.augmentation.base._REGISTERED", registered_augmentations())

    @register_augmentation("sign")
    class Sign:
        version, repeatable = 1, True

        def __init__(self, *, strength):
            self.factor = -strength

        def check(self, sample_shape):
            pass

        def __call__(self, samples, seeds):
            return samples * self.factor

    assert make_augmentation("sign", strength=2.0)(tf.ones((1, 1)), tf.zeros(1, tf.int64)).numpy() == -2
    assert candidates_for((20,)) == ("sign", "mixup")
    for taken in ("sign", "image", "none", "auto"):
        with pytest.raises(ConfigError, match=f"cannot register the augmentation '{taken}': expected a new name"):
            register_augmentation(taken)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.RandomTranslation(0.2, 0.2),
        lambda: keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.GaussianNoise(0.1)]),
    ],
)
def test_layers_of_keras_change_samples_as_in_training_and_cannot_be_repeated(layer):
    augment = make_augmentation(layer())
    samples, seeds = batch((8, 8, 1))
    augment.check((8, 8, 1))
    assert not augment.repeatable
    batches = tf.data.Dataset.from_tensor_slices((samples, seeds)).batch(7).map(lambda x, s: augment(x, s))
    one, two = next(iter(batches)).numpy(), next(iter(batches)).numpy()
    assert one.shape == samples.shape
    assert np.abs(one - samples).max() > 0.01
    assert np.abs(one - two).max() > 0.01


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(ConfigError, match=r"expected a layer that keeps the shape \(8, 8, 1\), .*makes \(4, 4, 1\)"):
        check_augmentation(keras.layers.RandomCrop(4, 4, name="crop"), (8, 8, 1))
    with pytest.raises(ConfigError, match=r"cannot augment with 'deep': it does not take samples of shape \(8,\)"):
        check_augmentation(keras.layers.Conv2D(1, 3, name="deep"), (8,))
    with pytest.raises(ConfigError, match="expected 1 with the layer 'noise', which has sizes of its own, received 2"):
        make_augmentation(keras.layers.GaussianNoise(0.1, name="noise"), strength=2)
