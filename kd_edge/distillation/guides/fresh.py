"""Networks, optimizers and metrics with the settings of others and no state."""

from typing import Any

import keras

from kd_edge.clone.cloning import clone_of
from kd_edge.compat.keras import excluded_from_weight_decay
from kd_edge.distillation.models.foreign_models import only_answers
from kd_edge.errors import ModelError, reason_in


def fresh_copy(model: keras.Model) -> keras.Model:
    """Return a network of the same architecture with fresh weights, all of them trainable.

    It keeps what no training gives: constants, and what layers were adapted to, as a `Normalization` is to data.

    Raises:
        ModelError: The network only answers: it has no layers that Keras could train; or its configuration does not
            say how to make another.
    """
    if only_answers(model):
        raise ModelError(
            "no trainee like the teacher: expected a network of Keras' layers, received one that only answers; "
            "take the trainee 'none'"
        )
    is_graph = getattr(model, "inputs", None) is not None
    copy = clone_of(model, trained=False) if is_graph else _made_anew(model, "pass the trainee itself")
    _thaw(copy)
    return copy


def fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimizer with the same settings and no state.

    Raises:
        ModelError: Its configuration does not say how to make another.
    """
    copy = _made_anew(optimizer, "pass compile(..., trainee_optimizer=)")
    excluded = excluded_from_weight_decay(optimizer)
    if excluded:
        copy.exclude_from_weight_decay(var_names=[excluded])
    return copy


def fresh_metrics(metrics: Any) -> Any:
    """Return metrics with the same settings and no state.

    Raises:
        ModelError: The configuration of one does not say how to make another.
    """
    return keras.tree.map_structure(
        lambda metric: _made_anew(metric, "pass a function") if isinstance(metric, keras.metrics.Metric) else metric,
        metrics,
    )


def _made_anew(original: Any, way_out: str) -> Any:
    """Return what the configuration of a network, an optimizer or a metric describes."""
    is_network = isinstance(original, keras.Model)
    try:
        return keras.models.clone_model(original) if is_network else original.from_config(original.get_config())
    except Exception as error:
        kind = type(original).__name__
        raise ModelError(
            f"no {kind} for the trainee like {original.name!r}: expected a get_config from which from_config makes "
            f"another; give the class one, or {way_out} ({reason_in(error)})"
        ) from error


def _thaw(layer: keras.layers.Layer) -> None:
    """Make a layer trainable with all in it; the setter of a cloned functional model does not reach its layers."""
    layer.trainable = True
    for inner in getattr(layer, "layers", ()):
        _thaw(inner)
