"""A teacher's outputs, kept with the samples that they belong to."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.samples import Samples
from kd_edge.distillation.targets.file import read_header, read_rows, write_targets
from kd_edge.distillation.targets.fingerprints import batches_of, fingerprint, hash_of, slices_of
from kd_edge.distillation.targets.views import Views, check_views
from kd_edge.errors import DataError

_NUM_SHOWN = 1024


class SoftTargets:
    """The outputs of a teacher for a set of samples; made by `soft_targets`, taken by `Distiller(teacher=...)`.

    Each row is found by the fingerprint of its sample, never by its position: shuffling cannot misalign them, and a
    sample that the teacher has not seen is refused. With views, a row holds the outputs for several changed forms of
    its sample and the seed of each, by which training makes exactly that form again.

    Args:
        rows: One record per sample: `key`, with views `seed`, and per output either `output_i` or, of its largest
            logits, `values_i`, `classes_i` and `rest_i`; with views all but the key have an axis of views first.
        header: What the rows mean: `teacher` (a hash), `structure` and `shapes` of the outputs, `views`, and where not
            all logits are kept `top_k` and `temperature`.
        num_passes: How often the teacher ran over the samples to make them.

    Attributes:
        refusal: Why the last lookup failed, `None` if none did.
        views: What makes the views; `None` where the teacher saw the samples unchanged.
    """

    def __init__(self, rows: np.ndarray, header: Mapping[str, Any], *, num_passes: int = 1) -> None:
        self.header = dict(header)
        self.num_passes = num_passes
        self.refusal: str | None = None
        self.views = Views.from_header(self.header)
        self._rows = rows
        self._order = np.argsort(rows["key"], kind="stable")
        self._keys = rows["key"][self._order]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each output for one sample."""
        return [tuple(shape) for shape in self.header["shapes"]]

    @property
    def names(self) -> list[str]:
        """What the outputs are called; empty where a list holds them, or there is one."""
        structure = self.header["structure"]
        return list(structure) if isinstance(structure, list) else []

    @property
    def sigmoid(self) -> list[bool | None]:
        """For each output whether the teacher gave probabilities of sigmoids, of which logits are kept."""
        return list(self.header.get("sigmoid", [None] * len(self.shapes)))

    def some(self) -> list[np.ndarray]:
        """Return the outputs of the first samples, by which one sees of what kind they are."""
        return self.outputs(np.arange(min(len(self), _NUM_SHOWN)))

    @property
    def rows(self) -> np.ndarray:
        """One record per sample; see the class' arguments."""
        return self._rows

    @property
    def num_bytes(self) -> int:
        """Size of the rows."""
        return self._rows.nbytes

    @property
    def is_dense(self) -> bool:
        """Whether every logit is kept."""
        return all(f"output_{i}" in (self._rows.dtype.names or ()) for i in range(len(self.shapes)))

    def find(self, fingerprints: np.ndarray) -> np.ndarray:
        """Return the numbers of the rows of samples by their fingerprints, shape `(samples, 8)`, uint8.

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
        numbers: np.ndarray = self._order[places]
        return numbers

    def rows_of(self, fingerprints: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of samples by their fingerprints, shape `(samples, 8)`, uint8; with views of every view.

        Raises:
            DataError: The teacher has not seen a sample.
        """
        return self.outputs(self.find(fingerprints))

    def outputs(self, numbers: np.ndarray, view: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the outputs in rows, float32.

        Args:
            numbers: Of the rows; see `find`.
            view: Number of the view to take of each row; of all views by default.
        """
        at = numbers if view is None else (numbers, view)
        return [self._dense(i, at) for i in range(len(self.shapes))]

    def seeds(self, numbers: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Return the seeds of views, int64; the arguments are those of `outputs`."""
        seeds: np.ndarray = self._rows["seed"][numbers, view].astype(np.int64)
        return seeds

    def lookup(self, x: Any) -> Any:
        """Return the outputs for a batch, in eager code or in a compiled step."""
        # Eager code gives a single output without its list.
        flat = tf.nest.flatten(tf.numpy_function(self.rows_of, [fingerprint(x)], [tf.float32] * len(self.shapes)))
        return self._in_form(flat)

    def lookup_view(self, numbers: tf.Tensor, view: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """Return the outputs and the seed of one view of each sample of a batch, in a compiled function.

        Args:
            numbers: Of the rows, shape `(batch,)`, int64.
            view: Of the views, shape `(batch,)`, int64.
        """

        def read(numbers: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, ...]:
            return (self.seeds(numbers, view), *self.outputs(numbers, view))

        types = [tf.int64, *[tf.float32] * len(self.shapes)]
        seeds, *flat = tf.numpy_function(read, [numbers, view], types)
        seeds.set_shape((None,))
        return self._in_form(flat), seeds

    def lookup_at(self, numbers: tf.Tensor) -> Any:
        """Return the outputs in rows, shape `(batch,)`, int64, in a compiled function."""
        flat = tf.nest.flatten(tf.numpy_function(self.outputs, [numbers], [tf.float32] * len(self.shapes)))
        return self._in_form(flat)

    @property
    def first_rows(self) -> np.ndarray:
        """Of each row the number of the first that has the same sample, which is the one that `find` gives."""
        numbers: np.ndarray = self._order[np.searchsorted(self._keys, self._rows["key"])]
        return numbers

    def lookup_rows(self, x: Any) -> tf.Tensor:
        """Return the numbers of the rows of a batch, in a compiled function."""
        numbers = tf.numpy_function(self.find, [fingerprint(x)], tf.int64)
        numbers.set_shape((None,))
        return numbers

    def attach(self, x: Any) -> Any:
        """Return samples together with their outputs where that saves work in the training step.

        Args:
            x: What `fit` takes. Arrays are looked up at once, a `tf.data.Dataset` in its own threads; of anything else
                the training step looks up the samples itself.
        """
        if isinstance(x, tf.data.Dataset):
            if self.views is not None:
                return self._attach_views(x, self.views)
            return x.map(
                lambda *batch: (Samples(batch[0], self.lookup(batch[0])), *batch[1:]),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        leaves = keras.tree.flatten(x)
        if not self.is_dense or not all(isinstance(leaf, np.ndarray) for leaf in leaves):
            return x
        return Samples(x, self._unflatten(self.outputs(self.find_all(x))))

    def _attach_views(self, batches: tf.data.Dataset, views: Views) -> tf.data.Dataset:
        """Return batches in which each sample is one of its views, another one in the next pass."""
        if views.augment == "mixup":
            raise DataError("views of mixup need all samples at once: expected arrays in fit, received a dataset")

        def show(batch: Any, number: tf.Tensor) -> tuple[Any, ...]:
            x, *rest = batch if isinstance(batch, tuple) else (batch,)
            rows = self.lookup_rows(x)
            targets, seeds = self.lookup_view(rows, views.turn(rows, number))
            return Samples(views.augmentation(tf.cast(x, tf.float32), seeds), targets), *rest

        drawn = tf.data.Dataset.random(seed=views.seed, rerandomize_each_iteration=True).take(1)
        numbers = drawn.flat_map(lambda number: tf.data.Dataset.from_tensors(number).repeat())  # the same for a pass
        return tf.data.Dataset.zip(batches, numbers).map(show, num_parallel_calls=tf.data.AUTOTUNE)

    def find_all(self, x: Any) -> np.ndarray:
        """Return the numbers of the rows of arrays.

        Raises:
            DataError: The teacher has not seen a sample.
        """
        return self.find(np.concatenate([fingerprint(batch).numpy() for batch in slices_of(x, 1024)]))

    def save(self, path: str | Path) -> Path:
        """Write one file, whole or not at all.

        Args:
            path: Ends in `.npy`.
        """
        return write_targets(path, self._rows, self.header)

    @classmethod
    def load(
        cls, path: str | Path, *, teacher: keras.Model | None = None, x: Any = None, views: Views | None = None
    ) -> "SoftTargets":
        """Read a file that `save` wrote; its rows stay on disk until they are needed.

        Args:
            path: The file.
            teacher: The network that should have made it; `None` does not check.
            x: Samples that it should know, in any order; `None` does not check.
            views: The views that it should hold where `teacher` is given, `None` for none.

        Raises:
            DataError: The file is missing, truncated, or of another teacher, other samples or other views.
        """
        header = read_header(Path(path))
        try:
            targets = cls(read_rows(path), header, num_passes=0)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise DataError(f"{path} is damaged: {error}; make it again with soft_targets(teacher, x)") from error
        if teacher is not None:
            if header["teacher"] != hash_of(teacher):
                raise DataError(f"{path} is of another teacher, or of other weights; make it again with soft_targets")
            check_views(targets.views, views, path)
        if x is not None:
            for batch in batches_of(x, 1024):
                targets.find(fingerprint(batch).numpy())
        return targets

    def _dense(self, i: int, at: Any) -> np.ndarray:
        if f"output_{i}" in (self._rows.dtype.names or ()):
            output: np.ndarray = self._rows[f"output_{i}"][at].astype(np.float32)
            return output
        values, classes, rest = (self._rows[f"{name}_{i}"][at] for name in ("values", "classes", "rest"))
        dense = np.empty((*rest.shape, self.shapes[i][-1]), np.float32)
        dense[:] = rest[..., None]
        np.put_along_axis(dense, classes.astype(np.int64), values.astype(np.float32), -1)
        return dense

    def _in_form(self, flat: list[Any]) -> Any:
        for output, shape in zip(flat, self.shapes, strict=True):
            output.set_shape((None, *shape))
        return self._unflatten(flat)

    def _unflatten(self, flat: list[Any]) -> Any:
        structure = self.header["structure"]
        if structure is None:
            return flat[0]
        if isinstance(structure, int):
            return list(flat)
        # Keras flattens a mapping by its sorted keys, but for an ordered one.
        mapping = dict if structure == sorted(structure) else OrderedDict
        return mapping(zip(structure, flat, strict=True))
