"""Reads of samples between their time steps."""

import tensorflow as tf


def read_at(samples: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """Return what linear interpolation reads in each sample at positions of its own.

    Args:
        samples: Shape `(batch, time, channels)`.
        positions: In time steps, 0 to `time - 1`, float32, shape `(batch, count)`.
    """
    steps = samples.shape[1]
    left = tf.clip_by_value(tf.cast(positions, tf.int32), 0, steps - 2)
    weight = (positions - tf.cast(left, tf.float32))[..., tf.newaxis]
    row = left + tf.range(tf.shape(samples)[0])[:, tf.newaxis] * steps
    rows = tf.reshape(samples, [-1, samples.shape[2]])
    before, after = tf.gather(rows, row), tf.gather(rows, row + 1)
    return before + (after - before) * weight
