"""How sure a figure is that was counted on few samples, or on samples of few people."""

import math
from collections.abc import Callable

import numpy as np

from kd_edge.verification.intervals.bootstrap import (
    AT_ONCE,
    NUM_DRAWS,
    ROUNDING,
    all_same,
    group_interval,
    group_sums,
    is_empty,
    mean_of,
    sample_interval,
)
from kd_edge.verification.intervals.interval import Interval

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
# Of a class of fewer some of the draws have none.
_FEW_OF_A_CLASS = 8
# With fewer groups an interval is wide and says little of others than these.
FEW_GROUPS = 5


def wilson_interval(num_right: float, num_samples: int) -> Interval:
    """Return the 95 % interval of the share of samples that are right.

    It stays within 0 and 1 and is not empty at either end. Source: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", JASA 22 (1927), 209-212.

    Args:
        num_right: How many are right; no whole number where each is worth a share (`Task.credits`).
        num_samples: How many there are, 1 or more.
    """
    share, z2 = num_right / num_samples, Z95**2
    centre = share + z2 / (2 * num_samples)
    half = Z95 * math.sqrt(share * (1 - share) / num_samples + z2 / (4 * num_samples**2))
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
    wilson = wilson_interval(float(right.sum()), len(right))
    if groups is None:
        return wilson
    counts = group_sums(np.stack([right, np.ones(len(right))], axis=1), groups)
    return group_interval(counts, mean_of).reaching(wilson)


def share_interval(shares: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of a mean of shares: samples are drawn (`sample_interval`), or whole groups.

    Over groups it is no narrower than over samples. Where all samples have the same share it is Wilson's of that.

    Args:
        shares: Of each sample, such as how many of its labels are right, 0 to 1, shape `(samples,)`.
        groups: As for `accuracy_interval`.
    """
    rows = np.stack([shares, np.ones(len(shares))], axis=1)
    own = _share_of(float(shares.mean()), len(shares)) if all_same(shares) else sample_interval(rows, mean_of)
    return own if groups is None else group_interval(group_sums(rows, groups), mean_of).reaching(own)


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

    return cell_interval(labels * num_classes + named, num_classes**2, scores, groups, num_rows=num_classes)


def cell_interval(
    cells: np.ndarray,
    num_cells: int,
    score: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
    *,
    num_rows: int = 2,
) -> Interval:
    """Return the 95 % interval of a score, 0 to 1, of how many samples are in each cell of a table.

    Where all draws give the same score, as where all samples are right, it is Wilson's of the smallest class: each
    class counts alike in such scores, and the smallest one is known least. Draws without a score, NaN, for one of the
    classes is missing, are left out: what is left says too little of a class of few samples, and the interval is as
    wide as Wilson's of so many; of a class in one group it says nothing, 0 to 1.

    Args:
        cells: The cell of each sample, row by row, shape `(samples,)`.
        num_cells: How many there are.
        score: Takes counts of shape `(..., cells)`.
        groups: As for `accuracy_interval`.
        num_rows: Rows of the table, one a class. Defaults to 2, such as normal samples and anomalies.
    """
    rows, counts = cells // (num_cells // num_rows), np.bincount(cells, minlength=num_cells)
    classes, sizes = np.unique(rows, return_counts=True)
    found, least = _cells_drawn(cells, num_cells, score, groups), int(sizes.min())
    of_one_class = np.where(np.arange(num_cells) // (num_cells // num_rows) == classes[0], counts, 0)
    needs_all = bool(np.isnan(score(of_one_class)))
    if needs_all and groups is not None and min(len(np.unique(groups[rows == row])) for row in classes) == 1:
        return Interval(0.0, 1.0, _num_groups(groups))
    is_rare = needs_all and least < _FEW_OF_A_CLASS
    return found.reaching(_share_of(float(score(counts)), least)) if is_rare or is_empty(found) else found


def _cells_drawn(
    cells: np.ndarray, num_cells: int, score: Callable[[np.ndarray], np.ndarray], groups: np.ndarray | None
) -> Interval:
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        sums = np.zeros((numbers.max() + 1, num_cells))
        np.add.at(sums, (numbers, cells), 1)
        return group_interval(sums, score)
    rng, shares = np.random.default_rng(0), np.bincount(cells, minlength=num_cells) / len(cells)
    drawn = [score(rng.multinomial(len(cells), shares, AT_ONCE)) for _ in range(NUM_DRAWS // AT_ONCE)]
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    return Interval(float(low), float(high))


def sums_interval(
    rows: np.ndarray, score: Callable[[np.ndarray], np.ndarray], groups: np.ndarray | None = None
) -> Interval:
    """Return the 95 % interval of a score, 0 to 1, of sums over samples.

    Where all draws give the same score it is Wilson's of the smallest sum above 0, such as the samples of the rarest
    label; see `cell_interval`.

    Args:
        rows: What each sample adds to counts, shape `(samples, counts)`.
        score: Takes sums of shape `(..., counts)`.
        groups: As for `accuracy_interval`.
    """
    sums = rows.sum(axis=0)
    found = sample_interval(rows, score) if groups is None else group_interval(group_sums(rows, groups), score)
    least = int(sums[sums > 0].min(initial=len(rows)))
    return found.reaching(_share_of(float(score(sums)), least)) if is_empty(found) else found


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of the mean of errors, in whatever unit; with one group from the least to the largest.

    Samples are drawn (`sample_interval`), or whole groups. Where all are the same, as where there is one sample, they
    tell no spread: the interval is all that a mean error can be, from 0 without an upper end.

    Args:
        values: Of each sample, 0 or more, shape `(samples,)`.
        groups: As for `accuracy_interval`.
    """
    ends = (0.0, math.inf)
    return Interval(*ends, _num_groups(groups)) if all_same(values) else _mean_drawn(values, groups, *ends)


def skill_interval(skills: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Return the 95 % interval of a mean skill: 1 is the best, 0 that of a constant, and there is no least.

    With one group it reaches from the least to the largest. Where all samples have the same skill of 0 to 1, it is
    Wilson's of such a share; but a single sample or group, or a skill below 0, tells nothing then: no lower end, up
    to 1.

    Args:
        skills: Of each sample (`Task.credits`), shape `(samples,)`.
        groups: As for `accuracy_interval`.
    """
    if not all_same(skills):
        return _mean_drawn(skills, groups, -math.inf, 1.0)
    num_groups, skill = _num_groups(groups), float(skills.mean())
    if len(skills) == 1 or num_groups == 1 or not 0 <= skill <= 1:
        return Interval(-math.inf, 1.0, num_groups)
    wilson = wilson_interval(skill * len(skills), len(skills))
    return Interval(wilson.ci95_low, wilson.ci95_high, num_groups)


def _mean_drawn(values: np.ndarray, groups: np.ndarray | None, lowest: float, highest: float) -> Interval:
    """Return the interval of the mean of values that are not all the same; groups that are all alike say no less."""
    rows = np.stack([values, np.ones(len(values))], axis=1)
    if groups is None:
        return sample_interval(rows, mean_of, least=lowest, most=highest)
    least, most = float(values.min()), float(values.max())
    found = group_interval(group_sums(rows, groups), mean_of, least=least, most=most)
    empty = found.ci95_high - found.ci95_low <= ROUNDING * float(np.abs(values).max())
    return found.reaching(sample_interval(rows, mean_of, least=lowest, most=highest)) if empty else found


def _share_of(score: float, num_samples: int) -> Interval:
    return wilson_interval(score * num_samples, num_samples)


def _num_groups(groups: np.ndarray | None) -> int | None:
    return None if groups is None else len(np.unique(groups))
