"""Recognises outputs that are probabilities and brings them back to logits."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import maker_of, node_of

_TINY = 1e-37  # the smallest probability whose logarithm is taken; float32 ends at 1.2e-38
# Half precision rounds each of many probabilities.
_MAX_ROUNDING = 1e-2
# What leaves probabilities probabilities and logits logits.
_CARRIERS = frozenset(
    (
        *("Cast", "Identity", "Reshape", "Flatten", "Squeeze", "ExpandDims", "Dropout", "Permute", "Transpose"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    )
)

Softmax = Sequence[bool | None]


def ends_in_softmax(model: keras.Model, samples: Any = None) -> list[bool | None]:
    """Tell for each output of a network whether it holds probabilities of a softmax, `None` where that is not known.

    The graph tells it where its last layers are known ones, the outputs for some samples where they are not: behind a
    layer of the user's own, in a subclassed network.

    Args:
        model: Any network.
        samples: A batch of what it reads. Defaults to `None`: only the graph is asked.
    """
    found = _by_graph(model)
    if samples is None or not (found is None or None in found):
        return [None] if found is None else found
    outputs = keras.tree.flatten(model(samples, training=False))
    return [
        are_probabilities(output) if known is None else known
        for output, known in zip(outputs, found or [None] * len(outputs), strict=True)
    ]


def are_probabilities(outputs: Any) -> bool:
    """Return whether every row of outputs, along the last axis, is a distribution over two classes or more."""
    values = np.asarray(keras.ops.convert_to_numpy(outputs), np.float64)
    if values.ndim < 2 or values.shape[-1] < 2 or not values.size:
        return False
    return bool((values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) <= _MAX_ROUNDING).all())


def alike(one: Softmax, other: Softmax) -> tuple[list[bool], list[bool]]:
    """Return what is taken for probabilities on two sides: on neither where it is not known of both, as in Keras."""
    known = [None not in pair for pair in zip(one, other, strict=True)] if len(one) == len(other) else []
    return tuple([bool(has) and sure for has, sure in zip(side, known, strict=False)] for side in (one, other))  # type: ignore[return-value]


def to_logits(outputs: Any, softmax: Softmax) -> Any:
    """Return outputs with the logarithm of those that a softmax made: logits up to a constant per sample.

    Args:
        outputs: A tensor or a structure of them.
        softmax: For each of them in order whether it holds probabilities; what is not known to be is left as it is.
    """
    if not any(softmax):
        return outputs
    flat = [
        keras.ops.log(keras.ops.maximum(output, _TINY)) if probabilities else output
        for output, probabilities in zip(keras.tree.flatten(outputs), softmax, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, flat)


def _by_graph(model: keras.Model) -> list[bool | None] | None:
    if getattr(model, "outputs", None):
        return [_of_tensor(output) for output in model.outputs]
    if isinstance(model, keras.Sequential) and model.layers:
        return [_of_operation(model.layers[-1])]
    return None


def _of_tensor(tensor: Any) -> bool | None:
    operation, number = maker_of(tensor)
    node = node_of(operation, number)
    if isinstance(operation, keras.Model):
        found, position = _by_graph(operation), [id(output) for output in node.output_tensors].index(id(tensor))
        return None if found is None else found[position]
    is_linear = getattr(operation, "activation", None) is keras.activations.linear
    carries = type(operation).__name__ in _CARRIERS or (type(operation).__name__ == "Activation" and is_linear)
    return _of_tensor(node.input_tensors[0]) if carries and node.input_tensors else _of_operation(operation)


def _of_operation(operation: Any) -> bool | None:
    kind, module = type(operation).__name__, type(operation).__module__
    if isinstance(operation, keras.layers.TimeDistributed):
        return _of_operation(operation.layer)
    if not module.startswith("keras."):
        return None
    if kind in ("Softmax", "BatchNormalization", "LogSoftmax", "InputLayer"):
        return kind == "Softmax"
    activation = getattr(operation, "activation", None)
    name = str(getattr(activation, "__name__", ""))
    if name.startswith("softmax"):
        return True
    return False if str(getattr(activation, "__module__", "")).startswith("keras.") else None
