"""A data set from arrays by their names: which are needed, and how validation samples are drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset, check_counts, checked, standardized
from kd_edge.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL_ARRAYS = ("x_val", "y_val", "class_names")


def dataset_of(name: str, arrays: Mapping[str, Any], source: str, normalize: bool | None, seed: int) -> Dataset:
    """Return a checked data set of arrays.

    Args:
        name: What the data set is called.
        arrays: `x_train, y_train, x_test, y_test` and optionally `x_val, y_val, class_names`.
        source: What error messages name.
        normalize: As for `load_data`.
        seed: As for `load_data`.

    Raises:
        DataError: An array is missing, or they do not fit together.
    """
    _check_names(list(arrays), source)
    integers = np.asarray(arrays["x_train"]).dtype.kind in "iu"
    dataset = checked(_with_validation(name, arrays, seed))
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


def _with_validation(name: str, arrays: Mapping[str, Any], seed: int) -> Dataset:
    known: dict[str, Any] = {
        key: np.asarray(arrays[key]) for key in (*ARRAYS, *_OPTIONAL_ARRAYS) if arrays.get(key) is not None
    }
    names = known.pop("class_names", None)
    description = f"{name}, split as given"
    check_counts(known["x_train"], known["y_train"], "train", name)
    if "x_val" not in known:
        chosen = np.random.default_rng(seed).permutation(len(known["y_train"])) < 0.15 * len(known["y_train"])
        known["x_val"], known["y_val"] = known["x_train"][chosen], known["y_train"][chosen]
        known["x_train"], known["y_train"] = known["x_train"][~chosen], known["y_train"][~chosen]
        description = f"{name}, 15 % of the training samples drawn for validation with seed {seed}"
    if names is None:
        labels = known["y_train"]
        count = int(labels.max()) + 1 if labels.dtype.kind in "iu" and labels.size else 0
        names = [str(i) for i in range(count)]
    return Dataset(name, class_names=tuple(map(str, names)), description=description, **known)
