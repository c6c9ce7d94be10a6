"""How sure a figure is that was counted on few samples, or on samples of few people."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from tflite_bench.provenance import Computed, Measured

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
NUM_DRAWS, _AT_ONCE = 2000, 200
# Of a class of fewer some of the draws have none.
_FEW_OF_A_CLASS = 8
# Percentiles over draws of fewer are too narrow.
FEW_SAMPLES = 30
# Draws that differ by less are the same but for rounding.
_ROUNDING = 1e-9
_ENDS = ("ci95_low", "ci95_high")
# With fewer groups an interval is wide and says little of others than these.
FEW_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval, of a share where nothing else is said.

    Attributes:
        ci95_low: Lower end; `-inf` where the samples set none, `None` in JSON.
        ci95_high: Upper end; `inf` where they set none.
        num_groups: How many groups of samples were drawn as a whole; `None` where samples were.
    """

    ci95_low: Computed[float]
    ci95_high: Computed[float]
    num_groups: Measured[int | None] = None

    def reaching(self, other: "Interval") -> "Interval":
        """Return this interval, as wide at each end as another one."""
        low, high = min(self.ci95_low, other.ci95_low), max(self.ci95_high, other.ci95_high)
        return Interval(low, high, self.num_groups)


def unbounded_ends(place: str, intervals: Mapping[str, Interval]) -> dict[str, str]:
    """Return why intervals have no end where they have none, by those ends, as `"PLACE.int8_litert.ci95_low"`."""
    reason = "samples that are all the same, or a single one, set no bound there; more test samples"
    ends = ((f"{place}.{name}.{end}", getattr(own, end)) for name, own in intervals.items() for end in _ENDS)
    return {end: reason for end, value in ends if math.isinf(value)}


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
    drawn = [score(rng.multinomial(len(cells), shares, _AT_ONCE)) for _ in range(NUM_DRAWS // _AT_ONCE)]
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
    return found.reaching(_share_of(float(score(sums)), int(sums[sums > 0].min()))) if is_empty(found) else found


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
    empty = found.ci95_high - found.ci95_low <= _ROUNDING * float(np.abs(values).max())
    return found.reaching(sample_interval(rows, mean_of, least=lowest, most=highest)) if empty else found


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
    parts = [min(_AT_ONCE, num_draws - done) for done in range(0, num_draws, _AT_ONCE)]
    return np.concatenate([score(rng.multinomial(len(rows), shares, part) @ rows) for part in parts])


def _share_of(score: float, num_samples: int) -> Interval:
    return wilson_interval(score * num_samples, num_samples)


def is_empty(found: Interval) -> bool:
    """Tell whether all draws of a score or a difference gave the same: they say nothing of how far others lie off."""
    return found.ci95_high - found.ci95_low <= _ROUNDING


def all_same(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _num_groups(groups: np.ndarray | None) -> int | None:
    return None if groups is None else len(np.unique(groups))


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
