"""Which samples train, validate and test: as given, or drawn by class or by whole groups."""

import itertools
import warnings
from collections.abc import Sequence

import numpy as np

from kd_edge.errors import DataError, DataWarning, nearest

SPLITS = ("train", "val", "test")
VALIDATION_SHARE = 0.15
# What helps where drawn groups, or samples, leave a split without a class.
_WAYS_OUT = (
    "add groups of it, such as recordings, give a split (a column split, folders train and test), or name other groups "
    "(a column group, the option group_pattern)"
)
_MORE_SAMPLES = "add samples of it, or give a split"
_TESTS_DRAWN = "drawn to test"
# Tasks whose labels are no classes that every split should have.
_NO_CLASSES = ("regression", "reconstruction")


def class_of_groups(labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray | None:
    """Return the labels where each group is of one class, such as a recording of one word; else `None`."""
    if groups is None or labels.ndim != 1:
        return None
    return labels if len(set(zip(groups.tolist(), labels.tolist(), strict=True))) == len(np.unique(groups)) else None


def drawn_samples(
    num_samples: int,
    share: float,
    groups: np.ndarray | None,
    rng: np.random.Generator,
    *,
    classes: np.ndarray | None = None,
) -> np.ndarray:
    """Return which samples are drawn: a share, or whole groups that have about as many, at least one of them.

    Args:
        num_samples: How many there are.
        share: 0 to 1.
        groups: A number per sample, of at least 2 groups; or `None`.
        rng: Draws them.
        classes: From `class_of_groups`: of each class with three groups and more at least one is then drawn, of one
            with two perhaps one, and of one with a single group none.

    Returns:
        Booleans, shape `(samples,)`.
    """
    if groups is None:
        return np.asarray(rng.permutation(num_samples) < share * num_samples)
    numbers, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    order = rng.permutation(len(numbers))
    num_sure = 0
    if classes is not None:
        order, num_sure = _in_turns(order, classes[first], sizes)
    least = np.sort(order)[sizes[np.sort(order)].argsort(kind="stable")[:1]]
    within = np.cumsum(sizes[order]) - sizes[order] / 2 < share * num_samples
    drawn = order[within | (np.arange(len(order)) < num_sure)]
    return np.isin(groups, numbers[drawn if drawn.size else least])


def _in_turns(order: np.ndarray, classes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return in which order groups of one class each are drawn, and how many of them are drawn whatever the share.

    Those are one of each class that keeps two, with at most half of its samples. Then the classes take turns. Of three
    groups and more the last two of a class are never drawn, of two the last one.
    """
    of_class = [order[classes[order] == label] for label in dict.fromkeys(classes[order].tolist())]
    turned = [np.roll(places, -int((sizes[places] <= sizes[places].sum() / 2).argmax())) for places in of_class]
    sure = [int(places[0]) for places in turned if len(places) > 2]
    turns = itertools.chain(*itertools.zip_longest(*(p[: -2 if len(p) > 2 else -1].tolist() for p in turned)))
    rest = [place for place in turns if place is not None and place not in sure]
    return np.array([*sure, *rest], int), len(sure)


def splits_of(
    labels: np.ndarray,
    groups: np.ndarray | None,
    given: np.ndarray | None,
    *,
    test_share: float,
    seed: int,
    source: str,
    task: str | None = None,
) -> tuple[np.ndarray, str]:
    """Return whether each sample trains, validates or tests, and a sentence on how that was found.

    Args:
        labels: A class per sample, numbers or names. Of each class its share is drawn, or whole groups of all, the
            classes in turns where each group is of one.
        groups: What each sample belongs to; or `None`.
        given: `train`, `val` or `test` per sample; without `val`, 15 % of the training samples are drawn for it.
            `None` draws the test samples, too.
        test_share: Their share, 0 to 1.
        seed: Draws them.
        source: What error messages name.
        task: That of the options. By default the labels are classes.

    Raises:
        DataError: A split has another name, there is no sample to train or test, there are too few groups, or those
            that were drawn leave none of a class to train.

    Warns:
        DataWarning: A split that was drawn has none of a class; the sentence says it, too.
    """
    rng = np.random.default_rng(seed)
    whole = "whole groups of " if groups is not None else ""
    has_classes = task not in _NO_CLASSES
    if given is None:
        found = np.full(len(labels), "train", dtype="<U5")
        _draw(found, "test", labels, groups, test_share, rng, source, has_classes=has_classes)
        _draw(found, "val", labels, groups, VALIDATION_SHARE, rng, source, has_classes=has_classes)
        how = f"{test_share:.0%} of the samples {_TESTS_DRAWN} and of the others 15 % to validate, with seed {seed}"
        return found, f"{whole}{how}{_lack_told(found, SPLITS, labels, groups, source) if has_classes else ''}"
    found = given.astype("<U5") if set(given.tolist()) <= set(SPLITS) else _refuse(given, source)
    for split in ("train", "test"):
        if split not in found:
            raise DataError(
                f"bad data in {source}: expected samples of the splits train and test, received none of {split}"
            )
    if "val" in found:
        return found, "split as given"
    _draw(found, "val", labels, groups, VALIDATION_SHARE, rng, source, has_classes=has_classes)
    lack = _lack_told(found, ("train", "val"), labels, groups, source) if has_classes else ""
    return found, f"split as given, {whole}15 % of the training samples drawn to validate with seed {seed}{lack}"


def draws_tests(description: str) -> bool:
    """Return whether the test samples follow from a seed, as the description of a data set says it."""
    return _TESTS_DRAWN in description


def lacking(
    found: np.ndarray, drawn: Sequence[str], labels: np.ndarray, *, class_names: Sequence[str] = ()
) -> dict[str, list[object]]:
    """Return which classes the samples that were drawn leave a split without, by the split.

    Args:
        found: The split of each sample.
        drawn: The splits between which samples were drawn.
        labels: The class of each sample.
        class_names: What labels that are numbers are called.
    """
    known, called = labels[np.isin(found, drawn)], dict(enumerate(class_names))
    absent = {split: np.setdiff1d(known, labels[found == split]).tolist() for split in drawn}
    return {split: [called.get(label, label) for label in some] for split, some in absent.items() if some}


def _lack_told(
    found: np.ndarray, drawn: Sequence[str], labels: np.ndarray, groups: np.ndarray | None, source: str
) -> str:
    """Return which classes a split lacks that was drawn, as the end of a sentence; and warn of it."""
    absent = lacking(found, drawn, labels)
    if groups is not None and "train" in absent:
        raise DataError(
            f"bad data in {source}: expected training samples of each class, received none of "
            f"{absent['train'][0]!r} beside whole groups that were drawn to test and to validate; {_WAYS_OUT}, or "
            "take another seed"
        )
    if not absent:
        return ""
    said = [f"none of {first_few(names)} in {split}" for split, names in absent.items()]
    what, way_out = ("samples", _MORE_SAMPLES) if groups is None else ("groups", f"{_WAYS_OUT}, or take another seed")
    warnings.warn(f"{source}: the {what} that were drawn leave {'; '.join(said)}; {way_out}", DataWarning, stacklevel=3)
    return f", which leaves {', '.join(said)}"


def first_few(names: Sequence[object], most: int = 5) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


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
    *,
    has_classes: bool,
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
        kinds = class_of_groups(labels, groups) if has_classes else None
        classes = None if kinds is None else kinds[train]
        drawn = drawn_samples(len(train), share, groups[train], rng, classes=classes)
        if not drawn.any():
            raise DataError(
                f"bad data in {source}: expected a class of several groups to draw those for {split} from, received "
                f"{left} classes of one group each; {_WAYS_OUT}"
            )
        found[train[drawn]] = split
        return
    for label in np.unique(labels[train]):
        places = train[labels[train] == label]
        count = min(max(round(share * len(places)), 1), len(places) - 1)
        found[rng.permutation(places)[:count]] = split
