"""Parts a training set in folds, so that each sample can be left out once."""

import numpy as np

from kd_edge.data.splits.groups import check_groups, numbered_groups
from kd_edge.errors import ConfigError, DataError


def fold_numbers(
    y: np.ndarray, folds: "int | np.ndarray" = 5, *, groups: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Return the number of each sample's fold.

    Without groups, each fold has its share of each class; with groups, all samples of a group are in one fold, and the
    folds are about equally large.

    Args:
        y: Labels, shape `(samples,)`.
        folds: How many, at least 2; or the number of each sample's fold, which is checked.
        groups: An integer per sample, the same for samples that belong together, such as those of one person.
        seed: Draws the folds.

    Returns:
        int64, shape `(samples,)`.

    Raises:
        ConfigError: Fewer than 2 folds.
        DataError: There are fewer groups, or samples of a class, than folds; a group is in two folds; or one fold has
            all samples of a class, so that nothing could learn it without that fold.
    """
    if groups is not None:
        numbered = numbered_groups({"groups": groups}, "the folds")
        groups = check_groups(numbered["groups"], len(y), "the folds", "groups")
    if np.ndim(folds):
        numbers = _given(np.asarray(folds), y, groups)
    elif int(folds) < 2:
        raise ConfigError(f"bad folds: expected at least 2, received {folds}")
    elif groups is None:
        numbers = _by_label(y, int(folds), np.random.default_rng(seed))
    else:
        numbers = _by_group(groups, int(folds), np.random.default_rng(seed))
    _check_classes(y, numbers)
    return numbers


def _by_label(y: np.ndarray, num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the samples out class by class, like cards."""
    labels, sizes = np.unique(y, return_counts=True)
    if sizes.min() < num_folds:
        raise DataError(
            f"too few samples for {num_folds} folds: expected at least one of each class per fold, received "
            f"{sizes.min()} of class {labels[sizes.argmin()]}; folds={max(int(sizes.min()), 2)}, or more samples"
        )
    order = rng.permutation(len(y))
    numbers = np.empty(len(y), np.int64)
    numbers[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % num_folds
    return numbers


def _by_group(groups: np.ndarray, num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Put each group, the largest first, in the fold that is smallest so far."""
    names, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < num_folds:
        raise DataError(
            f"too few groups for {num_folds} folds: expected at least one per fold, received {len(names)}; "
            f"folds={max(len(names), 2)}, or folds without groups"
        )
    fold_of, totals = np.empty(len(names), np.int64), np.zeros(num_folds, np.int64)
    for group in sorted(rng.permutation(len(names)), key=lambda group: -sizes[group]):
        fold_of[group] = totals.argmin()
        totals[fold_of[group]] += sizes[group]
    return fold_of[places]


def _given(numbers: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if numbers.shape != y.shape or numbers.dtype.kind not in "iu" or len(np.unique(numbers)) < 2:
        raise DataError(
            f"bad folds: expected an integer for each of {len(y)} samples, of at least 2 folds, received "
            f"{numbers.dtype} of shape {numbers.shape} with {len(np.unique(numbers))} different"
        )
    if groups is not None:
        pairs = np.unique(np.stack([groups, numbers]), axis=1)
        names, counts = np.unique(pairs[0], return_counts=True)
        if counts.max() > 1:
            raise DataError(
                f"bad folds: expected all samples of a group in one fold, received group {names[counts.argmax()]} in "
                f"{counts.max()} folds; draw them with folds={len(np.unique(numbers))}"
            )
    return numbers.astype(np.int64)


def _check_classes(y: np.ndarray, numbers: np.ndarray) -> None:
    for fold in np.unique(numbers):
        absent = np.setdiff1d(y, y[numbers != fold])
        if absent.size:
            raise DataError(
                f"bad folds: expected samples of each class outside of each fold, received all of class {absent[0]} "
                f"in fold {fold}; other folds, or folds without groups"
            )
