"""Changes of spectrograms: when something is said, how loud, and what of it is lost."""

import numpy as np
import tensorflow as tf

from kd_edge.distillation.augmentation import draws, moments
from kd_edge.distillation.augmentation.base import check_axes, checked_strength, register_augmentation

# At strength 1; shares of the time steps, of the sample's deviation, of the time steps and of the bins.
_LARGEST_SHIFT = 0.1
_LEVEL_DEVIATION = 0.2
_LONGEST_MASK = 0.2
_WIDEST_MASK = 0.2


@register_augmentation("spectrogram")
class Spectrogram:
    """Shifts a spectrogram in time, changes its level and hides a stretch of time and a band of frequencies.

    The shift is that of Tang and Lin, "Deep Residual Learning for Small-Footprint Keyword Spotting" (arXiv 1710.10361):
    up to 0.1 s of 1 s; what comes into hearing repeats the first or last step. The level is added, so bins should be
    logarithms of power, and is a share of the sample's own deviation, since the unit is not known. The two masks are
    those of SpecAugment (Park et al., arXiv 1904.08779), each of random width from 0; like there they are filled with
    the mean of the sample. Mean and deviation are read from at least 16 steps, evenly spaced.

    Args:
        strength: Multiplies the largest shift (10 % of the time), the level's deviation (0.2 of the sample's), and the
            largest masks (20 % of the time, 20 % of the bins).
    """

    version = 1
    repeatable = True

    def __init__(self, *, strength: float = 1.0) -> None:
        self._strength = checked_strength(strength)

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that samples are spectrograms of `(time, bins)` or `(time, bins, 1)`."""
        shape = sample_shape[:-1] if len(sample_shape) == 3 and sample_shape[-1] == 1 else sample_shape
        check_axes("spectrogram", shape, "(time, bins) or (time, bins, 1)", (8, 8))

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the changed spectrograms."""
        self.check(tuple(samples.shape[1:]))
        if not self._strength:
            return samples
        steps, bins = samples.shape[1:3]
        frames = tf.reshape(samples, [-1, steps, bins])
        fewer = moments.some(frames, 16)
        fewer = tf.reshape(fewer, [-1, fewer.shape[1] * bins])
        place = draws.uniform(seeds, 0, (5, 1))
        lost = tf.logical_or(
            self._mask(steps, _LONGEST_MASK, place[:, 1], place[:, 2])[:, :, tf.newaxis],
            self._mask(bins, _WIDEST_MASK, place[:, 3], place[:, 4])[:, tf.newaxis],
        )
        left = tf.where(lost, moments.mean(fewer)[:, tf.newaxis], self._shifted(frames, place[:, 0]))
        levels = draws.normal_quantiles() * np.float32(_LEVEL_DEVIATION * self._strength)
        level = draws.entries(levels, seeds, 1, (1,)) * moments.deviation(fewer)
        return tf.reshape(left + level[:, tf.newaxis], [-1, *samples.shape[1:]])

    def _shifted(self, frames: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        steps, bins = frames.shape[1:]
        largest = min(_LARGEST_SHIFT * self._strength, 0.5) * steps
        shift = tf.cast(tf.round((place - 0.5) * (2 * largest)), tf.int32)
        step = tf.clip_by_value(tf.range(steps) - shift, 0, steps - 1)
        first = tf.range(tf.shape(frames)[0])[:, tf.newaxis] * steps
        return tf.gather(tf.reshape(frames, [-1, bins]), step + first)

    def _mask(self, length: int, share: float, size: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Return which entries of an axis are hidden: a width from 0 to the largest, then a place for it."""
        widest = round(min(share * self._strength, 1.0) * length)
        width = tf.cast(size * (widest + 1), tf.int32)
        first = tf.cast(place * tf.cast(length + 1 - width, tf.float32), tf.int32)
        entry = tf.range(length)
        return tf.logical_and(entry >= first, entry < first + width)
