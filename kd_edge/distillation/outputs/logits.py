"""Recognises outputs that are probabilities, of classes or of labels, and brings them back to logits."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kd_edge.distillation.outputs.last_operation import last_operation

_TINY = 1e-37  # the smallest probability whose logarithm is taken; float32 ends at 1.2e-38
_LEAST_SHARE = 1e-7  # by which a sigmoid's probability is off 0 and 1 at least; float32 is no nearer to 1
# Half precision rounds each of many probabilities.
_MAX_ROUNDING = 1e-2

Softmax = Sequence[bool | None]
# The same of a sigmoid.
Sigmoid = Softmax


def ends_in_softmax(model: keras.Model, samples: Any = None) -> list[bool | None]:
    """Tell for each output of a network whether it holds probabilities of a softmax, `None` where that is not known.

    The graph tells it where its last layers are known ones, the outputs for some samples where they are not: behind a
    layer of the user's own, in a subclassed network.

    Args:
        model: Any network.
        samples: A batch of what it reads. Defaults to `None`: only the graph is asked.
    """
    return _ends_in("softmax", are_probabilities, model, samples)


def ends_in_sigmoid(model: keras.Model, samples: Any = None) -> list[bool | None]:
    """Tell for each output of a network whether it holds probabilities of sigmoids; as `ends_in_softmax` does.

    Where the graph does not tell it, numbers from 0 to 1 are taken for such: ask it only where they may be nothing
    else than these or logits.

    Args:
        model: Any network.
        samples: A batch of what it reads. Defaults to `None`: only the graph is asked.
    """
    return _ends_in("sigmoid", are_shares, model, samples)


def _ends_in(activation: str, told_by: Callable[[Any], bool], model: keras.Model, samples: Any) -> list[bool | None]:
    by_graph = _by_graph(model)
    found = None if by_graph is None else [None if name is None else name == activation for name in by_graph]
    if samples is None or not (found is None or None in found):
        return [None] if found is None else found
    outputs = keras.tree.flatten(model(samples, training=False))
    return [
        told_by(output) if known is None else known
        for output, known in zip(outputs, found or [None] * len(outputs), strict=True)
    ]


def are_probabilities(outputs: Any) -> bool:
    """Return whether every row of outputs, along the last axis, is a distribution over two classes or more."""
    values = np.asarray(keras.ops.convert_to_numpy(outputs), np.float64)
    if values.ndim < 2 or values.shape[-1] < 2 or not values.size:
        return False
    return bool((values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) <= _MAX_ROUNDING).all())


def are_shares(outputs: Any) -> bool:
    """Return whether all outputs are from 0 to 1."""
    values = np.asarray(keras.ops.convert_to_numpy(outputs), np.float64)
    return bool(values.size and (values >= 0).all() and (values <= 1).all())


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
    return changed_where(softmax, lambda output: keras.ops.log(keras.ops.maximum(_precise(output), _TINY)), outputs)


def sigmoid_to_logits(outputs: Any, sigmoid: Sigmoid) -> Any:
    """Return outputs with the logits of those that a sigmoid made; the arguments are those of `to_logits`."""
    return changed_where(sigmoid, _logit, outputs)


def _logit(shares: Any) -> Any:
    inside = keras.ops.clip(_precise(shares), _LEAST_SHARE, 1 - _LEAST_SHARE)
    return keras.ops.log(inside) - keras.ops.log1p(-inside)


def _precise(outputs: Any) -> Any:
    """Return outputs in single precision at least: in half precision the least probabilities above are 0."""
    return keras.ops.cast(outputs, keras.backend.result_type(outputs.dtype, "float32"))


def changed_where(chosen: Softmax, change: Callable[[Any], Any], outputs: Any) -> Any:
    """Return outputs, some of them changed.

    Args:
        chosen: For each of them in order whether it is.
        change: How.
        outputs: A tensor or a structure of them.
    """
    if not any(chosen):
        return outputs
    flat = [
        change(output) if is_chosen else output
        for output, is_chosen in zip(keras.tree.flatten(outputs), chosen, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, flat)


def _by_graph(model: keras.Model) -> list[str | None] | None:
    """Return for each output the activation that made it, empty for none that is known; `None` where it is not."""
    if getattr(model, "outputs", None):
        return [_of_operation(last_operation(output)) for output in model.outputs]
    if isinstance(model, keras.Sequential) and model.layers:
        return [_of_operation(model.layers[-1])]
    return None


def _of_operation(operation: Any) -> str | None:
    kind, module = type(operation).__name__, type(operation).__module__
    if isinstance(operation, keras.layers.TimeDistributed):
        return _of_operation(operation.layer)
    if not module.startswith("keras.") or isinstance(operation, keras.Model):
        return None
    if kind in ("Softmax", "BatchNormalization", "LogSoftmax", "InputLayer"):
        return "softmax" if kind == "Softmax" else ""
    activation = getattr(operation, "activation", None)
    name = str(getattr(activation, "__name__", ""))
    if name.startswith("softmax") or kind == "Sigmoid":
        return "softmax" if name.startswith("softmax") else "sigmoid"
    if not str(getattr(activation, "__module__", "")).startswith("keras."):
        return "sigmoid" if name == "sigmoid" else None
    return "sigmoid" if name == "sigmoid" else ""
