"""What a sample and a network are recognised by, and a set of samples batch by batch."""

import hashlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.samples import common_length
from kd_edge.distillation.targets.architecture import architecture_of
from kd_edge.errors import DataError


def fingerprint(x: Any) -> tf.Tensor:
    """Return 64-bit fingerprints of samples, shape `(samples, 8)`, uint8: FarmHash of their values as float32.

    Of whole numbers that float32 does not hold it is that of int64.

    Args:
        x: A batch: a tensor or a structure of tensors.
    """
    prints = [_fingerprint(tf.convert_to_tensor(leaf)) for leaf in keras.tree.flatten(x)]
    return prints[0] if len(prints) == 1 else tf.fingerprint(tf.concat(prints, axis=1))


def _fingerprint(leaf: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(leaf, (tf.shape(leaf)[0], -1))
    floats = tf.cast(rows, tf.float32)
    of_floats = tf.fingerprint(floats)
    if not rows.dtype.is_integer or rows.dtype.size < 4:
        return of_floats
    held = tf.reduce_all(tf.cast(floats, rows.dtype) == rows, axis=1, keepdims=True)
    return tf.where(held, of_floats, tf.fingerprint(tf.cast(rows, tf.int64)))


def hash_of(teacher: keras.Model) -> str:
    """Return a fingerprint of a network: its layers with their settings, their wiring, and its weights."""
    digest = hashlib.sha256(repr(architecture_of(teacher)).encode())
    for weight in teacher.get_weights():
        digest.update(f"{weight.shape} {weight.dtype}\n".encode() + np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def batches_of(x: Any, size: int) -> Iterator[Any]:
    """Yield the samples of arrays, or of a `tf.data.Dataset` as it is batched.

    Raises:
        DataError: The dataset has no end.
    """
    if not isinstance(x, tf.data.Dataset):
        yield from slices_of(x, size)
        return
    if x.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError("the teacher cannot run once over samples without an end; drop repeat() from the dataset")
    for batch in x:
        yield batch[0] if isinstance(batch, tuple) else batch


def slices_of(x: Any, size: int) -> Iterator[Any]:
    """Yield arrays, or a structure of them, in batches.

    Raises:
        DataError: They are no arrays, or differ in length.
    """
    leaves = keras.tree.flatten(x)
    for leaf in leaves:
        if not len(getattr(leaf, "shape", ())):
            raise DataError(
                f"samples are no arrays: expected arrays of shape (samples, ...), received a {type(x).__name__} of "
                f"{type(leaf).__name__}; pass numpy.asarray(samples)"
            )
    num_samples = common_length({"x": leaves})
    for start in range(0, num_samples, size):
        yield keras.tree.map_structure(lambda leaf, at=start: leaf[at : at + size], x)
