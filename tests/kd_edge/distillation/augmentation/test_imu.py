"""Random changes of samples."""

import numpy as np
import pytest
import tensorflow as tf

from kd_edge.distillation.augmentation.imu import augment
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.errors import ConfigError


def batches(shape=(64, 6), count=8):
    samples = np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((samples, np.arange(count))).batch(4)


def collected(dataset):
    return np.concatenate([x for x, _ in dataset]), np.concatenate([y for _, y in dataset])


def test_samples_change_and_labels_stay():
    (plain, labels), (changed, kept) = collected(batches()), collected(augment(batches(), "imu", seed=1))
    assert changed.shape == plain.shape
    assert np.array_equal(kept, labels)
    assert np.abs(changed - plain).mean() > 0.1


def test_a_seed_repeats_the_changes_and_every_pass_has_its_own():
    first, again = augment(batches(), "imu", seed=1), augment(batches(), "imu", seed=1)
    one, two = collected(first)[0], collected(first)[0]
    assert not np.allclose(one, two)
    assert np.array_equal(one, collected(again)[0])
    assert np.array_equal(two, collected(again)[0])
    assert not np.allclose(one, collected(augment(batches(), "imu", seed=2))[0])


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
        augment(batches(), "imus")
    with pytest.raises(ConfigError, match=r"reads samples of shape \(time, 6\), received \(64, 3\)"):
        augment(batches((64, 3)), "imu")


def test_mixup_is_refused_where_labels_cannot_be_blended():
    with pytest.raises(ConfigError, match="cannot augment batches with 'mixup': it blends labels as well"):
        augment(batches(), "mixup")
