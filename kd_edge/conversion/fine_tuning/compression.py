"""Weights that pack well, for phones: what a user downloads is the zipped file."""

import math
import re
from typing import Any

import keras

from kd_edge.clone.cloning import clone_of
from kd_edge.config.choices import COMPRESSIONS
from kd_edge.conversion.fine_tuning.tf_keras_copy import (
    FineTuning,
    answers_task,
    asked_outputs,
    check_copy,
    load_optimization,
    to_tf_keras,
    train_copy,
)
from kd_edge.data.dataset import Dataset
from kd_edge.errors import ConfigError, ModelError, nearest
from kd_edge.silence import quiet

_NUM_COMPARED = 32


def compress(
    student: keras.Model,
    data: Dataset,
    recipe: FineTuning | None = None,
    *,
    how: str,
    teacher: keras.Model | None = None,
    sparsity: float = 0.5,
    num_clusters: int = 16,
) -> keras.Model:
    """Return a copy of a student, fine-tuned by tensorflow-model-optimization until its weights pack well.

    Args:
        student: A trained network; it is not changed.
        data: Its training samples are learnt from.
        recipe: How it is fine-tuned; by default `FineTuning()`.
        how: `"prune"` (a share of the weights of every layer becomes 0) or `"cluster"` (every layer has few different
            weights); depthwise convolutions keep theirs.
        teacher: The guide; by default the student.
        sparsity: Share of the weights that become 0, 0 to 1.
        num_clusters: Number of different weights per layer.

    Raises:
        ConfigError: `how` is unknown.
        ModelError: A layer is not supported or has fewer weights than clusters, or the student does not answer as the
            data's task asks.
    """
    if how not in COMPRESSIONS[1:]:
        raise ConfigError(f"unknown compression {how!r}: {nearest(how, COMPRESSIONS[1:])}")
    if not answers_task(student, data):
        is_multiclass = data.task.kind == "multiclass"
        wanted = f"{data.num_classes} outputs, one per class" if is_multiclass else asked_outputs(data)
        raise ModelError(f"cannot {how} {student.name!r}: expected {wanted}")
    if how == "cluster":
        _check_sizes(student, num_clusters)
    recipe = recipe or FineTuning()
    optimization = load_optimization()
    copy = to_tf_keras(student)
    check_copy(copy, student, data.x_train[:_NUM_COMPARED])
    steps = max(1, len(data.x_train) // recipe.batch_size) * recipe.epochs
    try:
        with quiet():
            wrapped, callbacks, strip = (
                _pruned(optimization, copy, sparsity, steps)
                if how == "prune"
                else _clustered(optimization, copy, num_clusters)
            )
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"cannot {how} {student.name!r}: {str(error).strip().splitlines()[0]}") from error
    train_copy(wrapped, student, data, recipe, teacher=teacher, callbacks=callbacks)
    return _with_weights(student, strip(wrapped))


def _check_sizes(student: keras.Model, num_clusters: int) -> None:
    """Refuse layers with fewer weights than clusters, which tensorflow-model-optimization cannot group."""
    for layer in student.layers:
        kernel = None if type(layer).__name__.startswith("Depthwise") else getattr(layer, "kernel", None)
        if kernel is not None and math.prod(kernel.shape) < num_clusters:
            raise ModelError(
                f"cannot cluster {student.name!r}: expected {num_clusters} weights or more in each layer, received "
                f"{math.prod(kernel.shape)} in {layer.name!r}; prune it instead"
            )


def _pruned(optimization: Any, copy: Any, sparsity: float, steps: int) -> tuple[Any, list[Any], Any]:
    tools = optimization.sparsity.keras
    # The last fifth of the steps mends what the pruning has cost.
    schedule = tools.PolynomialDecay(0.0, sparsity, 0, max(1, steps * 4 // 5), frequency=max(1, steps // 50))
    wrapped = tools.prune_low_magnitude(copy, pruning_schedule=schedule)
    return wrapped, [tools.UpdatePruningStep()], tools.strip_pruning


def _clustered(optimization: Any, copy: Any, num_clusters: int) -> tuple[Any, list[Any], Any]:
    tools = optimization.clustering.keras
    start = tools.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = tools.cluster_weights(copy, number_of_clusters=num_clusters, cluster_centroids_init=start)
    return wrapped, [], tools.strip_clustering


def _with_weights(student: keras.Model, copy: Any) -> keras.Model:
    result = clone_of(student)
    for layer in copy.layers:
        if layer.weights:
            result.get_layer(layer.name).set_weights(_in_order(layer, result.get_layer(layer.name)))
    return result


def _in_order(layer: Any, target: keras.layers.Layer) -> list[Any]:
    """Return a layer's weights in the order of the target: stripping a wrapper may have changed it."""
    names = [re.split("[/:]", weight.name)[-2].removeprefix("depthwise_") for weight in layer.weights]
    values = dict(zip(names, layer.get_weights(), strict=True))
    return [values[weight.name.removeprefix("depthwise_")] for weight in target.weights]
