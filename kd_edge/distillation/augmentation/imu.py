"""Random changes of training samples that keep their labels."""

import math
from collections.abc import Callable

import tensorflow as tf

from kd_edge.errors import ConfigError, nearest

# Largest changes, chosen on the validation people of the watch recordings.
_LARGEST_ANGLE = math.radians(30)
_SLOWEST_SPEED = 0.7
_STRENGTH_DEVIATION = 0.1
_NOISE_DEVIATION = 0.03


def augment(batches: tf.data.Dataset, name: str, *, seed: int = 0) -> tf.data.Dataset:
    """Return a data set whose samples are changed anew in every pass, repeatably for a seed.

    Args:
        batches: Batches of `(samples, labels)`.
        name: `"none"`, or `"imu"` for windows of a 3-axis accelerometer and a 3-axis gyroscope.
        seed: All random numbers follow from it and from the number of the batch.

    Raises:
        ConfigError: The name is unknown, or does not fit samples of this shape.
    """
    check_augmentation(name, tuple(batches.element_spec[0].shape[1:]))
    if name == "none":
        return batches
    change = _AUGMENTATIONS[name]
    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(batches, numbers).map(lambda batch, number: (change(batch[0], number), batch[1]))


def check_augmentation(name: str, sample_shape: tuple[int | None, ...]) -> None:
    """Make sure that an augmentation is known and fits samples of a shape.

    Raises:
        ConfigError: The name is unknown, or does not fit the samples.
    """
    if name == "none":
        return
    if name not in _AUGMENTATIONS:
        raise ConfigError(f"unknown augmentation {name!r}: {nearest(name, ['none', *_AUGMENTATIONS])}")
    if len(sample_shape) != 2 or sample_shape[-1] != 6:
        raise ConfigError(f"augmentation {name!r} reads samples of shape (time, 6), received {sample_shape}")


def imu(samples: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return a batch of inertial windows as other wearers might have produced them.

    In turn: a random part of the window is stretched back to its length, as by a slower movement, whose turn rates are
    lower as well; both sensors are turned by the same rotation, as by a watch that sits differently; the movement is
    stronger or weaker per sensor; noise is added.

    Args:
        samples: Shape `(batch, time, 6)`: three accelerations, three turn rates. Each sensor has one scale, and its
            mean was not taken away, or a rotation would mean nothing.
        seed: Two integers.
    """
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 6))
    count = tf.shape(samples)[0]
    speed = tf.random.stateless_uniform([count, 1], seeds[0], _SLOWEST_SPEED, 1.0)
    samples = _stretch(samples, speed, tf.random.stateless_uniform([count, 1], seeds[1]))
    rotation = _rotations(count, seeds[2], seeds[3])
    samples = tf.concat([samples[..., :3] @ rotation, samples[..., 3:] @ rotation], -1)
    strength = tf.exp(tf.random.stateless_normal([count, 1, 2], seeds[4], stddev=_STRENGTH_DEVIATION))
    noise = tf.random.stateless_normal(tf.shape(samples), seeds[5], stddev=_NOISE_DEVIATION)
    return samples * tf.repeat(strength, 3, axis=2) + noise


def _stretch(samples: tf.Tensor, speed: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Read a share `speed` of each window, from a share `start` of what is left, by linear interpolation."""
    steps = samples.shape[1]
    length = speed * (steps - 1)
    position = start * (steps - 1 - length) + tf.linspace(0.0, 1.0, steps)[tf.newaxis] * length
    left = tf.clip_by_value(tf.cast(position, tf.int32), 0, steps - 2)
    weight = (position - tf.cast(left, tf.float32))[..., tf.newaxis]
    read = (1 - weight) * tf.gather(samples, left, batch_dims=1) + weight * tf.gather(samples, left + 1, batch_dims=1)
    slower = tf.concat([tf.ones_like(speed)] * 3 + [speed] * 3, 1)
    return read * slower[:, tf.newaxis]


def _rotations(count: tf.Tensor, axis_seed: tf.Tensor, angle_seed: tf.Tensor) -> tf.Tensor:
    """Return rotation matrices about random axes by Rodrigues' formula `I + sin(a) K + (1 - cos(a)) K^2`."""
    x, y, z = tf.unstack(tf.math.l2_normalize(tf.random.stateless_normal([count, 3], axis_seed), -1), axis=1)
    angle = tf.random.stateless_uniform([count, 1, 1], angle_seed, -_LARGEST_ANGLE, _LARGEST_ANGLE)
    zero = tf.zeros_like(x)
    cross = tf.reshape(tf.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1), [-1, 3, 3])
    return tf.eye(3) + tf.sin(angle) * cross + (1 - tf.cos(angle)) * (cross @ cross)


_AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {"imu": imu}
