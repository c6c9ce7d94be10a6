"""What each kind of augmentation does to samples whose answer is known."""

import numpy as np
import pytest
import tensorflow as tf

from kd_edge.distillation.augmentation import moments
from kd_edge.distillation.augmentation.mixup import Mixup
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.augmentation.resampling import read_at

SEEDS = tf.range(256, dtype=tf.int64)


def changed(name, samples, strength=1.0):
    return make_augmentation(name, strength=strength)(tf.constant(samples, tf.float32), SEEDS).numpy()


def tiled(sample):
    return np.tile(np.asarray(sample, "float32"), (256, *[1] * np.ndim(sample)))


@pytest.mark.parametrize("count", [1, 2, 7, 49, 64])
def test_moments_are_those_of_numpy(count):
    values = np.random.default_rng(0).normal(3, 2, (5, count, 4)).astype("float32")
    assert moments.mean(tf.constant(values)).numpy()[:, 0] == pytest.approx(values.mean(1), rel=1e-5)
    assert moments.deviation(tf.constant(values)).numpy()[:, 0] == pytest.approx(values.std(1), rel=1e-4, abs=1e-6)


def test_reading_between_steps_is_linear():
    samples = tf.constant([[[0.0], [10.0], [30.0]]])
    read = read_at(samples, tf.constant([[0.0, 0.5, 1.0, 1.5, 2.0]]))
    assert read.numpy().ravel().tolist() == [0, 5, 10, 20, 30]


def test_an_image_is_shifted_by_up_to_7_percent_and_a_square_has_its_mean():
    """A pixel at the middle of 28 x 28 goes 2 pixels far at most; 7 x 7 pixels, or what is inside, are the mean."""
    point = np.zeros((28, 28, 2))
    point[14, 14] = [784, -784]
    images = changed("image", tiled(point))
    hidden = (images[..., 0] == 1) & (images[..., 1] == -1)
    sizes = hidden.sum(axis=(1, 2))
    assert sizes.max() == 49
    assert sizes.min() >= 3 * 4  # its middle is a pixel of the image
    _, rows, columns = np.nonzero(images[..., 0] == 784)
    assert set(rows - 14) == set(columns - 14) == {-2, -1, 0, 1, 2}


def test_what_a_shift_brings_into_sight_repeats_the_border():
    gradient = np.broadcast_to(np.arange(28.0)[:, None, None], (28, 28, 1))
    images = changed("image", tiled(gradient))
    seen = images[images != 13.5]
    assert set(np.unique(seen)) == set(range(28))
    assert np.all(
        (np.diff(images[:, :, 0, 0], axis=1) >= 0) | (images[:, 1:, 0, 0] == 13.5) | (images[:, :-1, 0, 0] == 13.5)
    )


def test_only_image_flip_mirrors_and_half_of_the_images():
    rising = tiled(np.broadcast_to(np.arange(28.0)[None, :, None], (28, 28, 1)))
    rising_after = [changed(name, rising)[:, :, -1].mean((1, 2)) > 13.5 for name in ("image", "image-flip")]
    assert rising_after[0].all()
    # 128 expected, deviation 8.
    assert abs(rising_after[1].sum() - 128) < 32


def test_a_spectrogram_loses_one_stretch_of_time_and_one_band_each_up_to_a_fifth():
    """Of a spectrogram of two alternating values, mean 0, only hidden entries are at the level alone."""
    chequered = np.indices((50, 40)).sum(0) % 2 * 2.0 - 1
    after = changed("spectrogram", tiled(chequered))
    level = (after.max((1, 2)) + after.min((1, 2))) / 2
    assert level.std() == pytest.approx(0.2, rel=0.2)  # 0.2 of the sample's deviation, which is 1
    hidden = np.abs(after - level[:, None, None]) < 0.5
    lost_steps, lost_bins = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert set(lost_steps) == set(range(11))
    assert set(lost_bins) == set(range(9))
    assert np.array_equal(hidden.sum((1, 2)), lost_steps * 40 + lost_bins * 50 - lost_steps * lost_bins)


def test_a_spectrogram_is_shifted_by_up_to_a_tenth_of_its_time():
    step = np.zeros((50, 40))
    step[25:] = 1
    after = changed("spectrogram", tiled(step))
    low, high = after.min((1, 2)), after.max((1, 2))
    loud = after > (low + 0.9 * (high - low))[:, None, None]
    first = loud.any(2).argmax(1)
    assert set(first) >= set(range(20, 31))
    assert first.min() == 20  # a mask may hide the first loud steps, never show them earlier


def test_a_spectrogram_with_a_channel_axis_is_changed_like_one_without():
    samples = np.random.default_rng(0).normal(size=(256, 20, 16))
    assert np.array_equal(changed("spectrogram", samples[..., None])[..., 0], changed("spectrogram", samples))


def test_a_sensor_window_keeps_time_s_direction_and_its_ends_at_any_strength():
    """Of a ramp, the values say from where each step was read; the noise is the difference to a ramp without any."""
    ramp = tf.constant(tiled(np.arange(64.0)[:, None]))
    for strength in (1.0, 20.0):
        positions = make_augmentation("sensor", strength=strength)._positions(64, SEEDS).numpy()
        assert np.all(np.diff(positions, axis=1) > 0)
        assert np.allclose(positions[:, [0, -1]], [0, 63])
        assert read_at(ramp, tf.constant(positions)).numpy()[..., 0] == pytest.approx(positions, abs=1e-4)
    gentle = make_augmentation("sensor")._positions(64, SEEDS).numpy()
    assert np.diff(gentle, axis=1).max() == pytest.approx(1.2, abs=0.1)
    assert np.diff(gentle, axis=1).min() == pytest.approx(0.8, abs=0.1)


def test_a_sensor_s_channels_are_scaled_one_by_one_and_noise_is_a_share_of_each_one_s_deviation():
    """Channels in units a million apart are treated alike, and one that stands still stays still."""
    wave = np.where(np.arange(64) % 2, 1.0, -1.0) * np.repeat([1, 1], 32)
    still = np.full(64, 5.0)
    after = changed("sensor", tiled(np.stack([still, 1e6 * still, 1e-3 * wave, 1e3 * wave], 1)))
    factors = np.log(after[:, 0, :2] / [5, 5e6])
    assert factors.std(0) == pytest.approx([0.1, 0.1], rel=0.2)
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.25
    assert np.abs(np.diff(after[..., 0], axis=1)).max() < 1e-5
    small, large = after[..., 2] * 1e3, after[..., 3] / 1e3
    assert small.std() == pytest.approx(large.std(), rel=0.05)


def test_inertial_noise_and_slowing_are_those_that_the_watch_was_tuned_with():
    nothing = changed("imu", np.zeros((256, 64, 6)))
    assert nothing.std() == pytest.approx(0.03, rel=0.02)
    ramp = tiled(np.repeat(np.arange(64.0)[:, None], 6, 1))
    lengths = np.linalg.norm(changed("imu", ramp)[..., :3], axis=2) / np.sqrt(3)
    spans = (lengths[:, -1] - lengths[:, 0]) / 63
    assert 0.7 * 0.7 < spans.min() < 0.75
    assert spans.max() < 1.4


def test_rotations_are_rotations():
    rows = make_augmentation("imu", strength=6)._rotations(SEEDS)
    matrices = tf.stack([tf.concat(row, 1) for row in rows], 1).numpy()
    assert matrices @ matrices.transpose(0, 2, 1) == pytest.approx(tiled(np.eye(3)), abs=1e-5)
    assert np.linalg.det(matrices) == pytest.approx(np.ones(256), abs=1e-5)


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (0, 1.0),
        (2.5, 0.5 + 1 / np.pi),  # Beta(1/2, 1/2): the mean of |s - 1/2| is 1 / pi
        (5, 0.75),  # Beta(1, 1) is uniform
        (10, 0.6875),  # Beta(2, 2): 1/2 + 3/16
    ],
)
def test_mixup_s_shares_have_the_mean_of_their_folded_distribution(strength, expected):
    shares = Mixup(strength=strength).shares(tf.range(20_000, dtype=tf.int64)).numpy()
    assert shares.dtype == np.float32
    assert shares.min() >= 0.5
    assert shares.max() <= 1
    assert shares.mean() == pytest.approx(expected, abs=0.005)


def test_mixup_s_partners_are_all_samples_alike_and_its_call_leaves_samples_alone():
    mixup = Mixup()
    partners = mixup.partners(tf.range(20_000, dtype=tf.int64), 10).numpy()
    assert partners.dtype == np.int64
    assert np.bincount(partners) == pytest.approx(np.full(10, 2000), abs=200)
    assert np.array_equal(mixup(tf.ones((2, 3)), tf.zeros(2, tf.int64)), np.ones((2, 3)))
