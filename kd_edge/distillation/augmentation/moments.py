"""Mean and deviation of each sample, the same to the bit whatever batch it is in."""

import numpy as np
import tensorflow as tf


def mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean over axis 1, which keeps length 1.

    TensorFlow adds the entries of a row in an order that depends on its length alone, if it is one of several rows. So
    each sum is made a row, and there is one row more than needed.

    Args:
        values: Shape `(batch, count)` or `(batch, count, channels)`, all known but the batch.
    """
    count, channels = values.shape[1], list(values.shape[2:])
    rows = tf.reshape(tf.transpose(values, [0, 2, 1]) if channels not in ([], [1]) else values, [-1, count])
    sums = tf.reduce_sum(tf.concat([rows, rows[:1]], 0), 1)[:-1]
    return tf.reshape(sums * (1.0 / count), [-1, 1, *channels])


def deviation(values: tf.Tensor) -> tf.Tensor:
    """Return the standard deviation over axis 1, which keeps length 1."""
    centred = values - mean(values)
    return tf.sqrt(mean(centred * centred))


def some(values: tf.Tensor, least: int) -> tf.Tensor:
    """Return evenly spaced entries of axis 1, at least so many where there are, and less than twice as many."""
    return tf.gather(values, np.arange(0, values.shape[1], max(1, values.shape[1] // least)), axis=1)
