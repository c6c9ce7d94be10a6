"""Random numbers from one seed per sample."""

import math

import numpy as np
import pytest
import tensorflow as tf

from kd_edge.distillation.augmentation import draws

SEEDS = tf.range(20_000, dtype=tf.int64)


def correlation(one, two):
    return abs(np.corrcoef(np.ravel(one), np.ravel(two))[0, 1])


def test_the_hash_is_the_published_one():
    """The numbers of `pcg_hash` computed here with Python's integers."""

    def pcg(number):
        state = (number * 747796405 + 2891336453) % 2**32
        word = (((state >> ((state >> 28) + 4)) ^ state) * 277803737) % 2**32
        return (word >> 22) ^ word

    numbers = [0, 1, 2, 12345, 2**31, 2**32 - 1]
    for number in numbers:
        stream_two = pcg((pcg(number) + pcg(2)) % 2**32)
        expected = pcg((stream_two + pcg(0)) % 2**32)
        assert int(draws.derived_seeds(tf.constant([number], tf.int64), 2)[0]) == expected


def test_uniform_numbers_have_the_mean_and_variance_of_their_distribution():
    numbers = draws.uniform(SEEDS, 0, (5,), low=-1.0, high=3.0).numpy()
    assert numbers.shape == (20_000, 5)
    assert numbers.min() >= -1
    assert numbers.max() < 3
    # Four standard errors of 100,000 numbers, whose deviation is 4 / sqrt(12).
    assert abs(numbers.mean() - 1) < 4 * 4 / math.sqrt(12) / math.sqrt(100_000)
    assert numbers.var() == pytest.approx(16 / 12, rel=0.02)


@pytest.mark.parametrize("draw", [draws.normal, draws.noise])
def test_normal_numbers_have_mean_0_deviation_1_and_no_skew(draw):
    numbers = draw(SEEDS, 3, (16,)).numpy()
    assert numbers.shape == (20_000, 16)
    assert abs(numbers.mean()) < 4 / math.sqrt(320_000)
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert abs((numbers**3).mean()) < 4 * math.sqrt(15 / 320_000)
    assert (np.abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.005)


def test_integers_are_equally_likely():
    numbers = draws.integers(SEEDS, 0, bound=10).numpy()
    counts = np.bincount(numbers, minlength=10)
    assert len(counts) == 10
    # Chi squared with 9 degrees of freedom is above 27.9 once in 1,000.
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


@pytest.mark.parametrize("draw", [draws.uniform, draws.normal, draws.noise])
def test_seeds_streams_and_entries_are_independent(draw):
    """Neighbouring seeds too: 0, 1, 2 are seeds like any others."""
    one, two = draw(SEEDS, 0, (32,)).numpy(), draw(SEEDS, 1, (32,)).numpy()
    limit = 4 / math.sqrt(one.size / 2)
    assert correlation(one[::2], one[1::2]) < limit
    assert correlation(one, two) < limit
    assert correlation(one[:, :16], one[:, 16:]) < limit
    assert correlation(np.abs(one - one.mean())[::2], np.abs(one - one.mean())[1::2]) < limit


def test_all_numbers_of_a_window_of_noise_are_used_evenly():
    """Two windows have few rows of the table in common, and a window hardly any twice."""
    windows = draws.noise(SEEDS[:2], 0, (128, 9)).numpy()
    assert windows.shape == (2, 128, 9)
    assert len(np.unique(windows[0])) > 0.9 * 128 * 9
    assert correlation(windows[0], windows[1]) < 0.12


@pytest.mark.parametrize("draw", [draws.uniform, draws.normal, draws.noise])
def test_a_sample_has_the_same_numbers_to_the_bit_in_any_batch_eager_and_compiled(draw):
    seeds = tf.constant([7, 2**32 - 1, 0, 123456789, 8], tf.int64)
    together = draw(seeds, 2, (33,)).numpy()
    compiled = tf.function(lambda seeds: draw(seeds, 2, (33,)))
    for i in range(5):
        assert np.array_equal(draw(seeds[i : i + 1], 2, (33,)).numpy()[0], together[i])
        assert np.array_equal(compiled(seeds[i : i + 1]).numpy()[0], together[i])
    assert np.array_equal(compiled(tf.reverse(seeds, [0])).numpy()[::-1], together)
