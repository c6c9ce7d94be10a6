"""Intervals of scores of samples, or of whole groups of them, that are drawn again and again."""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from kd_edge.verification.intervals.interval import Interval

NUM_DRAWS, AT_ONCE = 2000, 200
# Percentiles over draws of fewer are too narrow.
FEW_SAMPLES = 30
# Draws that differ by less are the same but for rounding.
ROUNDING = 1e-9


def group_interval(
    sums: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    least: float = 0.0,
    most: float = 1.0,
    seed: int = 0,
    num_draws: int = NUM_DRAWS,
) -> Interval:
    """Return the 95 % interval of a score of sums over groups, by a bootstrap that draws whole groups.

    It is `score -+ t s sqrt(G / (G - 1))` with the standard deviation `s` of the drawn scores and the quantile `t` of
    Student's distribution with `G - 1` degrees of freedom: the percentiles of few groups are far too narrow. Two groups
    have `t = 12.7`: such an interval is wide, because two groups say little of others. One group says nothing: `least`
    to `most`. Sources: T. C. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69
    (2015), 371-386; A. C. Cameron and D. L. Miller, "A practitioner's guide to cluster-robust inference", Journal of
    Human Resources 50 (2015), 317-372.

    Args:
        sums: What each group adds, shape `(groups, sums)`.
        score: Takes sums of shape `(..., sums)`; draws where it is NaN are left out.
        least: The smallest value that the score can have.
        most: The largest one.
        seed: Draws the groups.
        num_draws: How often.
    """
    num_groups = len(sums)
    if num_groups == 1:
        return Interval(least, most, 1)
    whole, drawn = float(score(sums.sum(axis=0))), _scores_drawn(sums, score, seed, num_draws)
    deviation = float(np.nanstd(drawn)) * math.sqrt(num_groups / (num_groups - 1))
    half = student_t95(num_groups - 1) * deviation
    return Interval(max(least, whole - half), min(most, whole + half), num_groups)


def sample_interval(
    rows: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    least: float = 0.0,
    most: float = 1.0,
    seed: int = 0,
    num_draws: int = NUM_DRAWS,
) -> Interval:
    """Return the 95 % interval of a score of sums over drawn samples: percentiles, as they come.

    Those of fewer than 30 samples are too narrow: each sample is a group then. The arguments are those of
    `group_interval`, with a row a sample.
    """
    if len(rows) < FEW_SAMPLES:
        found = group_interval(rows, score, least=least, most=most, seed=seed, num_draws=num_draws)
        return replace(found, num_groups=None)
    low, high = np.percentile(_scores_drawn(rows, score, seed, num_draws), [2.5, 97.5])
    return Interval(float(low), float(high))


def _scores_drawn(rows: np.ndarray, score: Callable[[np.ndarray], np.ndarray], seed: int, num_draws: int) -> np.ndarray:
    rng, shares = np.random.default_rng(seed), np.full(len(rows), 1 / len(rows))
    parts = [min(AT_ONCE, num_draws - done) for done in range(0, num_draws, AT_ONCE)]
    return np.concatenate([score(rng.multinomial(len(rows), shares, part) @ rows) for part in parts])


def student_t95(degrees_of_freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's distribution, within 0.2 %.

    Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5; 1 and 2 degrees of
    freedom have closed forms.

    Args:
        degrees_of_freedom: 1 or more.
    """
    n, z = degrees_of_freedom, NormalDist().inv_cdf(0.975)
    if n == 1:
        return math.tan(math.pi * 0.475)
    if n == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    return z + sum(
        (
            (z**3 + z) / (4 * n),
            (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4),
        )
    )


def mean_of(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def group_sums(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sum of the rows of each group."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums


def is_empty(found: Interval) -> bool:
    """Tell whether all draws of a score or a difference gave the same: they say nothing of how far others lie off."""
    return found.ci95_high - found.ci95_low <= ROUNDING


def all_same(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())
