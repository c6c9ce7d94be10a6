"""Which samples belong together: numbers, or names that become numbers."""

from collections.abc import Mapping

import numpy as np

from kd_edge.data.labels import as_column, as_text
from kd_edge.errors import DataError

GROUPS = ("group_train", "group_val", "group_test")


def numbered_groups(groups: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Return groups by number where they have names: the same name has the same number in every split.

    Args:
        groups: Numbers or names by the name of their array, such as `group_train`.
        source: What error messages name.

    Raises:
        DataError: Some have names, and others numbers; or names are no text.
    """
    words = {array: as_text(as_column(values), array, source) for array, values in groups.items()}
    named = {array: values.dtype.kind == "U" and values.ndim == 1 for array, values in words.items()}
    if not any(named.values()):
        return dict(groups)
    if not all(named.values()):
        kinds = (f"{'names' if are_names else groups[array].dtype} in {array}" for array, are_names in named.items())
        raise DataError(
            f"bad data in {source}: expected the groups of all splits by name or all by number, received "
            f"{', '.join(kinds)}; write all alike"
        )
    numbers = np.unique(np.concatenate(list(words.values())), return_inverse=True)[1]
    ends = np.cumsum([len(values) for values in words.values()])
    return dict(zip(groups, np.split(numbers.ravel(), ends[:-1]), strict=True))


def check_groups(groups: np.ndarray, num_samples: int, name: str, array: str) -> np.ndarray:
    """Return groups as int64; raise unless they are one number per sample.

    Args:
        groups: The numbers.
        num_samples: How many samples there are.
        name: The data, for error messages.
        array: What the numbers are called there.
    """
    if groups.shape != (num_samples,) or groups.dtype.kind not in "iu":
        kind = {"group_val": "validation", "group_test": "test"}.get(array, "training")
        raise DataError(
            f"bad data in {name}: expected {array} with an integer for each of {num_samples} {kind} samples, "
            f"received {groups.dtype} of shape {groups.shape}; names, as text, are numbered"
        )
    return groups.astype(np.int64)
