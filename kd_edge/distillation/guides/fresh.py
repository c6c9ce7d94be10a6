"""Networks, optimizers and metrics with the settings of others and no state."""

from typing import Any

import keras

from kd_edge.clone.cloning import clone_of
from kd_edge.compat.keras import excluded_from_weight_decay
from kd_edge.distillation.models.foreign_models import only_answers
from kd_edge.errors import ModelError


def fresh_copy(model: keras.Model) -> keras.Model:
    """Return a network of the same architecture with fresh weights, all of them trainable.

    It keeps what no training gives: constants, and what layers were adapted to, as a `Normalization` is to data.

    Raises:
        ModelError: The network only answers: it has no layers that Keras could train.
    """
    if only_answers(model):
        raise ModelError(
            "no trainee like the teacher: expected a network of Keras' layers, received one that only answers; "
            "take the trainee 'none'"
        )
    is_graph = getattr(model, "inputs", None) is not None
    copy = clone_of(model, trained=False) if is_graph else keras.models.clone_model(model)
    _thaw(copy)
    return copy


def fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimizer with the same settings and no state."""
    copy = type(optimizer).from_config(optimizer.get_config())
    excluded = excluded_from_weight_decay(optimizer)
    if excluded:
        copy.exclude_from_weight_decay(var_names=[excluded])
    return copy


def fresh_metrics(metrics: Any) -> Any:
    """Return metrics with the same settings and no state."""
    return keras.tree.map_structure(
        lambda metric: metric.from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric,
        metrics,
    )


def _thaw(layer: keras.layers.Layer) -> None:
    """Make a layer trainable with all in it; the setter of a cloned functional model does not reach its layers."""
    layer.trainable = True
    for inner in getattr(layer, "layers", ()):
        _thaw(inner)
