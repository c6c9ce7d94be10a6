"""Recognises outputs that are probabilities and brings them back to logits."""

from typing import Any

import keras

from kd_edge.compat.keras import maker_of

_TINY = 1e-37  # the smallest probability whose logarithm is taken; float32 ends at 1.2e-38


def ends_in_softmax(model: keras.Model) -> list[bool]:
    """Tell for each output of a network whether a softmax makes it.

    Args:
        model: Any network. Of one that is neither functional nor sequential, nothing is known: `[False]`.
    """
    if isinstance(model, keras.Sequential):
        return [_is_softmax(model.layers[-1])] if model.layers else [False]
    outputs = getattr(model, "outputs", None)
    if outputs is None:
        return [False]
    return [_is_softmax(maker_of(output)[0]) for output in outputs]


def to_logits(outputs: Any, softmax: list[bool]) -> Any:
    """Return outputs with the logarithm of those that a softmax made: logits up to a constant per sample.

    Args:
        outputs: A tensor or a structure of them.
        softmax: For each of them in order whether it holds probabilities.
    """
    if not any(softmax):
        return outputs
    flat = [
        keras.ops.log(keras.ops.maximum(output, _TINY)) if probabilities else output
        for output, probabilities in zip(keras.tree.flatten(outputs), softmax, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, flat)


def _is_softmax(operation: Any) -> bool:
    if isinstance(operation, keras.Model):
        return ends_in_softmax(operation) == [True]
    is_activation = getattr(operation, "activation", None) is keras.activations.softmax
    return is_activation or type(operation).__name__ == "Softmax"
