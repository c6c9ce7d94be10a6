"""Mean and deviation of each sample, the same to the bit whatever batch it is in.

TensorFlow's reductions add in an order that depends on the shape of the batch, and its graph optimizer changes the order
of sums of more than two terms unless they are one `add_n`; here the order depends on the sample alone.
"""

import math

import tensorflow as tf


def mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean over axis 1, which keeps length 1: halves are added to each other until one entry is left.

    Args:
        values: Shape `(batch, count, ...)`, all known but the batch.
    """
    count, entry = values.shape[1], list(values.shape[2:])
    size, length = math.prod(entry), count
    total = tf.reshape(values, [-1, count * size])
    odd = []
    while length > 1:
        half = length // 2
        if length % 2:
            odd.append(total[:, 2 * half * size :])
        total = total[:, : half * size] + total[:, half * size : 2 * half * size]
        length = half
    total = tf.add_n([total, *odd])
    return tf.reshape(total * (1.0 / count), [-1, 1, *entry])


def deviation(values: tf.Tensor) -> tf.Tensor:
    """Return the standard deviation over axis 1, which keeps length 1."""
    centred = values - mean(values)
    return tf.sqrt(mean(centred * centred))
