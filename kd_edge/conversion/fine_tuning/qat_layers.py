"""Students in tf_keras, written in the layers that quantization-aware training knows."""

from collections import Counter
from functools import cache, partial
from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import maker_of, nodes_in_order
from kd_edge.compat.tfmot import input_of_maker
from kd_edge.conversion.fine_tuning.tf_keras_copy import copy_layer, to_tf_keras
from kd_edge.ir.layers import Activation, Dense, Rescaling, kind_of

# Activations that tensorflow-model-optimization simulates.
_BUILT_IN = ("linear", "relu", "softmax", "sigmoid", "tanh")
_LEAKY_SLOPE = 0.2  # of Keras' activation of that name


def to_tunable(student: keras.Model) -> Any:
    """Return a copy of a student in tf_keras that computes the same in layers that become int8 ops when tuned.

    A batch normalization that does not directly follow a convolution, a normalization and a rescaling become a
    depthwise convolution of window 1; behind a dense layer they become a part of it; other activations than those that
    tensorflow-model-optimization knows become layers, a hard sigmoid two such convolutions around a ReLU.

    Args:
        student: See `to_tf_keras`.

    Raises:
        ModelError: The student cannot be copied.
    """
    return to_tf_keras(student, copy=partial(_copy, _directly_before(student)))


def _directly_before(student: keras.Model) -> dict[str, Any]:
    """Return the layer before another one and before no other, by the other one's name."""
    nodes = nodes_in_order(student)
    pairs = [(maker_of(source)[0], node.operation) for node in nodes for source in node.input_tensors]
    followers = Counter(before.name for before, _ in pairs)
    return {layer.name: before for before, layer in pairs if followers[before.name] == 1}


def _copy(directly_before: dict[str, Any], layer: Any, sources: list[Any]) -> Any:
    kind, before = kind_of(layer), directly_before.get(layer.name)
    if isinstance(layer, keras.layers.Normalization) and _is_along_channels(layer):
        return _convolved(layer, sources[0])
    if kind.is_affine and _is_along_channels(layer):
        if _absorbs(before) and kind_of(before) is Dense:
            return _folded(layer, before, sources[0])
        if kind is Rescaling or not _absorbs(before):
            return _convolved(layer, sources[0])
    if kind.absorbs_affine and keras.activations.serialize(layer.activation) not in _BUILT_IN:
        return _activated(layer, copy_layer(layer, sources, activation="linear"))
    if kind is Activation and keras.activations.serialize(layer.activation) not in _BUILT_IN:
        return _activated(layer, sources[0])
    return copy_layer(layer, sources)


def _is_along_channels(layer: Any) -> bool:
    if kind_of(layer) is Rescaling:
        return all(np.size(value) in (1, *np.shape(value)[-1:]) for value in (layer.scale, layer.offset))
    axes = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    return axes in ((-1,), (len(layer.output.shape) - 1,))


def _absorbs(layer: Any) -> bool:
    """Return whether a layer and the only one behind it become one op."""
    return kind_of(layer).absorbs_affine and layer.activation is keras.activations.linear


def _affine(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors and summands per channel that a layer multiplies by and adds when it does not learn."""
    shape = layer.output.shape[-1:]
    if kind_of(layer) is Rescaling:
        factors, summands = (np.broadcast_to(np.ravel(value), shape) for value in (layer.scale, layer.offset))
        return factors, summands
    if isinstance(layer, keras.layers.Normalization):
        mean, variance = np.ravel(np.asarray(layer.mean)), np.ravel(np.asarray(layer.variance))
        deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
        return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)
    gamma = 1.0 if layer.gamma is None else np.asarray(layer.gamma)
    beta = 0.0 if layer.beta is None else np.asarray(layer.beta)
    factors = gamma / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    return factors, beta - np.asarray(layer.moving_mean) * factors


def _convolved(layer: Any, source: Any) -> Any:
    """Write an affine layer as a depthwise convolution, of an image of width 1 if its input is no image."""
    from tf_keras import layers

    factors, summands = _affine(layer)
    shape = source.shape[1:]
    if len(shape) != 3:
        source = layers.Reshape((-1, 1, shape[-1]), name=f"{layer.name}_as_image")(source)
    result = _scaled(source, factors, summands, layer.name)
    return result if len(shape) == 3 else layers.Reshape(shape, name=f"{layer.name}_as_before")(result)


def _scaled(image: Any, factors: np.ndarray, summands: np.ndarray, name: str) -> Any:
    from tf_keras import layers

    convolution = layers.DepthwiseConv2D(1, name=name)
    result = convolution(image)
    convolution.set_weights([factors[None, None, :, None], summands])
    return result


def _folded(layer: Any, dense: Any, source: Any) -> Any:
    """Write a dense layer and the affine one behind it as one; tfmot's own way leaves the dense layer in floats."""
    from tf_keras import layers

    factors, summands = _affine(layer)
    kernel, *bias = dense.get_weights()
    folded = layers.Dense(dense.units, name=dense.name)
    result = folded(input_of_maker(source))
    folded.set_weights([kernel * factors, sum(bias) * factors + summands])
    return result


def _activated(layer: Any, source: Any) -> Any:
    """Write an activation as layers that tfmot and the converter know."""
    from tf_keras import layers

    kind = keras.activations.serialize(layer.activation)
    name = layer.name if kind_of(layer) is Activation else f"{layer.name}_activation"
    if kind == "relu6":
        return layers.ReLU(6.0, name=name)(source)
    if kind == "leaky_relu":
        return layers.LeakyReLU(_LEAKY_SLOPE, name=name)(source)
    if kind == "elu":
        return layers.ELU(name=name)(source)
    if kind == "hard_silu":
        return hard_silu()(name=name)(source)
    if kind == "hard_sigmoid" and len(source.shape) == 4:
        ones = np.ones(source.shape[-1])
        clipped = layers.ReLU(6.0, name=name)(_scaled(source, ones, 3 * ones, f"{name}_shift"))
        return _scaled(clipped, ones / 6, 0 * ones, f"{name}_slope")
    if kind == "silu":
        gate = layers.Activation("sigmoid", name=f"{name}_gate")(source)
        return layers.Multiply(name=name)([source, gate])
    return layers.Activation(kind, name=name)(source)


@cache
def hard_silu() -> Any:
    """Return the class of a layer that computes `x relu6(x + 3) / 6`, which the converter knows as one op."""
    import tensorflow as tf
    from tf_keras import layers

    class HardSilu(layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * tf.nn.relu6(inputs + 3.0) * (1 / 6)

    return HardSilu
