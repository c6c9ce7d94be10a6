"""Random numbers that follow from one seed per sample, whatever batch the sample is in.

TensorFlow's own generators take one seed for a whole batch. Here number `i` of a sample is a hash of the sample's seed,
a stream (one for each thing that is drawn) and `i`. Integer arithmetic and look-ups in tables give the same bits
everywhere; `log` or `cos` would not: TensorFlow computes the last few elements of a tensor by other code than the rest,
and which elements are the last ones depends on the batch.
"""

import functools
import math
import statistics
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_MULTIPLIER, _INCREMENT, _FINISH = 747796405, 2891336453, 277803737
_NUM_QUANTILES = 2**14
_ROW = 16


def uniform(
    seeds: tf.Tensor, stream: int, shape: Sequence[int] = (), *, low: float = 0.0, high: float = 1.0
) -> tf.Tensor:
    """Return numbers from `low` to `high`, all equally likely: float32, shape `(batch, *shape)`.

    Args:
        seeds: One per sample, int64 from 0 to 2**32 - 1, shape `(batch,)`.
        stream: Which of the sample's random numbers; each stream is independent of the others.
        shape: Of what one sample is given.
        low: Smallest number.
        high: Largest number, itself left out.
    """
    share = tf.cast(tf.bitwise.right_shift(_words(seeds, stream, shape), _uint32(8)), tf.float32) * 2.0**-24
    return low + share * (high - low)


def integers(seeds: tf.Tensor, stream: int, shape: Sequence[int] = (), *, bound: int | tf.Tensor) -> tf.Tensor:
    """Return integers from 0 to `bound - 1`, `bound` below 2**31: int64, shape `(batch, *shape)`.

    `floor(word * bound / 2**32)`, as in Lemire, "Fast Random Integer Generation in an Interval" (ACM TOMACS 2019),
    without its rejection: the chances of two integers differ by at most `bound / 2**32`.
    """
    product = tf.cast(_words(seeds, stream, shape), tf.int64) * tf.cast(bound, tf.int64)
    return tf.bitwise.right_shift(product, tf.constant(32, tf.int64))


def derived_seeds(seeds: tf.Tensor, stream: int) -> tf.Tensor:
    """Return new seeds that follow from others: int64 from 0 to 2**32 - 1, shape `(batch,)`."""
    return tf.cast(_words(seeds, stream, ()), tf.int64)


def entries(table: np.ndarray, seeds: tf.Tensor, stream: int, shape: Sequence[int] = ()) -> tf.Tensor:
    """Return entries of a table, all equally likely: shape `(batch, *shape, *table.shape[1:])`.

    With a table of quantiles this is the inversion method (Devroye, "Non-Uniform Random Variate Generation", 1986,
    chapter II.2), whose costs do not depend on the distribution.
    """
    return tf.gather(table, integers(seeds, stream, shape, bound=len(table)))


def normal(seeds: tf.Tensor, stream: int, shape: Sequence[int] = ()) -> tf.Tensor:
    """Return normal numbers, mean 0 and deviation 1: float32, shape `(batch, *shape)`.

    They are quantiles of the normal distribution, from -4.01 to 4.01. For many numbers per sample `noise` is faster.
    """
    return entries(normal_quantiles(), seeds, stream, shape)


def noise(seeds: tf.Tensor, stream: int, shape: Sequence[int]) -> tf.Tensor:
    """Return normal numbers as `normal` does, in rows of 16 out of 1,024 such rows: float32, shape `(batch, *shape)`.

    Rows of a table made once, as in the shared noise table of Salimans et al., "Evolution Strategies as a Scalable
    Alternative to Reinforcement Learning" (arXiv 1703.03864): a row costs as much as a number of `normal`.
    """
    count = math.prod(shape)
    rows = entries(_noise_rows(), seeds, stream, (-(-count // _ROW),))
    return tf.reshape(tf.reshape(rows, [-1, rows.shape[1] * _ROW])[:, :count], [-1, *shape])


@functools.cache
def normal_quantiles() -> np.ndarray:
    """Return the middles of 2**14 equally likely parts of the normal distribution, float32, ascending."""
    inverse = statistics.NormalDist().inv_cdf
    upper = [inverse(0.5 + (i + 0.5) / _NUM_QUANTILES) for i in range(_NUM_QUANTILES // 2)]
    return np.array([*(-q for q in reversed(upper)), *upper], np.float32)


@functools.cache
def _noise_rows() -> np.ndarray:
    order = np.argsort(_hashes(_NUM_QUANTILES))
    return normal_quantiles()[order].reshape(-1, _ROW)


def _words(seeds: tf.Tensor, stream: int, shape: Sequence[int]) -> tf.Tensor:
    """Return random 32-bit words, shape `(batch, *shape)`."""
    start = _hash(_hash(tf.cast(seeds, tf.uint32)) + _uint32(int(_hashes(stream + 1)[stream])))
    words = _hash(start[:, tf.newaxis] + tf.constant(_hashes(math.prod(shape)), tf.uint32))
    return tf.reshape(words, [-1, *shape])


def _hash(state: tf.Tensor) -> tf.Tensor:
    """Return the PCG hash of 32-bit words: Jarzynski and Olano, "Hash Functions for GPU Rendering" (JCGT 2020)."""
    state = state * _uint32(_MULTIPLIER) + _uint32(_INCREMENT)
    shifted = tf.bitwise.right_shift(state, tf.bitwise.right_shift(state, _uint32(28)) + _uint32(4))
    word = tf.bitwise.bitwise_xor(shifted, state) * _uint32(_FINISH)
    return tf.bitwise.bitwise_xor(tf.bitwise.right_shift(word, _uint32(22)), word)


@functools.cache
def _hashes(count: int) -> np.ndarray:
    """Return the PCG hashes of 0 to `count - 1`, uint32."""
    state = np.arange(count, dtype=np.uint32) * np.uint32(_MULTIPLIER) + np.uint32(_INCREMENT)
    word = ((state >> ((state >> np.uint32(28)) + np.uint32(4))) ^ state) * np.uint32(_FINISH)
    return np.asarray((word >> np.uint32(22)) ^ word)


def _uint32(number: int) -> tf.Tensor:
    return tf.constant(number, tf.uint32)
