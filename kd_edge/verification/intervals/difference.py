"""The difference of two networks on the same samples, and how sure it is."""

import math

import numpy as np

from kd_edge.verification.intervals.bootstrap import (
    FEW_SAMPLES,
    NUM_DRAWS,
    all_same,
    group_interval,
    group_sums,
    is_empty,
    mean_of,
    sample_interval,
)
from kd_edge.verification.intervals.confidence import Z95
from kd_edge.verification.intervals.interval import Interval


def paired_difference(
    right: np.ndarray,
    other: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    num_draws: int = NUM_DRAWS,
) -> dict[str, float]:
    """Return the difference of two accuracies on the same samples with its 95 % interval.

    Of answers that are right or wrong it is Wald's, as if two more samples had been seen on which the models differ by
    half of one each way: it is not empty where they never differ, and over groups it is no narrower than that. So it is
    where all samples of other worths differ by as much, or fewer than 30 not at all; else these have a bootstrap's, see
    `sample_interval`, over groups see `group_interval`. Source: A. Agresti and Y. Min, "Simple improved confidence
    intervals for comparing matched proportions", Statistics in Medicine 24 (2005), 729-740.

    Args:
        right: Whether each sample was classified right by the one model, or what its answer is worth
            (`Task.credits`), shape `(samples,)`.
        other: The same for the other model.
        groups: A number per sample, the same for samples that belong together: whole groups are drawn then, see
            `group_interval`. `None`: samples are drawn.
        seed: Draws the resamples.
        num_draws: How many.

    Returns:
        `difference`, `ci95_low` and `ci95_high`, of accuracies as shares of the samples. The interval speaks of these
        test samples, or of such groups, and this one training; it leaves out what another seed would change.
    """
    gains = right.astype(np.float64) - other
    decided = all(np.isin(worth, (0, 1)).all() for worth in (right, other))
    found = _difference_interval(gains, groups, decided=decided, seed=seed, num_draws=num_draws)
    return {"difference": float(gains.mean()), "ci95_low": found.ci95_low, "ci95_high": found.ci95_high}


def _difference_interval(
    gains: np.ndarray, groups: np.ndarray | None, *, decided: bool, seed: int, num_draws: int
) -> Interval:
    most = max(1.0, float(np.abs(gains).max()))
    alike = all_same(gains) and (bool(gains.any()) or len(gains) < FEW_SAMPLES)
    matched = _matched_interval(gains, most) if decided or alike else None
    rows, ends = np.stack([gains, np.ones(len(gains))], axis=1), {"least": -most, "most": most}
    if groups is None:
        return matched or sample_interval(rows, mean_of, **ends, seed=seed, num_draws=num_draws)
    found = group_interval(group_sums(rows, groups), mean_of, **ends, seed=seed, num_draws=num_draws)
    if matched is None and is_empty(found):
        matched = sample_interval(rows, mean_of, **ends, seed=seed, num_draws=num_draws)
    return found.reaching(matched or found)


def _matched_interval(gains: np.ndarray, most: float) -> Interval:
    """Return the interval of a difference of shares, whose gains are -1, 0 or 1, or of gains that are all the same.

    The two samples that are added gain `most` and lose it; see `paired_difference`.
    """
    num_samples = len(gains) + 2
    mean, square = float(gains.sum()) / num_samples, (float(np.square(gains).sum()) + most**2) / num_samples
    half = Z95 * math.sqrt((square - mean**2) / num_samples)
    return Interval(max(-most, mean - half), min(most, mean + half))
