"""Whether labels, or measured values, are such as a task has them."""

import numpy as np

from kd_edge.data.checks.rounding import LARGEST_ROUNDING, lost_channels
from kd_edge.data.records import as_records
from kd_edge.data.task import Task
from kd_edge.errors import DataError


def check_labels(y: np.ndarray, name: str, task: Task, source: str, *, precise: bool = False) -> np.ndarray:
    """Return what belongs to samples, in the form that `Dataset` describes.

    Args:
        y: Labels or measured values.
        name: `"y_train"`, `"y_val"` or `"y_test"`.
        task: What a network is asked for.
        source: What error messages name.
        precise: Whether measured values of one output are left in 64 bits, to be standardized. Defaults to `False`.

    Raises:
        DataError: They are not such as the task has them.
    """
    if task.parts:
        return _check_outputs(y, name, task, source)
    checked = _CHECKS[task.kind](y, name, task, source)
    if task.kind == "regression" and not precise:
        return _in_32_bits(checked, name, source)
    if name == "y_train" and task.classifies:
        _check_present(checked, task, source)
    return checked


def _check_outputs(y: np.ndarray, name: str, task: Task, source: str) -> np.ndarray:
    """Return records with the labels of each of several outputs."""
    if y.dtype.names is None or set(y.dtype.names) != set(task.names):
        raise DataError(
            f"bad data in {source}: expected labels for each of the outputs {', '.join(task.names)} in {name}, "
            f"received {', '.join(y.dtype.names or ()) or 'one array'}"
        )
    parts = task.by_output.items()
    return as_records({key: check_labels(y[key], name, part, f"{source}, output {key!r}") for key, part in parts})


def _check_classes(y: np.ndarray, name: str, task: Task, source: str) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"bad data in {source}: expected integer labels of shape (samples,) in {name}, received {y.dtype} of "
            f"shape {y.shape}; one-hot labels: pass y.argmax(axis=1); several labels at once: the task 'multilabel'; "
            "measured values: the task 'regression'"
        )
    if not y.size:
        raise DataError(f"bad data in {source}: expected labels in {name}, received none")
    outside = y[(y < 0) | (y >= len(task.names))]
    if outside.size:
        raise DataError(
            f"bad data in {source}: expected labels from 0 to {len(task.names) - 1} in {name}, "
            f"received {int(outside[0])}"
        )
    return y.astype(np.int64)


def _check_present(labels: np.ndarray, task: Task, source: str) -> None:
    seen = set(labels.tolist())
    if len(seen) < 2:
        raise DataError(f"bad data in {source}: expected at least 2 classes in y_train, received {len(seen)}")
    absent = sorted(set(range(len(task.names))) - seen)
    if absent:
        raise DataError(
            f"bad data in {source}: expected training samples of all {len(task.names)} classes, received none of "
            f"class {task.names[absent[0]]}; {_way_out(task)}"
        )


def _way_out(task: Task) -> str:
    if task.names == tuple(map(str, range(len(task.names)))):
        return "number the classes from 0 without gaps"
    return "add some, or leave its name out and number the others from 0 without gaps"


def _check_several(y: np.ndarray, name: str, task: Task, source: str) -> np.ndarray:
    """Return 0 or 1 for each of several labels."""
    count = len(task.names)
    if y.ndim != 2 or y.shape[1] != count or not y.size or not np.isin(y, (0, 1)).all():
        raise DataError(
            f"bad data in {source}: expected 0 or 1 for each of {count} labels in {name}, received {y.dtype} of shape "
            f"{y.shape}"
        )
    labels = y.astype(np.int64)
    same = [label for label, column in zip(task.names, labels.T, strict=True) if column.min() == column.max()]
    if name == "y_train" and same:
        raise DataError(
            f"bad data in {source}: expected training samples with and without each label, received all or none with "
            f"{same[0]!r}; leave that label out"
        )
    return labels


def _check_values(y: np.ndarray, name: str, task: Task, source: str) -> np.ndarray:
    """Return measured values, one row a sample."""
    rows = y[:, np.newaxis] if y.ndim == 1 else y
    if rows.ndim != 2 or rows.shape[1] != len(task.names) or rows.dtype.kind not in "fiu" or not rows.size:
        raise DataError(
            f"bad data in {source}: expected {len(task.names)} numbers for each sample in {name}, received {y.dtype} "
            f"of shape {y.shape}"
        )
    bad = int((~np.isfinite(rows)).any(axis=1).sum())
    if bad:
        raise DataError(
            f"bad data in {source}: expected finite numbers, received NaN or infinity in {bad} of {len(rows)} rows of "
            f"{name}; drop or repair them"
        )
    if rows.dtype.kind in "iu" and (lost := lost_channels(rows, rows, np.float64)).size:
        raise DataError(
            f"bad data in {source}: expected measured values that 64-bit floats tell apart in {name}, received whole "
            f"numbers from {rows[:, lost[0]].min()} to {rows[:, lost[0]].max()}; subtract a constant from them"
        )
    return np.asarray(rows, np.float64)


def _in_32_bits(rows: np.ndarray, name: str, source: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = rows.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise DataError(
            f"bad data in {source}: expected measured values that 32 bits hold in {name}, received "
            f"{float(np.abs(rows).max()):g}; choose another unit"
        )
    ranges, errors = np.ptp(rows, axis=0), np.abs(rounded - rows).max(axis=0)
    if (lost := (ranges > 0) & (errors > LARGEST_ROUNDING * ranges)).any():
        low, high = rows[:, lost][:, 0].min(), rows[:, lost][:, 0].max()
        raise DataError(
            f"bad data in {source}: expected measured values that 32 bits tell apart in {name}, received some from "
            f"{low!r} to {high!r}; subtract a constant from them"
        )
    return rounded


def _check_anomalies(y: np.ndarray, name: str, task: Task, source: str) -> np.ndarray:
    """Return 0 for a normal sample and 1 for an anomaly: none of these trains or validates."""
    labels = _check_classes(y, name, task, source)
    if name != "y_test" and labels.any():
        raise DataError(
            f"bad data in {source}: expected normal samples alone in {name.replace('y', 'x', 1)}, of which a network "
            f"learns what is normal, received {int(labels.sum())} anomalies; move them to x_test"
        )
    if labels.all():
        raise DataError(
            f"bad data in {source}: expected normal samples, with 0 in {name}, to judge a reconstruction by, received "
            f"{len(labels)} anomalies"
        )
    return labels


_CHECKS = {
    "multiclass": _check_classes,
    "binary": _check_classes,
    "multilabel": _check_several,
    "regression": _check_values,
    "reconstruction": _check_anomalies,
}
