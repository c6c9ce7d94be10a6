"""Which samples train, validate and test: as given, or drawn by class or by whole groups."""

import numpy as np

from kd_edge.errors import DataError, nearest

SPLITS = ("train", "val", "test")
VALIDATION_SHARE = 0.15


def drawn_samples(num_samples: int, share: float, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return which samples are drawn: a share, or whole groups that have about as many, at least one of them.

    Args:
        num_samples: How many there are.
        share: 0 to 1.
        groups: A number per sample, of at least 2 groups; or `None`.
        rng: Draws them.

    Returns:
        Booleans, shape `(samples,)`.
    """
    if groups is None:
        return np.asarray(rng.permutation(num_samples) < share * num_samples)
    numbers, sizes = np.unique(groups, return_counts=True)
    order = rng.permutation(len(numbers))
    drawn = order[np.cumsum(sizes[order]) - sizes[order] / 2 < share * num_samples]
    return np.isin(groups, numbers[drawn] if drawn.size else numbers[sizes.argmin()])


def splits_of(
    labels: np.ndarray,
    groups: np.ndarray | None,
    given: np.ndarray | None,
    *,
    test_share: float,
    seed: int,
    source: str,
) -> tuple[np.ndarray, str]:
    """Return whether each sample trains, validates or tests, and a sentence on how that was found.

    Args:
        labels: A class per sample, numbers or names. Of each class its share is drawn, or whole groups.
        groups: What each sample belongs to; or `None`.
        given: `train`, `val` or `test` per sample; without `val`, 15 % of the training samples are drawn for it.
            `None` draws the test samples, too.
        test_share: Their share, 0 to 1.
        seed: Draws them.
        source: What error messages name.

    Raises:
        DataError: A split has another name, there is no sample to train or test, or there are too few groups.
    """
    rng = np.random.default_rng(seed)
    whole = "whole groups of " if groups is not None else ""
    if given is None:
        found = np.full(len(labels), "train", dtype="<U5")
        _draw(found, "test", labels, groups, test_share, rng, source)
        _draw(found, "val", labels, groups, VALIDATION_SHARE, rng, source)
        return found, (
            f"{whole}{test_share:.0%} of the samples drawn to test and of the others 15 % to validate, with seed {seed}"
        )
    found = given.astype("<U5") if set(given.tolist()) <= set(SPLITS) else _refuse(given, source)
    for split in ("train", "test"):
        if split not in found:
            raise DataError(
                f"bad data in {source}: expected samples of the splits train and test, received none of {split}"
            )
    if "val" in found:
        return found, "split as given"
    _draw(found, "val", labels, groups, VALIDATION_SHARE, rng, source)
    return found, f"split as given, {whole}15 % of the training samples drawn to validate with seed {seed}"


def _refuse(given: np.ndarray, source: str) -> np.ndarray:
    unknown = str(np.setdiff1d(given, SPLITS)[0])
    raise DataError(
        f"bad data in {source}: expected the splits train, val and test, received {unknown!r}: "
        f"{nearest(unknown, SPLITS)}"
    )


def _draw(
    found: np.ndarray,
    split: str,
    labels: np.ndarray,
    groups: np.ndarray | None,
    share: float,
    rng: np.random.Generator,
    source: str,
) -> None:
    """Mark training samples as of another split; of a class with two and more at least one is drawn and one is not."""
    train = np.flatnonzero(found == "train")
    if groups is not None:
        left = len(np.unique(groups[train]))
        if left < 2:
            raise DataError(
                f"bad data in {source}: expected groups to train, to validate and to test, received {left} to draw "
                f"those for {split} from; give a split, or leave the groups out"
            )
        found[train[drawn_samples(len(train), share, groups[train], rng)]] = split
        return
    for label in np.unique(labels[train]):
        places = train[labels[train] == label]
        count = min(max(round(share * len(places)), 1), len(places) - 1)
        found[rng.permutation(places)[:count]] = split
