"""A fixed batch of samples on which gradients are compared."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_DRAWN_FROM = 8  # of a data set, this many times as many samples are read as are drawn


class ProbeBatch(NamedTuple):
    """Samples with their labels.

    Attributes:
        x: Samples, of a training with stored targets together with them.
        y: Labels.
        sample_weight: Shape `(samples,)`, or `None`.
    """

    x: Any
    y: Any
    sample_weight: Any = None


def draw_batch(x: Any, y: Any = None, sample_weight: Any = None, *, num_samples: int) -> ProbeBatch | None:
    """Return some of the samples, always the same ones, with as many of each class as of the others where possible.

    Args:
        x: Arrays, or a `tf.data.Dataset` of batches, of which the first ones are read.
        y: Labels; `None` for a data set, which brings them.
        sample_weight: As in `fit`; `None` for a data set.
        num_samples: At most so many samples.

    Returns:
        The batch; `None` where `x` is neither of these, or has no labels.
    """
    if isinstance(x, tf.data.Dataset):
        x, y, sample_weight = _first_samples(x, _DRAWN_FROM * num_samples)
    leaves = keras.tree.flatten((x, y))
    if y is None or not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in leaves if leaf is not None):
        return None
    chosen = _balanced(np.asarray(keras.tree.flatten(y)[0]), num_samples)
    return ProbeBatch(*(_rows(part, chosen) for part in (x, y, sample_weight)))


def _first_samples(batches: tf.data.Dataset, num_samples: int) -> tuple[Any, Any, Any]:
    read: list[Any] = []
    for batch in batches:
        read.append(keras.utils.unpack_x_y_sample_weight(batch))
        num_samples -= len(keras.tree.flatten(read[-1])[0])
        if num_samples <= 0:
            break
    joined: tuple[Any, Any, Any] = (
        tf.nest.map_structure(lambda *leaves: _joined(leaves), *read) if read else (None,) * 3
    )
    return joined


def _joined(leaves: tuple[Any, ...]) -> np.ndarray | None:
    return None if leaves[0] is None else np.concatenate(leaves)


def _rows(part: Any, chosen: np.ndarray) -> Any:
    """Return the chosen rows, in the precision that Keras trains with."""

    def rows(leaf: Any) -> Any:
        if leaf is None:
            return None
        picked = np.asarray(leaf)[chosen]
        return tf.constant(picked.astype(keras.config.floatx()) if picked.dtype.kind == "f" else picked)

    return tf.nest.map_structure(rows, part)


def _balanced(labels: np.ndarray, num_samples: int) -> np.ndarray:
    """Return the indices of the first of every class, then the second ones, and so on, in a seeded order."""
    order = np.random.default_rng(0).permutation(len(labels))
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.reshape(len(labels), -1).argmax(axis=-1)
    classes = labels.reshape(len(labels), -1)[order, 0]
    if classes.dtype.kind not in "iub":
        return order[:num_samples]
    by_class = np.argsort(classes, kind="stable")
    _, first, of = np.unique(classes[by_class], return_index=True, return_inverse=True)
    place_in_class = np.arange(len(order)) - first[of]
    return order[by_class][np.argsort(place_in_class, kind="stable")][:num_samples]
