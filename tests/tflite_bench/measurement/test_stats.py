"""LatencyStats and what it is made of."""

import numpy as np
import pytest

from tflite_bench.measurement.stats import (
    MIN_RUNS,
    LatencyStats,
    drift,
    is_bimodal,
    median_interval,
    quick_median_halfwidth,
    too_few_runs,
)


def test_figures_of_a_short_series_by_hand() -> None:
    stats = LatencyStats.from_samples([4.0, 1.0, 2.0, 3.0, 5.0], init_ms=7.0)
    assert (stats.median_ms, stats.avg_ms, stats.min_ms, stats.max_ms, stats.init_ms) == (3.0, 3.0, 1.0, 5.0, 7.0)
    assert stats.std_ms == pytest.approx(2.5**0.5)  # (4 + 1 + 0 + 1 + 4) / (5 - 1)
    assert stats.p5_ms == pytest.approx(1.2)  # a fifth of the way from the first to the second
    assert stats.p95_ms == pytest.approx(4.8)


def test_a_single_run_has_no_spread() -> None:
    stats = LatencyStats.from_samples([2.5])
    assert (stats.median_ms, stats.std_ms) == (2.5, 0.0)


@pytest.mark.parametrize("num_runs", [1, 2, 3, 4])
def test_runs_that_are_too_few_for_an_interval_have_none_and_the_reason(num_runs: int) -> None:
    stats = LatencyStats.from_samples(np.arange(1.0, num_runs + 1))
    assert (stats.ci95_low_ms, stats.ci95_high_ms) == (None, None)
    reasons = too_few_runs(stats, num_runs)
    assert set(reasons) == {"ci95_low_ms", "ci95_high_ms"}
    assert reasons["ci95_low_ms"].startswith(f"{num_runs} of at least 5 inferences that an interval takes; measure")


def test_as_few_runs_as_have_an_interval_hold_the_median_nearly_as_often_as_many() -> None:
    rng = np.random.default_rng(0)
    found = [LatencyStats.from_samples(rng.exponential(size=MIN_RUNS), seed=trial) for trial in range(400)]
    hits = sum((stats.ci95_low_ms or 0) <= float(np.log(2)) <= (stats.ci95_high_ms or 0) for stats in found)
    # From the least to the largest of 5 holds it 375 times of 400; those of 4 do 350 times.
    assert 360 <= hits <= 390
    assert too_few_runs(found[0], MIN_RUNS) == {}


@pytest.mark.parametrize("samples", [[], [1.0, -1.0], [float("nan")], [float("inf")]])
def test_series_without_a_meaning_are_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="expected one or more latencies"):
        LatencyStats.from_samples(samples)


@pytest.mark.parametrize("num_samples", [5, 30, 31, 200])
def test_the_interval_is_that_of_drawing_resamples_one_by_one(num_samples: int) -> None:
    rng = np.random.default_rng(num_samples)
    samples = rng.gamma(4.0, size=num_samples)
    medians = np.median(rng.choice(samples, (20_000, num_samples)), axis=1)
    tolerance = samples.std() * 0.15 / num_samples**0.5
    np.testing.assert_allclose(median_interval(samples), np.percentile(medians, [2.5, 97.5]), atol=tolerance)


def test_the_interval_holds_the_true_median_about_19_times_of_20() -> None:
    rng = np.random.default_rng(0)
    true_median = float(np.log(2))
    hits = sum(
        low <= true_median <= high
        for low, high in (median_interval(rng.exponential(size=60), seed=trial) for trial in range(400))
    )
    assert 366 <= hits <= 394  # 380, give or take three times the deviation of sqrt(400 x 0.95 x 0.05) = 4.4


def test_the_interval_is_repeatable_by_its_seed() -> None:
    samples = np.random.default_rng(0).random(100)
    assert median_interval(samples, seed=4) == median_interval(samples, seed=4)


def test_the_quick_halfwidth_takes_the_ranks_of_the_sign_test() -> None:
    # 100 samples 1..100: ranks 50 - 9.8 and 50 + 9.8, hence the samples at 40 and 60 counted from 0: 41 and 61.
    samples = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    assert quick_median_halfwidth(samples) == pytest.approx((61 - 41) / 2 / 50.5)


def test_a_slow_rise_is_a_drift() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 300)
    # Rises by 10 % from end to end; the thirds' medians lie two thirds of that apart.
    change = drift(np.linspace(1.0, 1.1, 300) + noise)
    assert change == pytest.approx(0.2 / 3 / (1 + 0.1 / 6), rel=0.1)


def test_noise_without_a_trend_is_no_drift() -> None:
    rng = np.random.default_rng(0)
    found = sum(drift(rng.gamma(20.0, 0.05, 200)) is not None for _ in range(300))
    assert found <= 8  # 1 % of 300 is 3; more than 8 has a chance below 1 %


def test_a_trend_too_small_to_matter_is_no_drift() -> None:
    assert drift(np.linspace(1.0, 1.01, 300)) is None


def test_two_clock_speeds_are_two_groups() -> None:
    rng = np.random.default_rng(0)
    samples = np.where(rng.random(500) < 0.7, 1.0, 1.5) + rng.normal(0, 0.02, 500)
    assert is_bimodal(samples)


def test_one_group_with_outliers_is_one_group() -> None:
    samples = np.random.default_rng(0).normal(1.0, 0.05, 500)
    samples[::50] *= 5
    assert not is_bimodal(samples)


def test_equal_samples_are_one_group() -> None:
    assert not is_bimodal(np.ones(100))


def test_samples_of_a_clock_that_is_too_coarse_are_one_group() -> None:
    assert not is_bimodal(np.zeros(100))


@pytest.mark.parametrize("usual_ms", [0.1, 1.0])
def test_equal_samples_but_for_outliers_are_one_group(usual_ms: float) -> None:
    # The 95th of 100 is still the usual one, but the 95th percentile lies behind it, towards the 96th.
    samples = np.array([usual_ms] * 95 + [10 * usual_ms] * 5)
    assert np.percentile(samples, 95) > 1.05 * usual_ms
    assert not is_bimodal(samples)
