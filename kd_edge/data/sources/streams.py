"""Samples from a `tf.data.Dataset` or a `keras.utils.PyDataset`: read once, batch by batch, to memory or to a file."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kd_edge.data.splits.drawing import SPLITS
from kd_edge.data.storage import MAPPED_BYTES
from kd_edge.errors import DataError


def is_stream(value: object) -> bool:
    """Return whether a value is a `tf.data.Dataset` or a `PyDataset`; neither TensorFlow nor Keras is loaded for it."""
    keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
    is_keras = keras is not None and isinstance(value, keras.utils.PyDataset)
    return is_keras or (tensorflow is not None and isinstance(value, tensorflow.data.Dataset))


def streams_in(result: object) -> dict[str, Any] | None:
    """Return the streams by split that a function returned; `None` where it returned something else.

    Args:
        result: A mapping of `train`, `test` and maybe `val` to streams, or these as a tuple: `(train, test)` or
            `(train, val, test)`.
    """
    if isinstance(result, Mapping) and {"train", "test"} <= result.keys() and is_stream(result["train"]):
        return dict(result)
    if isinstance(result, tuple | list) and len(result) in (2, 3) and all(map(is_stream, result)):
        names = SPLITS if len(result) == 3 else ("train", "test")
        return dict(zip(names, result, strict=True))
    return None


def arrays_of(streams: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the samples and labels of streams by the names of arrays, and the names of the classes where one has them.

    Args:
        streams: By split; beside them there may be `class_names`.
        source: What error messages name.

    Raises:
        DataError: A stream has no end or no sample, or yields something else than samples and labels.
    """
    arrays: dict[str, Any] = {}
    for name, stream in streams.items():
        if name == "class_names":
            arrays["class_names"] = np.array(stream)
            continue
        if name not in SPLITS or not is_stream(stream):
            raise DataError(
                f"bad data from {source!r}: expected datasets as train, val and test, and class_names, received "
                f"{type(stream).__name__} as {name}"
            )
        arrays[f"x_{name}"], arrays[f"y_{name}"] = _read(stream, name, source)
    known = getattr(streams["train"], "class_names", None)
    return arrays if known is None else {"class_names": np.array(known)} | arrays


def _read(stream: Any, name: str, source: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = _Rows(f"the samples of {name} from {source!r}"), _Rows(f"the labels of {name} from {source!r}")
    for batch in _batches(stream, name, source):
        if not isinstance(batch, tuple | list) or len(batch) != 2 or isinstance(batch[0], Mapping | tuple | list):
            received = [type(part).__name__ for part in batch] if isinstance(batch, tuple | list) else type(batch)
            raise DataError(
                f"bad data from {source!r}: expected batches (x, y) of one input in {name}, received {received}; "
                "weights belong to the classes, as class_weight"
            )
        if isinstance(batch[1], Mapping | tuple | list):
            raise DataError(
                f"bad data from {source!r}: expected batches (x, y) with labels of one output in {name}, received a "
                f"{type(batch[1]).__name__} of labels; return arrays, y_train a mapping of the outputs' names to labels"
            )
        samples, labels = (np.asarray(part) for part in batch)
        single = labels.ndim == 0
        x.add(samples[np.newaxis] if single else samples)
        y.add(labels[np.newaxis] if single else labels)
    return x.array(), y.array()


def _batches(stream: Any, name: str, source: str) -> Iterator[Any]:
    if not hasattr(stream, "cardinality"):
        if stream.num_batches is None:
            raise DataError(f"bad data from {source!r}: expected an end of {name}, received num_batches None")
        yield from (stream[i] for i in range(stream.num_batches))
        return
    if int(stream.cardinality()) == -1:
        raise DataError(f"bad data from {source!r}: expected an end of {name}, received none; drop repeat()")
    yield from stream.as_numpy_iterator()


class _Rows:
    """Rows that come batch by batch; beyond a size they go to a file."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._parts: list[np.ndarray] = []
        self._file: Any = None
        self._num_rows = self._size = 0

    def add(self, rows: np.ndarray) -> None:
        first = self._parts[0] if self._parts else rows
        if rows.shape[1:] != first.shape[1:] or (rows.dtype != first.dtype and first.dtype.kind in "fiu"):
            raise DataError(
                f"bad data in {self._what}: expected batches alike, received {rows.dtype} of shape {rows.shape[1:]} "
                f"after {first.dtype} of shape {first.shape[1:]}"
            )
        self._num_rows += len(rows)
        self._size += rows.nbytes
        if self._file is not None:
            self._file.write(np.ascontiguousarray(rows).data)
            return
        self._parts.append(rows)
        if self._size > MAPPED_BYTES and first.dtype.kind in "fiu":
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - array() closes it
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part).data)
            self._parts = [first[:1].copy()]

    def array(self) -> np.ndarray:
        if not self._parts:
            raise DataError(f"bad data in {self._what}: expected at least one batch, received none")
        if self._file is None:
            return np.concatenate(self._parts)
        first = self._parts[0]
        with self._file:
            self._file.flush()
            return np.memmap(self._file, first.dtype, "r+", shape=(self._num_rows, *first.shape[1:]))
