"""A teacher's outputs, computed once and kept with their samples."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kd_edge.compat.keras import all_layers
from kd_edge.distillation.logits import ends_in_softmax, to_logits
from kd_edge.errors import ConfigError, DataError
from kd_edge.files import write_file

_MAGIC = b"kd_edge targets\n"


class Taught(NamedTuple):
    """Samples with the teacher's outputs that belong to them."""

    inputs: Any
    targets: Any


class SoftTargets:
    """The outputs of a teacher for a set of samples; made by `soft_targets`, taken by `Distiller(teacher=...)`.

    Each row is found by the fingerprint of its sample, never by its position: shuffling cannot misalign them, and a
    sample that the teacher has not seen, such as an augmented one, is refused.

    Args:
        rows: One record per sample: `key`, and per output either `output_i` or, of its largest logits,
            `values_i`, `classes_i` and `rest_i`.
        header: What the rows mean: `teacher` (a hash), `structure` and `shapes` of the outputs.
        num_passes: How often the teacher ran over the samples to make them.

    Attributes:
        refusal: Why the last lookup failed, `None` if none did.
    """

    def __init__(self, rows: np.ndarray, header: Mapping[str, Any], *, num_passes: int = 1) -> None:
        self.header = dict(header)
        self.num_passes = num_passes
        self.refusal: str | None = None
        self._rows = rows
        self._order = np.argsort(rows["key"], kind="stable")
        self._keys = rows["key"][self._order]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> np.ndarray:
        """The records, in the order of the samples that the teacher saw."""
        return self._rows

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each output for one sample."""
        return [tuple(shape) for shape in self.header["shapes"]]

    @property
    def num_bytes(self) -> int:
        """Size of the rows."""
        return self._rows.nbytes

    @property
    def is_dense(self) -> bool:
        """Whether every logit is kept."""
        return all(f"output_{i}" in (self._rows.dtype.names or ()) for i in range(len(self.shapes)))

    def rows_of(self, fingerprints: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of samples by their fingerprints, shape `(samples, 8)`, uint8.

        Raises:
            DataError: The teacher has not seen a sample.
        """
        keys = np.ascontiguousarray(fingerprints).view(np.uint64).ravel()
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        missing = int(np.count_nonzero(self._keys[places] != keys))
        if missing:
            self.refusal = (
                f"{missing} of {len(keys)} samples have no soft targets: expected the {len(self)} samples that the "
                "teacher saw, unchanged; without augmentation, or with the teacher itself, this works"
            )
            raise DataError(self.refusal)
        rows = self._rows[self._order[places]]
        return [self._dense(rows, i) for i in range(len(self.shapes))]

    def lookup(self, x: Any) -> Any:
        """Return the outputs for a batch, in eager code or in a compiled step."""
        # Eager code gives a single output without its list.
        flat = tf.nest.flatten(tf.numpy_function(self.rows_of, [fingerprint(x)], [tf.float32] * len(self.shapes)))
        for output, shape in zip(flat, self.shapes, strict=True):
            output.set_shape((None, *shape))
        return _unflatten(flat, self.header["structure"])

    def attach(self, x: Any) -> Any:
        """Return samples together with their outputs where that saves work in the training step.

        Args:
            x: What `fit` takes. Arrays are looked up at once, a `tf.data.Dataset` in its own threads; of anything else
                the training step looks up the samples itself.
        """
        if isinstance(x, tf.data.Dataset):
            return x.map(
                lambda *batch: (Taught(batch[0], self.lookup(batch[0])), *batch[1:]),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        leaves = keras.tree.flatten(x)
        if not self.is_dense or not all(isinstance(leaf, np.ndarray) for leaf in leaves):
            return x
        fingerprints = [fingerprint(batch).numpy() for batch in _slices(x, 1024)]
        return Taught(x, _unflatten(self.rows_of(np.concatenate(fingerprints)), self.header["structure"]))

    def save(self, path: str | Path) -> Path:
        """Write one file, whole or not at all: an `.npy` of the rows, followed by what they mean.

        Args:
            path: Ends in `.npy`.
        """
        footer = json.dumps(self.header).encode()

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.save(file, np.asarray(self._rows), allow_pickle=False)
                file.write(footer + len(footer).to_bytes(8, "little") + _MAGIC)

        return write_file(path, write)

    @classmethod
    def load(cls, path: str | Path, *, teacher: keras.Model | None = None, x: Any = None) -> "SoftTargets":
        """Read a file that `save` wrote; its rows stay on disk until they are needed.

        Args:
            path: The file.
            teacher: The network that should have made it; `None` does not check.
            x: Samples that it should know, in any order; `None` does not check.

        Raises:
            DataError: The file is missing, truncated, or of another teacher or other samples.
        """
        header = _read_header(Path(path))
        try:
            targets = cls(np.load(path, mmap_mode="r", allow_pickle=False), header, num_passes=0)
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(f"{path} is damaged: {error}; make it again with soft_targets(teacher, x)") from error
        if teacher is not None and header["teacher"] != hash_of(teacher):
            raise DataError(f"{path} is of another teacher, or of other weights; make it again with soft_targets")
        if x is not None:
            for batch in _batches(x, 1024):
                targets.rows_of(fingerprint(batch).numpy())
        return targets

    def _dense(self, rows: np.ndarray, i: int) -> np.ndarray:
        if f"output_{i}" in (rows.dtype.names or ()):
            return rows[f"output_{i}"].astype(np.float32)
        dense = np.empty((len(rows), *self.shapes[i]), np.float32)
        dense[:] = rows[f"rest_{i}"][..., None]
        np.put_along_axis(dense, rows[f"classes_{i}"].astype(np.int64), rows[f"values_{i}"].astype(np.float32), -1)
        return dense


def soft_targets(
    teacher: keras.Model,
    x: Any,
    *,
    path: str | Path | None = None,
    batch_size: int = 256,
    top_k: int | None = None,
    temperature: float = 4.0,
) -> SoftTargets:
    """Run a teacher once over samples and keep its logits, as float16.

    Args:
        teacher: A trained network. Where it ends in a softmax, the logits are recovered up to a constant.
        x: Samples: arrays, or a `tf.data.Dataset` of batches `x`, `(x, y)` or `(x, y, sample_weight)`.
        path: An `.npy` file to read them from if it exists, and to write otherwise. Defaults to `None`: in memory.
        batch_size: Samples per step of the teacher.
        top_k: Keep only the largest logits; the others are replaced by one value that has their total probability at
            `temperature`. Defaults to `None`: all.
        temperature: Only with `top_k`: of the loss in which the targets will be used.

    Returns:
        The targets. From a file, they are read when needed.

    Raises:
        DataError: The file is stale, or there are no samples, or no end of them.

    Example:

    ```python
    targets = kd_edge.soft_targets(teacher, x_train, path="targets.npy")
    distiller = kd_edge.Distiller(targets, student, keras.distillation.LogitsDistillation(4.0))
    ```
    """
    if path is not None and Path(path).exists():
        return SoftTargets.load(path, teacher=teacher, x=x)
    if top_k is not None and top_k < 1:
        raise ConfigError(f"bad top_k: expected at least 1, received {top_k}")
    keys, batches, structure = [], [], None
    softmax = ends_in_softmax(teacher)
    # Keras' predict would run every replica of a distribution strategy on the whole batch.
    run = tf.function(lambda batch: teacher(batch, training=False), reduce_retracing=True)
    for batch in _batches(x, batch_size):
        outputs = to_logits(run(batch), softmax)
        structure = _structure(outputs)
        keys.append(fingerprint(batch).numpy())
        batches.append([np.asarray(output, np.float32) for output in keras.tree.flatten(outputs)])
    if not keys:
        raise DataError("no samples to run the teacher on: expected at least one, received none")
    outputs = [np.concatenate(column) for column in zip(*batches, strict=True)]
    columns = {"key": np.concatenate(keys).view(np.uint64).ravel()}
    for i, output in enumerate(outputs):
        columns |= _columns(output, i, top_k, temperature)
    header = {"version": 1, "teacher": hash_of(teacher), "structure": structure}
    header["shapes"] = [output.shape[1:] for output in outputs]
    targets = SoftTargets(_records(columns), header)
    if path is None:
        return targets
    targets.save(path)
    return SoftTargets(np.load(path, mmap_mode="r", allow_pickle=False), header)


def fingerprint(x: Any) -> tf.Tensor:
    """Return 64-bit fingerprints of samples, shape `(samples, 8)`, uint8: FarmHash of their values as float32.

    Args:
        x: A batch: a tensor or a structure of tensors.
    """
    flat = [tf.cast(leaf, tf.float32) for leaf in keras.tree.flatten(x)]
    prints = [tf.fingerprint(tf.reshape(leaf, (tf.shape(leaf)[0], -1))) for leaf in flat]
    return prints[0] if len(prints) == 1 else tf.fingerprint(tf.concat(prints, axis=1))


def _columns(output: np.ndarray, i: int, top_k: int | None, temperature: float) -> dict[str, np.ndarray]:
    num_classes = output.shape[-1]
    if top_k is None or top_k >= num_classes:
        return {f"output_{i}": output.astype(np.float16)}
    order = np.argsort(-output, axis=-1)
    classes, others = order[..., :top_k], order[..., top_k:]
    rest = np.take_along_axis(output, others, -1).astype(np.float64) / temperature
    peak = rest.max(axis=-1)
    mean = np.log(np.exp(rest - peak[..., None]).mean(axis=-1)) + peak
    return {
        f"values_{i}": np.take_along_axis(output, classes, -1).astype(np.float16),
        f"classes_{i}": classes.astype(np.uint16 if num_classes <= 65536 else np.uint32),
        f"rest_{i}": (mean * temperature).astype(np.float16),
    }


def _records(columns: dict[str, np.ndarray]) -> np.ndarray:
    rows = np.empty(len(columns["key"]), [(name, c.dtype, c.shape[1:]) for name, c in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def _batches(x: Any, size: int) -> Iterator[Any]:
    if not isinstance(x, tf.data.Dataset):
        yield from _slices(x, size)
        return
    if x.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError("the teacher cannot run once over samples without an end; drop repeat() from the dataset")
    for batch in x:
        yield batch[0] if isinstance(batch, tuple) else batch


def _slices(x: Any, size: int) -> Iterator[Any]:
    num_samples = len(keras.tree.flatten(x)[0])
    for start in range(0, num_samples, size):
        yield keras.tree.map_structure(lambda leaf, at=start: leaf[at : at + size], x)


def _structure(outputs: Any) -> Any:
    if isinstance(outputs, Mapping):
        return sorted(outputs)
    return len(outputs) if isinstance(outputs, list | tuple) else None


def _unflatten(flat: list[Any], structure: Any) -> Any:
    if structure is None:
        return flat[0]
    return list(flat) if isinstance(structure, int) else dict(zip(structure, flat, strict=True))


def hash_of(teacher: keras.Model) -> str:
    """Return a fingerprint of a network: its layers and weights."""
    digest = hashlib.sha256()
    for layer in all_layers(teacher):
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        digest.update(f"{type(layer).__name__} {activation}\n".encode())
    for weight in teacher.get_weights():
        digest.update(f"{weight.shape} {weight.dtype}\n".encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"no soft targets at {path}: expected an .npy file; make it with soft_targets(teacher, x)")
    content_end = path.stat().st_size - len(_MAGIC) - 8
    with path.open("rb") as file:
        file.seek(max(content_end, 0))
        tail = file.read()
        if not tail.endswith(_MAGIC) or content_end < 0:
            raise DataError(f"{path} is truncated or no file of soft targets; make it again with soft_targets")
        file.seek(max(content_end - int.from_bytes(tail[:8], "little"), 0))
        return dict(json.loads(file.read(int.from_bytes(tail[:8], "little"))))
