"""Random changes of samples."""

import numpy as np
import pytest
import tensorflow as tf

from kd_edge.distillation.augmentation.registry import check_augmentation, make_augmentation
from kd_edge.distillation.batches import Batches
from kd_edge.errors import ConfigError

SAMPLES = np.random.default_rng(0).normal(size=(8, 64, 6)).astype("float32")


def collected(name="none", seed=1, epochs=1):
    """The samples and labels of each epoch."""
    plan = Batches(
        x=SAMPLES, y=np.arange(8), batch_size=8, seed=seed, shuffle=False, augmentation=make_augmentation(name)
    )
    return [(x.numpy(), y.numpy()) for x, y in plan.feed(epochs)]


def test_samples_change_and_labels_stay():
    ((plain, labels),), ((changed, kept),) = collected(), collected("imu")
    assert changed.shape == plain.shape
    assert np.array_equal(kept, labels)
    assert np.abs(changed - plain).mean() > 0.1


def test_a_seed_repeats_the_changes_and_every_pass_has_its_own():
    (one, _), (two, _) = collected("imu", epochs=2)
    (again, _), (too, _) = collected("imu", epochs=2)
    assert not np.allclose(one, two)
    assert np.array_equal(one, again)
    assert np.array_equal(two, too)
    assert not np.allclose(one, collected("imu", seed=2)[0][0])


def test_both_sensors_are_turned_alike():
    """Of a still window whose two sensors agree, the directions still agree afterwards."""
    still = np.tile(np.array([3.0, 4.0, 0.0, 3.0, 4.0, 0.0], "float32"), (16, 200, 1))
    turned = make_augmentation("imu")(tf.constant(still), tf.range(16, dtype=tf.int64)).numpy().mean(axis=1)
    first, second = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (turned[:, :3], turned[:, 3:]))
    assert np.allclose(first, second, atol=0.02)
    angles = np.degrees(np.arccos(np.clip(first @ np.array([0.6, 0.8, 0.0]), -1, 1)))
    assert angles.max() > 5
    assert angles.max() < 32


def test_what_does_not_fit_is_named():
    with pytest.raises(ConfigError, match="unknown augmentation 'imus': did you mean 'imu'"):
        check_augmentation("imus", (64, 6))
    with pytest.raises(ConfigError, match=r"reads samples of shape \(time, 6\), received \(64, 3\)"):
        check_augmentation("imu", (64, 3))
