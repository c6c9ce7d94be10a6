"""What a Keras training loop needs for one trace per step, and for several workers."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from kd_edge.compat.keras import compiled_losses, compiled_metrics
from kd_edge.compat.tensorflow import runs_on_several_workers
from kd_edge.ir.output_names import output_names


def build_metrics(compiled: keras.Model, batch_spec: Any, network: keras.Model) -> None:
    """Make the variables of metrics before the first step where shapes are known: made in the step, it is traced twice.

    Args:
        compiled: Whose metrics.
        batch_spec: The structure of a batch, of `tf.TypeSpec` or tensors.
        network: Whose outputs are compared with the labels; of a subclassed one the outputs are not known.
    """
    known = getattr(network, "outputs", None)
    outputs = known and (known[0] if isinstance(network, keras.Sequential) else network.output)
    labels = _labels_like(batch_spec)
    if isinstance(labels, Mapping) and isinstance(outputs, list):
        labels = [labels[name] for name in output_names(network)]
    for part in (compiled_metrics(compiled), compiled_losses(compiled)):
        if part is not None and not part.built and labels is not None and outputs is not None:
            part.build(labels, outputs)


@contextlib.contextmanager
def steps_at_once(model: keras.Model, num_steps: int) -> Iterator[None]:
    """Let a compiled network run several steps in one call of Keras' loop as long as this lasts: no `steps` are kept.

    Args:
        model: The network.
        num_steps: How many.
    """
    before, model.steps_per_execution = model.steps_per_execution, num_steps
    try:
        yield
    finally:
        model.steps_per_execution = before
        model.train_function = model.test_function = model.predict_function = None


def build_before_trace(model: keras.Model, batch_spec: Any) -> None:
    """Make a compiled network's variables of training; Keras makes them in the first step, which is then traced twice.

    Args:
        model: A functional or sequential network that is trained alone.
        batch_spec: The structure of a batch, of `tf.TypeSpec`.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    build_metrics(model, batch_spec, model)


def _labels_like(batch_spec: Any) -> Any:
    """Return symbols for the labels of a batch; `None` where there are none, or they are no dense tensors."""
    _, labels, _ = keras.utils.unpack_x_y_sample_weight(batch_spec)
    flat = keras.tree.flatten(labels)
    if labels is None or not all(isinstance(leaf, tf.TensorSpec | tf.Tensor) and leaf.shape.rank for leaf in flat):
        return None
    return keras.tree.map_structure(lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype.name), labels)


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
    if runs_on_several_workers(strategy):
        return {name: tf.expand_dims(value, 0) for name, value in logs.items()}
    return dict(logs)
