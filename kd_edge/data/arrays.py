"""A data set from arrays by their names: which are needed, and how validation samples are drawn."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset, check_counts, checked, standardized
from kd_edge.data.given_arrays import as_arrays
from kd_edge.data.options import SourceOptions
from kd_edge.data.splits.drawing import VALIDATION_SHARE, class_of_groups, drawn_samples, first_few, lacking
from kd_edge.data.splits.groups import GROUPS, check_groups, numbered_groups
from kd_edge.data.storage import taken
from kd_edge.data.targets import counted, standardized_values, targets_of
from kd_edge.data.task import Task
from kd_edge.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL_ARRAYS = ("x_val", "y_val", "x_unlabeled", *GROUPS, "class_names")
_USUAL = SourceOptions()
_OF_OUTPUTS = ("y_train", "y_val", "y_test", "class_names")
# Options that all arrays have.
ARRAY_OPTIONS = ("ignore", "task", "units")
# The name in version 0.1.0.
_FORMER = {"groups_train": "group_train"}


def dataset_of(
    name: str,
    arrays: Mapping[str, Any],
    source: str,
    normalize: bool | None,
    seed: int,
    options: SourceOptions = _USUAL,
) -> Dataset:
    """Return a checked data set of arrays.

    Args:
        name: What the data set is called.
        arrays: `x_train, y_train, x_test, y_test` and optionally `x_val, y_val, x_unlabeled, group_train,
            group_val, group_test, class_names`; others are an error. Labels are such as `targets_of` knows; a
            reconstruction needs none. Of several outputs `y_train` and the like are mappings of their names to labels,
            or there is an array `y_train_NAME` for each.
        source: What error messages name.
        normalize: As for `load_data`.
        seed: As for `load_data`.
        options: Which arrays are left out, the task, and the units of its values.

    Raises:
        DataError: An array is missing or has a name that nothing reads, or they do not fit together.
    """
    ignore = options.ignore or ()
    if strange := [key for key in arrays if not isinstance(key, str)]:
        raise DataError(f"bad data in {source}: expected arrays by names such as 'x_train', received {strange[0]!r}")
    arrays = {_FORMER.get(key, key): array for key, array in arrays.items() if key not in ignore and array is not None}
    arrays = _by_output(arrays, source)
    _check_names(list(arrays), source, options.task)
    known, task = _as_arrays(arrays, source, options)
    data = _with_validation(name, known, task, seed)
    return dataset_as_given(standardized_values(data), normalize)


def _by_output(arrays: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return arrays with those of several outputs, such as `y_train_speed`, as one mapping of the outputs' names."""
    known: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, values in arrays.items():
        whole = next((array for array in _OF_OUTPUTS if name.startswith(f"{array}_")), None)
        if whole is None:
            known[name] = values
        else:
            found.setdefault(whole, {})[name.removeprefix(f"{whole}_")] = values
    if both := sorted(known.keys() & found.keys()):
        raise DataError(
            f"bad data in {source}: expected either {both[0]} or an array for each of several outputs, received both; "
            "leave one out with the option ignore"
        )
    return known | found


def dataset_as_given(data: Dataset, normalize: bool | None) -> Dataset:
    """Return a data set, checked, and scaled where that is wanted and it is not yet; see `load_data`."""
    integers = data.x_train.dtype.kind in "iu"
    dataset = replace(checked(data), integers=integers)
    wanted = integers if normalize is None else normalize
    return standardized(dataset) if wanted and data.scale is None else dataset


def _check_names(names: list[str], source: str, task: str | None) -> None:
    needed = ("x_train", "x_test") if task == "reconstruction" else ARRAYS
    missing = [name for name in needed if name not in names]
    if "x_val" in names and "y_val" not in names and needed is ARRAYS:
        missing.append("y_val")
    if "x_val" not in names and not {"y_val", "group_val"}.isdisjoint(names):
        missing.append("x_val")
    if missing:
        raise DataError(
            f"bad data in {source}: expected arrays {', '.join(needed)}, missing {', '.join(missing)}; "
            f"received {', '.join(sorted(names)) or 'none'}"
        )
    known = (*ARRAYS, *_OPTIONAL_ARRAYS)
    for name in sorted(set(names) - set(known)):
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        hint = f"did you mean {meant[0]!r}?" if meant else f"known: {', '.join(known)}."
        raise DataError(
            f"bad data in {source}: received an array {name!r} that nothing reads, {hint} "
            "Rename it, or leave it out with the option ignore"
        )


def _as_arrays(arrays: Mapping[str, Any], source: str, options: SourceOptions) -> tuple[dict[str, Any], Task | None]:
    """Return all as arrays, labels as numbers, and the task where it is known."""
    known: dict[str, Any] = {}
    for name, values in arrays.items():
        if name.startswith("x_") and isinstance(values, Mapping):
            raise DataError(
                f"bad data in {source}: expected one array as {name}, since data have one input, received a mapping of "
                f"{', '.join(map(str, values))}; several inputs are calibrated by an .npz file of their names (convert)"
            )
        known[name] = as_arrays(values, name, source)
        if not isinstance(values, Mapping):
            _check_rank(name, known[name], source)
    if "x_val" not in known and len(known["x_train"]) < 2:
        raise DataError(
            f"bad data in {source}: expected at least 2 training samples, one of them for validation, received "
            f"{len(known['x_train'])}; add some, or give x_val and y_val"
        )
    labels = {name: known[name] for name in known if name.startswith("y_")}
    numbers, task = targets_of(
        labels, known.pop("class_names", None), task=options.task, units=options.units, source=source
    )
    if options.task == "reconstruction":
        splits = (name.removeprefix("x_") for name in known if name in ("x_train", "x_val", "x_test"))
        numbers = {f"y_{split}": np.zeros(len(known[f"x_{split}"]), np.int64) for split in splits} | numbers
    return known | numbers, task


def _check_rank(name: str, array: np.ndarray, source: str) -> None:
    is_list = array.ndim == 1 if name == "class_names" else array.ndim > 0
    if not is_list:
        wanted = "a list of words" if name == "class_names" else "a row per sample"
        raise DataError(f"bad data in {source}: expected {wanted} as {name}, received an array of shape {array.shape}")


def _with_validation(name: str, arrays: Mapping[str, Any], task: Task | None, seed: int) -> Dataset:
    known = {**arrays, **numbered_groups({key: arrays[key] for key in GROUPS if key in arrays}, name)}
    description = f"{name}, split as given"
    check_counts(known["x_train"], known["y_train"], "train", name)
    if "group_train" in known:
        known["group_train"] = check_groups(known["group_train"], len(known["y_train"]), name, "group_train")
    if "x_val" not in known:
        labels = known["y_train"] if task is None or task.classifies else None
        chosen = _drawn_for_validation(len(known["y_train"]), labels, known.get("group_train"), name, seed)
        known["x_val"], known["y_val"] = taken(known["x_train"], chosen), known["y_train"][chosen]
        if "group_train" in known:
            known["group_val"] = known["group_train"][chosen]
        for key in {"x_train", "y_train", "group_train"} & known.keys():
            known[key] = taken(known[key], ~chosen)
        whole = ", whole groups of them," if "group_train" in known else ""
        description = f"{name}, 15 % of the training samples{whole} drawn for validation with seed {seed}"
        if labels is not None:
            description += _lack(chosen, labels, () if task is None else task.names)
    if task is None:
        task = counted(known["y_train"])
    return Dataset(name, class_names=task.names, task=task, description=description, **known)


def _lack(chosen: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> str:
    """Return which classes have no sample to validate, as the end of a sentence."""
    split = np.where(chosen, "val", "train")
    absent = lacking(split, ("train", "val"), labels, class_names=class_names).get("val")
    return f", none of them of {first_few(absent)}" if absent else ""


def _drawn_for_validation(
    num_samples: int, labels: np.ndarray | None, groups: np.ndarray | None, name: str, seed: int
) -> np.ndarray:
    """Return which training samples validate: 15 %, or whole groups that have about as many, at least one."""
    if groups is not None and len(np.unique(groups)) < 2:
        raise DataError(
            f"bad data in {name}: expected at least 2 groups in group_train, one of them for validation, "
            "received 1; give x_val and y_val"
        )
    classes = None if labels is None else class_of_groups(labels, groups)
    drawn = drawn_samples(num_samples, VALIDATION_SHARE, groups, np.random.default_rng(seed), classes=classes)
    if not drawn.any():
        raise DataError(
            f"bad data in {name}: expected a class of several groups in group_train, one of them for validation, "
            "received one group for each class; give x_val and y_val"
        )
    return drawn
