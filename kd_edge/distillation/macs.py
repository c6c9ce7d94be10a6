"""Multiply-accumulates of a Keras network."""

import math

import keras


def count_macs(model: keras.Model) -> int | None:
    """Return the multiply-accumulates of one forward pass for one sample.

    Dense and convolution layers count; what else there is (normalisation, activations, pooling) is small beside them.

    Args:
        model: The network.

    Returns:
        The number; `None` where a layer's shapes are not known, as in a subclassed model.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = count_macs(layer)
            if inner is None:
                return None
            total += inner
        elif hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel") or hasattr(layer, "pointwise_kernel"):
            try:
                shape = layer.output.shape[1:]
            except AttributeError:
                return None
            total += _layer_macs(layer, shape)
    return total


def _layer_macs(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> int:
    """Each output value of a kernel takes as many products as the kernel has weights per output channel."""
    separable = isinstance(layer, keras.layers.SeparableConv1D | keras.layers.SeparableConv2D)
    channels = shape[0] if getattr(layer, "data_format", "") == "channels_first" else shape[-1]
    positions = math.prod(shape) // channels
    if separable:
        return positions * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
    return positions * math.prod(layer.kernel.shape)
