"""Changes of what an accelerometer and a gyroscope recorded, as if worn by somebody else."""

import functools
import math

import numpy as np
import tensorflow as tf

from kd_edge.distillation.augmentation import draws
from kd_edge.distillation.augmentation.base import checked_strength, register_augmentation
from kd_edge.distillation.augmentation.resampling import read_at
from kd_edge.errors import ConfigError

# Largest changes at strength 1, chosen on the validation people of the watch recordings.
_LARGEST_ANGLE = math.radians(30)
_LARGEST_SLOWING = 0.3
_FORCE_DEVIATION = 0.1
_NOISE_DEVIATION = 0.03
_NUM_ANGLES = 2**12
_NUM_DIRECTIONS = 2**12


@register_augmentation("imu")
class Inertial:
    """Changes inertial windows as other wearers might have produced them.

    In turn: a random part of the window is stretched back to its length, as by a slower movement, whose turn rates are
    lower as well; both sensors are turned by the same rotation, as by a watch that sits differently; the movement is
    stronger or weaker per sensor; noise is added. Rotation, scaling and jitter as in Um et al. (arXiv 1706.00527).

    Samples have the shape `(time, 6)`: three accelerations, three turn rates. Each sensor has one scale, and its mean
    was not taken away, or a rotation would mean nothing.

    Args:
        strength: Multiplies the largest slowing (to 70 % of the speed), the largest angle (30 degrees), the deviation
            of the force's logarithm (0.1) and that of the noise (0.03 of the samples' unit).
    """

    version = 1
    repeatable = True

    def __init__(self, *, strength: float = 1.0) -> None:
        self._strength = checked_strength(strength)

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that samples are windows of `(time, 6)`."""
        steps = sample_shape[0] if sample_shape else None
        if len(sample_shape) != 2 or sample_shape[-1] != 6 or steps is None or steps < 2:
            raise ConfigError(f"augmentation 'imu' reads samples of shape (time, 6), received {tuple(sample_shape)}")

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the changed windows."""
        self.check(tuple(samples.shape[1:]))
        if not self._strength:
            return samples
        place = draws.uniform(seeds, 0, (2, 1))
        speed = 1.0 - place[:, 0] * min(_LARGEST_SLOWING * self._strength, 0.9)
        samples = _stretched(samples, speed, place[:, 1])
        forces = np.exp(_FORCE_DEVIATION * self._strength * draws.normal_quantiles())
        force = draws.entries(forces, seeds, 1, (2, 1))
        rotation = self._rotations(seeds)
        moved = _turned(samples[..., :3], rotation, force[:, 0])
        turned = _turned(samples[..., 3:], rotation, force[:, 1] * speed)
        noise = draws.noise(seeds, 2, samples.shape[1:]) * (_NOISE_DEVIATION * self._strength)
        return tf.stack([*moved, *turned], -1) + noise

    def _rotations(self, seeds: tf.Tensor) -> list[list[tf.Tensor]]:
        """Return rotation matrices about random axes by Rodrigues' formula `I + sin(a) K + (1 - cos(a)) K^2`."""
        largest = min(_LARGEST_ANGLE * self._strength, math.pi)
        angles = np.linspace(-largest, largest, _NUM_ANGLES)
        table = np.stack([np.sin(angles), 1 - np.cos(angles)], 1).astype(np.float32)
        sine, versine = tf.split(draws.entries(table, seeds, 3), 2, axis=-1)
        x, y, z = tf.split(draws.entries(_directions(), seeds, 4), 3, axis=-1)
        return [
            [1.0 - versine * (1.0 - x * x), versine * x * y - sine * z, versine * x * z + sine * y],
            [versine * x * y + sine * z, 1.0 - versine * (1.0 - y * y), versine * y * z - sine * x],
            [versine * x * z - sine * y, versine * y * z + sine * x, 1.0 - versine * (1.0 - z * z)],
        ]


@functools.cache
def _directions() -> np.ndarray:
    """Return unit vectors evenly over the sphere, shape `(4096, 3)`: the Fibonacci lattice.

    González, "Measurement of areas on a sphere using Fibonacci and latitude-longitude lattices" (Mathematical
    Geosciences 2010).
    """
    i = np.arange(_NUM_DIRECTIONS)
    height = (2 * i + 1) / _NUM_DIRECTIONS - 1
    longitude = math.pi * (3 - math.sqrt(5)) * i
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(longitude), radius * np.sin(longitude), height], 1).astype(np.float32)


def _stretched(samples: tf.Tensor, speed: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Read a share `speed` of each window, from a share `start` of what is left."""
    last = samples.shape[1] - 1
    fraction = tf.constant(np.linspace(0.0, 1.0, last + 1), tf.float32)
    length = speed * last
    return read_at(samples, tf.clip_by_value(start * (last - length) + fraction * length, 0.0, float(last)))


def _turned(vectors: tf.Tensor, rotation: list[list[tf.Tensor]], factor: tf.Tensor) -> list[tf.Tensor]:
    """Return row vectors times a matrix and a factor, by axis.

    `tf.matmul` may add in another order in another batch, and the graph optimizer changes the order of a sum of three,
    but not that of a sum and a difference.
    """
    x, y, z = tf.unstack(vectors, axis=-1)
    columns = zip(*rotation, strict=True)
    return [x * (a * factor) + y * (b * factor) - z * (c * -factor) for a, b, c in columns]
