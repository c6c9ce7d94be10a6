"""Changes of what sensors recorded over time, any number of them."""

import math

import numpy as np
import tensorflow as tf

from kd_edge.distillation.augmentation import draws, moments
from kd_edge.distillation.augmentation.base import check_axes, checked_strength, register_augmentation
from kd_edge.distillation.augmentation.resampling import read_at

# At strength 1: deviation of the factor, of the noise in deviations of the channel, and largest change of speed.
_SCALE_DEVIATION = 0.1
_NOISE_DEVIATION = 0.05
_SPEED_CHANGE = 0.2
# Parts of the change of speed, by the number of half waves over the window: slow changes are larger than fast ones.
_HALF_WAVES = {1: 1 / 2, 2: 1 / 3, 3: 1 / 6}


@register_augmentation("sensor")
class Sensor:
    """Speeds a recording up and down, scales each channel and adds noise.

    Time warp, scaling and jitter of Um et al., "Data Augmentation of Wearable Sensor Data for Parkinson's Disease
    Monitoring using Convolutional Neural Networks" (arXiv 1706.00527), with two differences: the change of speed is a
    sum of three half waves instead of a cubic spline, which keeps both ends and time's direction by its form; the noise
    is a share of the channel's own deviation in the window (read from at least 32 steps, evenly spaced), so that the
    unit of a channel does not matter.

    Args:
        strength: Multiplies the largest change of speed (20 %), the factor's deviation (0.1; the factor is log-normal)
            and the noise (0.05 of the channel's deviation).
    """

    version = 1
    repeatable = True

    def __init__(self, *, strength: float = 1.0) -> None:
        self._strength = checked_strength(strength)
        self._speed_change = min(_SPEED_CHANGE * self._strength, 0.9)

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that samples are windows of `(time, channels)`."""
        check_axes("sensor", sample_shape, "(time, channels)", (8, 1))

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the changed windows."""
        self.check(tuple(samples.shape[1:]))
        if not self._strength:
            return samples
        steps, channels = samples.shape[1:]
        factors = np.exp(_SCALE_DEVIATION * self._strength * draws.normal_quantiles())
        # A factor, and the noise in deviations that it makes: constants go into the table, since the graph optimizer
        # multiplies them in an order of its own.
        table = np.stack([factors, factors * np.float32(_NOISE_DEVIATION * self._strength)], 1)
        factor, noisiness = tf.unstack(draws.entries(table, seeds, 1, (1, channels)), axis=-1)
        deviation = moments.deviation(moments.some(samples, 32))
        read = read_at(samples, self._positions(steps, seeds))
        noise = draws.noise(seeds, 2, (steps, channels))
        return _times(read, factor) + _times(noise, deviation * noisiness)

    def _positions(self, steps: int, seeds: tf.Tensor) -> tf.Tensor:
        """Return from where each step is read: `t + sum_k a_k sin(pi k t / T) T / (pi k)`, of speed above 0."""
        last = steps - 1
        time = np.linspace(0.0, 1.0, steps)
        size = draws.uniform(seeds, 0, (len(_HALF_WAVES), 1), low=-self._speed_change, high=self._speed_change)
        positions = tf.range(steps, dtype=tf.float32)
        for i, (k, share) in enumerate(_HALF_WAVES.items()):
            wave = size[:, i] * tf.constant(np.sin(math.pi * k * time) * (share * last / (math.pi * k)), tf.float32)
            # The graph optimizer may change the order of a sum, but not that of sums and differences.
            positions = positions - wave if i % 2 else positions + wave
        return tf.clip_by_value(positions, 0.0, float(last))


def _times(windows: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Return windows times a factor per channel; a few steps at once, since TensorFlow is slow along a short axis."""
    steps, channels = windows.shape[1:]
    together = math.gcd(steps, 16)
    groups = tf.reshape(windows, [-1, steps // together, together * channels])
    return tf.reshape(groups * tf.tile(factor, [1, 1, together]), [-1, steps, channels])
