"""Changes of images: where things are, which side they face, and what is hidden."""

import tensorflow as tf

from kd_edge.distillation.augmentation import draws, moments
from kd_edge.distillation.augmentation.base import check_axes, checked_strength, register_augmentation

# Shares of the side at strength 1: 2 of 28 pixels and 7 of 28. A student of 1,000 parameters has no room for more.
_LARGEST_SHIFT = 0.07
_CUTOUT_SIDE = 0.25


@register_augmentation("image")
class Image:
    """Shifts an image and hides a square of it.

    The shift is a whole number of pixels per axis; what comes into sight repeats the border. The square has its centre
    anywhere, so a part of it may be outside, as in DeVries and Taylor, "Improved Regularization of Convolutional Neural
    Networks with Cutout" (arXiv 1708.04552). They fill it with 0 where images are normalised to mean 0; here it has the
    image's own mean per channel, which is the same there and no new colour elsewhere.

    Args:
        strength: Multiplies the largest shift (7 % of the side) and the square's side (25 % of the shorter side).
        flip: Whether half of the images (less below strength 1) are mirrored left to right.
    """

    version = 1
    repeatable = True

    def __init__(self, *, strength: float = 1.0, flip: bool = False) -> None:
        self._name = "image-flip" if flip else "image"
        self._strength = checked_strength(strength)
        self._largest_shift = min(_LARGEST_SHIFT * self._strength, 0.5)
        self._cutout_side = min(_CUTOUT_SIDE * self._strength, 1.0)
        self._flip_chance = min(0.5, 0.5 * self._strength) if flip else 0.0

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that samples are images of `(height, width, channels)`."""
        check_axes(self._name, sample_shape, "(height, width, channels)", (4, 4, 1))

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the changed images: one look-up reads each pixel from where it was, or the mean where it is hidden."""
        self.check(tuple(samples.shape[1:]))
        if not self._strength:
            return samples
        height, width, channels = samples.shape[1:]
        count = tf.shape(samples)[0]
        pixels = tf.reshape(samples, [-1, channels])
        mean = tf.reshape(moments.mean(tf.reshape(samples, [-1, height * width, channels])), [-1, channels])
        place = draws.uniform(seeds, 0, (5, 1))
        image = tf.range(count)[:, tf.newaxis]
        rows = (image * height + _shifted(height, place[:, 0], self._largest_shift)) * width
        columns = self._flipped(_shifted(width, place[:, 1], self._largest_shift), place[:, 2])
        size = round(self._cutout_side * min(height, width))
        hidden = count * height * width + image
        hidden_rows = tf.where(_within(height, place[:, 3], size), hidden, 0)
        hidden_columns = tf.where(_within(width, place[:, 4], size), hidden, 0)
        # Both name the mean, which is behind the last pixel, or one of them is 0.
        read = tf.maximum(
            rows[:, :, tf.newaxis] + columns[:, tf.newaxis],
            tf.minimum(hidden_rows[:, :, tf.newaxis], hidden_columns[:, tf.newaxis]),
        )
        return tf.gather(tf.concat([pixels, mean], 0), read)

    def _flipped(self, columns: tf.Tensor, chance: tf.Tensor) -> tf.Tensor:
        if not self._flip_chance:
            return columns
        return tf.where(chance < self._flip_chance, columns[:, ::-1], columns)


@register_augmentation("image-flip")
def _flipping(*, strength: float = 1.0) -> Image:
    return Image(strength=strength, flip=True)


def _shifted(side: int, place: tf.Tensor, largest: float) -> tf.Tensor:
    """Return from where each of `side` places is read after a shift of up to a share `largest`, border repeated."""
    shift = tf.cast(tf.round((place - 0.5) * (2 * largest * side)), tf.int32)
    return tf.clip_by_value(tf.range(side) - shift, 0, side - 1)


def _within(side: int, place: tf.Tensor, size: int) -> tf.Tensor:
    """Return which of `side` places are within a stretch of `size` around a random one of them."""
    first = tf.cast(place * side, tf.int32) - size // 2
    entry = tf.range(side)
    return tf.logical_and(entry >= first, entry < first + size)
