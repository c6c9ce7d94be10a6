"""What a sample's class is called, and its number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kd_edge.errors import DataError

# What is left of a missing value where pandas and NumPy turn it into text.
_MISSING = ("", "nan", "NaN", "None", "<NA>", "NaT")


def numbered(
    labels: Mapping[str, Any], class_names: Sequence[str] | None, source: str
) -> tuple[dict[str, np.ndarray], Sequence[str] | None]:
    """Return labels as numbers from 0, and the names of the classes where they are known.

    Strings become classes in the order of `class_names`, or of the alphabet; booleans the classes False and True;
    numbers stay as they are, for others to check.

    Args:
        labels: By the arrays' names, `y_train` among them.
        class_names: One per class, or `None`.
        source: What error messages name.

    Raises:
        DataError: Labels are dates, measurements or objects, or a class is in no training sample.
    """
    arrays = {name: as_column(np.asarray(values)) for name, values in labels.items()}
    for name, array in arrays.items():
        _check_kind(array, name, source)
    kinds = {array.dtype.kind for array in arrays.values()}
    if kinds == {"b"}:
        names = ("False", "True") if class_names is None else class_names
        return {name: array.astype(np.int64) for name, array in arrays.items()}, names
    if kinds <= set("US"):
        texts = {name: as_text(array, name, source) for name, array in arrays.items()}
        if class_names is None:
            _check_none_missing(texts, source)
        names = np.unique(texts["y_train"]).tolist() if class_names is None else list(map(word, class_names))
        return {name: _places(array, names, name, source) for name, array in texts.items()}, names
    if not kinds <= set("iu") and all(array.ndim == 1 for array in arrays.values()):
        types = ", ".join(f"{array.dtype} in {name}" for name, array in arrays.items())
        raise DataError(f"bad data in {source}: expected labels of one type, received {types}")
    return arrays, class_names


def as_column(array: np.ndarray) -> np.ndarray:
    """Return one column as what it is, and strings that NumPy holds as objects as strings."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "O" and array.size:
        for kind in (str, bytes):  # tf.data has bytes
            if all(isinstance(value, kind) for value in array.flat):
                return array.astype(kind)
    return array


def as_text(array: np.ndarray, name: str, source: str) -> np.ndarray:
    """Return bytes as the text that they are; anything else as it is.

    Raises:
        DataError: They are no text.
    """
    try:
        return np.strings.decode(array, "utf-8") if array.dtype.kind == "S" else array
    except UnicodeDecodeError as error:
        raise DataError(f"bad data in {source}: expected text in UTF-8 in {name}, received {error}") from error


def word(name: object) -> str:
    """Return what a class is called, bytes as the text that they are."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _check_kind(array: np.ndarray, name: str, source: str) -> None:
    kind = array.dtype.kind
    if kind in "Mm":
        raise DataError(
            f"bad data in {source}: expected classes in {name}, received dates ({array.dtype}); name the classes "
            "that they stand for, such as the days of the week"
        )
    if kind == "f" and array.ndim == 1:
        raise DataError(
            f"bad data in {source}: expected classes as integers, strings or booleans in {name}, received "
            f"{array.dtype}; where these number classes pass y.astype(int); measurements, the targets of a "
            'regression, are no classes: give the option task = "regression"'
        )
    if kind in "OcV":
        raise DataError(
            f"bad data in {source}: expected classes as integers, strings or booleans in {name}, received objects "
            f"({array.dtype}) of shape {array.shape}"
        )


def _check_none_missing(texts: Mapping[str, np.ndarray], source: str) -> None:
    for name, array in texts.items():
        missing = np.isin(np.char.strip(array), _MISSING)
        if missing.any():
            raise DataError(
                f"bad data in {source}: expected a class for each sample in {name}, received "
                f"{str(array[missing][0])!r} for {int(missing.sum())} of {len(array)}, as if it were missing; drop "
                "these samples, rename the class, or list it in class_names"
            )


def _places(texts: np.ndarray, names: Sequence[str], name: str, source: str) -> np.ndarray:
    unknown = np.setdiff1d(texts, names)
    if unknown.size:
        listed = ", ".join(names[:10])
        raise DataError(
            f"bad data in {source}: expected the classes {listed} in {name}, received {str(unknown[0])!r}, which no "
            "training sample or class name has"
        )
    place = {text: i for i, text in enumerate(names)}
    found, inverse = np.unique(texts, return_inverse=True)
    return np.array([place[text] for text in found.tolist()], np.int64)[inverse.ravel()]
