"""A data set from arrays by their names: which are needed, and how validation samples are drawn."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kd_edge.data.dataset import GROUPS, Dataset, check_counts, check_groups, checked, standardized
from kd_edge.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL_ARRAYS = ("x_val", "y_val", "x_unlabeled", *GROUPS, "class_names")
# The name in version 0.1.0.
_FORMER = {"groups_train": "group_train"}
_VALIDATION_SHARE = 0.15


def dataset_of(name: str, arrays: Mapping[str, Any], source: str, normalize: bool | None, seed: int) -> Dataset:
    """Return a checked data set of arrays.

    Args:
        name: What the data set is called.
        arrays: `x_train, y_train, x_test, y_test` and optionally `x_val, y_val, x_unlabeled, group_train,
            group_val, group_test, class_names`; others are left alone.
        source: What error messages name.
        normalize: As for `load_data`.
        seed: As for `load_data`.

    Raises:
        DataError: An array is missing or nearly named like an optional one, or they do not fit together.
    """
    arrays = {_FORMER.get(key, key): array for key, array in arrays.items()}
    _check_names(list(arrays), source)
    integers = np.asarray(arrays["x_train"]).dtype.kind in "iu"
    dataset = replace(checked(_with_validation(name, arrays, seed)), integers=integers)
    return standardized(dataset) if (integers if normalize is None else normalize) else dataset


def _check_names(names: list[str], source: str) -> None:
    missing = [name for name in ARRAYS if name not in names]
    if "x_val" in names and "y_val" not in names:
        missing.append("y_val")
    if missing:
        raise DataError(
            f"bad data in {source}: expected arrays {', '.join(ARRAYS)}, missing {', '.join(missing)}; "
            f"received {', '.join(sorted(names)) or 'none'}"
        )
    for name in sorted(set(names) - {*ARRAYS, *_OPTIONAL_ARRAYS}):
        if meant := difflib.get_close_matches(name, _OPTIONAL_ARRAYS, n=1, cutoff=0.8):
            raise DataError(
                f"bad data in {source}: received an array {name!r} that nothing reads, did you mean {meant[0]!r}? "
                "Rename it, or give it a name of its own"
            )


def _with_validation(name: str, arrays: Mapping[str, Any], seed: int) -> Dataset:
    known: dict[str, Any] = {
        key: np.asarray(arrays[key]) for key in (*ARRAYS, *_OPTIONAL_ARRAYS) if arrays.get(key) is not None
    }
    names = known.pop("class_names", None)
    description = f"{name}, split as given"
    check_counts(known["x_train"], known["y_train"], "train", name)
    if "group_train" in known:
        known["group_train"] = check_groups(known["group_train"], len(known["y_train"]), name, "group_train")
    if "x_val" not in known:
        chosen = _drawn_for_validation(len(known["y_train"]), known.get("group_train"), name, seed)
        known["x_val"], known["y_val"] = known["x_train"][chosen], known["y_train"][chosen]
        if "group_train" in known:
            known["group_val"] = known["group_train"][chosen]
        for key in {"x_train", "y_train", "group_train"} & known.keys():
            known[key] = known[key][~chosen]
        whole = ", whole groups of them," if "group_train" in known else ""
        description = f"{name}, 15 % of the training samples{whole} drawn for validation with seed {seed}"
    if names is None:
        labels = known["y_train"]
        count = int(labels.max()) + 1 if labels.dtype.kind in "iu" and labels.size else 0
        names = [str(i) for i in range(count)]
    return Dataset(name, class_names=tuple(map(str, names)), description=description, **known)


def _drawn_for_validation(num_samples: int, groups: np.ndarray | None, name: str, seed: int) -> np.ndarray:
    """Return which training samples validate: 15 %, or whole groups that have about as many, at least one."""
    rng = np.random.default_rng(seed)
    if groups is None:
        return np.asarray(rng.permutation(num_samples) < _VALIDATION_SHARE * num_samples)
    numbers, sizes = np.unique(groups, return_counts=True)
    if len(numbers) < 2:
        raise DataError(
            f"bad data in {name}: expected at least 2 groups in group_train, one of them for validation, "
            f"received {len(numbers)}; give x_val and y_val"
        )
    order = rng.permutation(len(numbers))
    drawn = order[np.cumsum(sizes[order]) - sizes[order] / 2 < _VALIDATION_SHARE * num_samples]
    return np.isin(groups, numbers[drawn] if drawn.size else numbers[sizes.argmin()])
