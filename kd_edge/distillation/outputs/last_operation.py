"""The operation of a network that computes an output, and whether its answers have a bound."""

from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import maker_of, node_of

# What leaves numbers as they are, or takes their mean: probabilities stay probabilities, and logits logits.
_CARRIERS = frozenset(
    (
        *("Cast", "Identity", "Reshape", "Flatten", "Squeeze", "ExpandDims", "Dropout", "Permute", "Transpose"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    )
)
# Layers and operations that are activations by themselves, of those that have a bound.
_ACTIVATIONS = frozenset(
    (
        *("ReLU", "ELU", "Softmax", "Relu", "Relu6", "Elu", "Sigmoid", "HardSigmoid", "Tanh", "HardTanh", "Softplus"),
        *("Softsign", "Exp", "Abs", "Clip"),
    )
)
_FAR, _NEAR = 1e30, 1e6
# Of the range of values.
_ROUNDING = 1e-4


def last_operation(tensor: Any) -> Any:
    """Return the layer or operation that computes a Keras tensor, also inside a model; what carries it on is none."""
    operation, number = maker_of(tensor)
    node = node_of(operation, number)
    if getattr(operation, "outputs", None):
        return last_operation(operation.outputs[[id(output) for output in node.output_tensors].index(id(tensor))])
    is_linear = getattr(operation, "activation", None) is keras.activations.linear
    carries = type(operation).__name__ in _CARRIERS or (type(operation).__name__ == "Activation" and is_linear)
    return last_operation(node.input_tensors[0]) if carries and node.input_tensors else operation


def can_answer(model: keras.Model, values: np.ndarray) -> bool:
    """Return whether values lie within the bounds of a network's last activation, such as a ReLU's or a sigmoid's.

    What is not known has no bounds.

    Args:
        model: Its first output is asked about.
        values: Shape `(samples, numbers)`.
    """
    low, high = _far_answers(model)
    rounding = _ROUNDING * np.ptp(values, axis=0)
    return bool((values >= low - rounding).all() and (values <= high + rounding).all())


def is_rectified(model: keras.Model) -> bool:
    """Return whether these are bounded below alone and follow what the activation reads above, as behind a ReLU."""
    low, high = _far_answers(model)
    return bool((low > -_NEAR).all() and (high > _FAR / 2).all() and np.isfinite(high).all())


def _far_answers(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """Return what a network's last activation makes of very small and of very large numbers; these where it is none."""
    operation = last_operation(model.outputs[0])
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    activation = operation if type(operation).__name__ in _ACTIVATIONS else getattr(operation, "activation", None)
    shape = (1, model.outputs[0].shape[-1] or 1)
    low, high = (np.full(shape, far, np.float32) for far in (-_FAR, _FAR))
    return (np.asarray(activation(low)), np.asarray(activation(high))) if callable(activation) else (low, high)
