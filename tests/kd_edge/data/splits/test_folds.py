"""Folds: by label, by group, or given."""

import numpy as np
import pytest

from kd_edge.data.splits.folds import fold_numbers
from kd_edge.errors import ConfigError, DataError


def test_each_fold_has_its_share_of_each_class():
    y = np.repeat([0, 1, 2], [23, 10, 5])
    numbers = fold_numbers(y, 5, seed=1)
    assert sorted(np.bincount(numbers)) == [7, 7, 8, 8, 8]  # 38 samples
    for label, (least, most) in enumerate(((4, 5), (2, 2), (1, 1))):
        counts = np.bincount(numbers[y == label], minlength=5)
        assert (counts.min(), counts.max()) == (least, most)


def test_a_seed_draws_the_folds():
    y = np.arange(60) % 3
    assert np.array_equal(fold_numbers(y, seed=1), fold_numbers(y, seed=1))
    assert not np.array_equal(fold_numbers(y, seed=1), fold_numbers(y, seed=2))


def test_a_group_is_in_one_fold_and_folds_are_about_equally_large():
    groups = np.repeat([7, 3, 9, 4, 1], [40, 20, 20, 20, 20])
    numbers = fold_numbers(np.arange(120) % 2, 3, groups=groups)
    assert all(len(set(numbers[groups == group])) == 1 for group in groups)
    assert sorted(np.bincount(numbers)) == [40, 40, 40]


def test_given_folds_are_kept():
    given = np.arange(12) // 2 % 3 - 5
    assert np.array_equal(fold_numbers(np.arange(12) % 2, given, groups=np.arange(12) // 2), given)


@pytest.mark.parametrize(
    ("folds", "groups", "error", "message"),
    [
        (1, None, ConfigError, "bad folds: expected at least 2, received 1"),
        (4, None, DataError, "one of each class per fold, received 3 of class 1; folds=3"),
        (4, np.arange(12) % 3, DataError, "too few groups for 4 folds.*received 3; folds=3"),
        (2, np.arange(11), DataError, "expected groups with an integer for each of 12 training samples"),
        (np.arange(12) % 2, np.arange(12) // 3, DataError, "received group 0 in 2 folds; draw them with folds=2"),
        (np.zeros(12, int), None, DataError, "of at least 2 folds, received int64 of shape .* with 1 different"),
        (np.arange(11) % 2, None, DataError, "an integer for each of 12 samples"),
        (np.arange(12) < 9, None, DataError, "received bool"),
        (np.repeat([0, 1], [9, 3]), None, DataError, "received all of class 0 in fold 0"),
        (2, np.repeat([0, 1], [9, 3]), DataError, "received all of class 0 in fold 0|class 1 in fold 0"),
    ],
)
def test_folds_that_cannot_be_are_named(folds, groups, error, message):
    with pytest.raises(error, match=message):
        fold_numbers(np.repeat([0, 1], [9, 3]), folds, groups=groups)
