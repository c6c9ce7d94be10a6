"""Lets TensorFlow trace a training step once: it traces twice where metrics make their variables in the step."""

from typing import Any

import keras
import tensorflow as tf


def labels_like(batches: Any) -> Any:
    """Return symbols for the labels of a batch; `None` where there are none, or they are no dense tensors.

    Args:
        batches: Keras' iterator over epochs.
    """
    spec = batches._distributed_dataset.element_spec
    _, labels, _ = keras.utils.unpack_x_y_sample_weight(spec)
    flat = keras.tree.flatten(labels)
    if labels is None or not all(isinstance(leaf, tf.TensorSpec) and leaf.shape.rank for leaf in flat):
        return None
    return keras.tree.map_structure(lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype.name), labels)


def build_metrics(compiled: keras.Model, labels: Any, network: keras.Model) -> None:
    """Make the variables of metrics where shapes are known before the first step; the step will make them elsewhere.

    Args:
        compiled: Whose metrics.
        labels: Symbols, or `None`.
        network: Whose outputs are compared with the labels; of a subclassed one the outputs are not known.
    """
    known = getattr(network, "outputs", None)
    outputs = known and (known[0] if isinstance(network, keras.Sequential) else network.output)
    for part in (compiled._compile_metrics, compiled._compile_loss):
        if part is not None and not part.built and labels is not None and outputs is not None:
            part.build(labels, outputs)
