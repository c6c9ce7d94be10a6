"""A data set from samples by split, with their classes and groups as texts."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.drawing import SPLITS
from kd_edge.errors import ConfigError


def labelled_dataset(
    name: str,
    samples: Mapping[str, np.ndarray],
    labels: np.ndarray,
    splits: np.ndarray,
    *,
    groups: np.ndarray | None,
    description: str,
    source: str,
    normalize: bool | None,
    seed: int,
    options: SourceOptions,
    by_number: bool,
) -> Dataset:
    """Return a checked data set.

    Args:
        name: What it is called.
        samples: Those of each split, in their order.
        labels: Class of each sample of all splits, as text, or measured values as numbers.
        splits: Which split each of them is of; see `splits_of`.
        groups: What each of them belongs to, as text or number; or `None`.
        description: Where they come from and how they were split.
        source: What error messages name.
        normalize: As for `load_data`.
        seed: As for `load_data`.
        options: The task, and the units of its values.
        by_number: As for `class_names_of`.

    Raises:
        DataError: They do not fit together.
    """
    if options.task == "multilabel" or (options.task == "regression" and labels.dtype.kind not in "fiu"):
        raise ConfigError(
            f"bad option 'task' of the data {source!r}: expected samples of one class each, received "
            f"{options.task!r}; arrays can have other labels, see docs/data.md"
        )
    names = None if options.task in ("regression", "reconstruction") else class_names_of(labels, by_number=by_number)
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1].ravel()
    arrays: dict[str, object] = {"class_names": names}
    for split in SPLITS:
        arrays |= {f"x_{split}": samples[split], f"y_{split}": labels[splits == split]}
        if numbers is not None:
            arrays[f"group_{split}"] = numbers[splits == split]
    data = dataset_of(name, arrays, source, normalize, seed, replace(options, ignore=None))
    return replace(data, description=f"{name}, {description}")


def class_names_of(labels: np.ndarray, *, by_number: bool) -> list[str]:
    """Return the classes by name, in the order of the alphabet.

    Args:
        labels: Class of each sample.
        by_number: Whether whole numbers have their own order. In that of the alphabet, in which Keras' loaders number
            folders, 10 comes before 2.
    """
    names = [str(name) for name in np.unique(labels)]
    try:
        return sorted(names, key=int) if by_number else names
    except ValueError:
        return names
