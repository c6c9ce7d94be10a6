"""Mends what keeps Keras 3.15 from training on several workers with `tf.distribute.MultiWorkerMirroredStrategy`."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf


def local_batch(strategy: tf.distribute.Strategy, epoch: Iterable[Any]) -> Any:
    """Return the batch of one replica of this worker; Keras would average it over the workers, and fails.

    Args:
        strategy: The one that Keras trains with.
        epoch: Keras' iterator over an epoch: tuples whose last item is an iterator over batches.
    """
    *_, batches = next(iter(epoch))
    return keras.tree.map_structure(lambda value: strategy.experimental_local_results(value)[0], next(batches))


def with_worker_axis(strategy: tf.distribute.Strategy, logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a step, with an axis where Keras averages those of several workers over their first axis.

    Args:
        strategy: The one that Keras trains with.
        logs: Scalars by name.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and strategy.extended._in_multi_worker_mode():
        return {name: tf.expand_dims(value, 0) for name, value in logs.items()}
    return dict(logs)
