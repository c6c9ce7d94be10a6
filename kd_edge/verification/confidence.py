"""How sure a figure is that was counted on few samples, or on samples of few people."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tflite_bench.provenance import Computed, Measured

_Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
_NUM_DRAWS, _AT_ONCE = 2000, 200
# With fewer groups an interval is wide and says little of others than these.
FEW_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval, of a share where nothing else is said.

    Attributes:
        ci95_low: Lower end.
        ci95_high: Upper end.
        num_groups: How many groups of samples were drawn as a whole; `None` where samples were.
    """

    ci95_low: Computed[float]
    ci95_high: Computed[float]
    num_groups: Measured[int | None] = None


def wilson_interval(num_right: float, num_samples: int) -> Interval:
    """Return the 95 % interval of the share of samples that are right.

    It stays within 0 and 1 and is not empty at either end. Source: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", JASA 22 (1927), 209-212.

    Args:
        num_right: How many are right; no whole number where each is worth a share (`Task.credits`).
        num_samples: How many there are, 1 or more.
    """
    share, z2 = num_right / num_samples, _Z95**2
    centre = share + z2 / (2 * num_samples)
    half = _Z95 * math.sqrt(share * (1 - share) / num_samples + z2 / (4 * num_samples**2))
    scale = 1 + z2 / num_samples
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def accuracy_interval(right: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of an accuracy.

    Without groups it is Wilson's. With groups it says what other groups would give: whole groups are drawn, see
    `group_interval`; it is no narrower than Wilson's, since samples of one group tell less than as many others.

    Args:
        right: Whether each sample is classified right, shape `(samples,)`.
        groups: A number per sample, the same for samples that belong together; `None` where nothing is known.
    """
    wilson = wilson_interval(int(right.sum()), len(right))
    if groups is None:
        return wilson
    counts = _group_sums(np.stack([right, np.ones(len(right))], axis=1), groups)
    found = group_interval(counts, _mean)
    low, high = min(found.ci95_low, wilson.ci95_low), max(found.ci95_high, wilson.ci95_high)
    return Interval(low, high, found.num_groups)


def score_interval(
    named: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    score: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
) -> Interval:
    """Return the 95 % interval of a score of a confusion matrix: samples are drawn, or whole groups of them.

    Args:
        named: Class that each sample was named, shape `(samples,)`.
        labels: The true ones.
        num_classes: How many there are.
        score: Takes confusion matrices of shape `(..., classes, classes)`; see `score_of`.
        groups: As for `accuracy_interval`.
    """

    def scores(sums: np.ndarray) -> np.ndarray:
        return score(sums.reshape(*sums.shape[:-1], num_classes, num_classes))

    return cell_interval(labels * num_classes + named, num_classes**2, scores, groups)


def cell_interval(
    cells: np.ndarray, num_cells: int, score: Callable[[np.ndarray], np.ndarray], groups: np.ndarray | None = None
) -> Interval:
    """Return the 95 % interval of a score of how many samples are in each cell of a table.

    Args:
        cells: The cell of each sample, shape `(samples,)`.
        num_cells: How many there are.
        score: Takes counts of shape `(..., cells)`.
        groups: As for `accuracy_interval`.
    """
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        sums = np.zeros((numbers.max() + 1, num_cells))
        np.add.at(sums, (numbers, cells), 1)
        return group_interval(sums, score)
    rng, shares = np.random.default_rng(0), np.bincount(cells, minlength=num_cells) / len(cells)
    drawn = [score(rng.multinomial(len(cells), shares, _AT_ONCE)) for _ in range(_NUM_DRAWS // _AT_ONCE)]
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    return Interval(float(low), float(high))


def sums_interval(
    rows: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
    *,
    least: float = 0.0,
    most: float = 1.0,
) -> Interval:
    """Return the 95 % interval of a score of sums over samples.

    Args:
        rows: What each sample adds, shape `(samples, sums)`.
        score: Takes sums of shape `(..., sums)`.
        groups: As for `accuracy_interval`.
        least: The smallest value that the score can have.
        most: The largest one.
    """
    if groups is not None:
        return group_interval(_group_sums(rows, groups), score, least=least, most=most)
    rng, shares = np.random.default_rng(0), np.full(len(rows), 1 / len(rows))
    drawn = [score(rng.multinomial(len(rows), shares, _AT_ONCE) @ rows) for _ in range(_NUM_DRAWS // _AT_ONCE)]
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    return Interval(float(low), float(high))


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of a mean over samples; with one group it reaches from the least value to the largest.

    Where all values are the same share, draws would say nothing: it is Wilson's of that share then.

    Args:
        values: Of each sample, such as what its answer is worth (`Task.credits`), shape `(samples,)`.
        groups: As for `accuracy_interval`.
    """
    least, most = float(values.min()), float(values.max())
    if groups is None and 0 <= least == most <= 1:
        return wilson_interval(least * len(values), len(values))
    rows = np.stack([values, np.ones(len(values))], axis=1)
    return sums_interval(rows, _mean, groups, least=least, most=most)


def paired_difference(
    right: np.ndarray,
    other: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    num_draws: int = _NUM_DRAWS,
) -> dict[str, float]:
    """Return the difference of two accuracies on the same samples with its 95 % interval.

    Of answers that are right or wrong it is Wald's, as if two more samples had been seen on which the models differ by
    half of one each way: it is not empty where they never differ. Of other worths it is a bootstrap's. Over groups see
    `group_interval`; it is no narrower there than over samples. Source: A. Agresti and Y. Min, "Simple improved
    confidence intervals for comparing matched proportions", Statistics in Medicine 24 (2005), 729-740.

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
    found = _difference_interval(gains, groups, seed=seed, num_draws=num_draws)
    return {"difference": float(gains.mean()), "ci95_low": found.ci95_low, "ci95_high": found.ci95_high}


def _difference_interval(gains: np.ndarray, groups: np.ndarray | None, *, seed: int, num_draws: int) -> Interval:
    matched = _matched_interval(gains) if np.isin(gains, (-1, 0, 1)).all() else None
    if groups is not None:
        sums, most = _group_sums(np.stack([gains, np.ones(len(gains))], axis=1), groups), max(1.0, np.abs(gains).max())
        found = group_interval(sums, _mean, least=-most, most=most, seed=seed, num_draws=num_draws)
        own = matched or found
        return Interval(min(found.ci95_low, own.ci95_low), max(found.ci95_high, own.ci95_high), found.num_groups)
    if matched is not None:
        return matched
    rng = np.random.default_rng(seed)
    means = [float(rng.choice(gains, len(gains)).mean()) for _ in range(num_draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(low), float(high))


def _matched_interval(gains: np.ndarray) -> Interval:
    """Return the interval of a difference of shares; each gain is -1, 0 or 1. See `paired_difference`."""
    num_samples = len(gains) + 2
    mean, square = float(gains.sum()) / num_samples, (float(np.abs(gains).sum()) + 1) / num_samples
    half = _Z95 * math.sqrt((square - mean**2) / num_samples)
    return Interval(max(-1.0, mean - half), min(1.0, mean + half))


def group_interval(
    sums: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    least: float = 0.0,
    most: float = 1.0,
    seed: int = 0,
    num_draws: int = _NUM_DRAWS,
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
        score: Takes sums of shape `(..., sums)`.
        least: The smallest value that the score can have.
        most: The largest one.
        seed: Draws the groups.
        num_draws: How often.
    """
    num_groups = len(sums)
    if num_groups == 1:
        return Interval(least, most, 1)
    rng, whole = np.random.default_rng(seed), float(score(sums.sum(axis=0)))
    drawn = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), num_draws) @ sums
    deviation = float(score(drawn).std()) * math.sqrt(num_groups / (num_groups - 1))
    half = student_t95(num_groups - 1) * deviation
    return Interval(max(least, whole - half), min(most, whole + half), num_groups)


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


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _group_sums(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sum of the rows of each group."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums
