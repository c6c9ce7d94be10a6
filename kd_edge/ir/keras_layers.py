"""Reads one call of a Keras layer, or of an operation such as `x + 1`, as a layer of a blueprint."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from kd_edge.compat.keras import maker_of, node_of
from kd_edge.errors import ModelError
from kd_edge.ir.layers import LAYERS, InputLayer, Layer, is_of_keras, kind_of
from kd_edge.ir.layers.arithmetic import AddChannels, MultiplyChannels, Normalization, SubtractNumber
from kd_edge.ir.layers.core import Rescaling

# Arguments that change the network, with the only value that a blueprint can express.
_FIXED = {
    "data_format": ("channels_last", None),
    "dilation_rate": (1, (1, 1)),
    "groups": (1,),
    "negative_slope": (0.0, None),
    "output_padding": (None,),
    "rms_scaling": (False,),
    "threshold": (0.0, None),
    "axis": (-1,),
}
# Layers that hand their input on unless they are trained, beside those whose names begin with "Random".
_TRAINED_ONLY = (
    *("ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "GaussianDropout", "GaussianNoise"),
    *("Identity", "MixUp", "RandAugment", "StochasticDepth"),
)
# Arithmetic on a Keras tensor and a number, by whether the tensor comes first: factor and summand by the number.
_SCALAR: dict[tuple[str, bool], Callable[[float], Layer]] = {
    ("Add", True): lambda number: Rescaling(1.0, number),
    ("Add", False): lambda number: Rescaling(1.0, number),
    ("Subtract", True): SubtractNumber,
    ("Subtract", False): lambda number: SubtractNumber(number, reverse=True),
    ("Multiply", True): lambda number: Rescaling(number, 0.0),
    ("Multiply", False): lambda number: Rescaling(number, 0.0),
    ("TrueDivide", True): lambda number: Rescaling(1 / number, 0.0),
    ("Divide", True): lambda number: Rescaling(1 / number, 0.0),
}
# The same with one number per channel.
_CHANNELS: dict[tuple[str, bool], Callable[[np.ndarray], Layer]] = {
    ("Add", True): lambda values: AddChannels(_numbers(values)),
    ("Add", False): lambda values: AddChannels(_numbers(values)),
    ("Subtract", True): lambda values: AddChannels(_numbers(-values)),
    ("Multiply", True): lambda values: MultiplyChannels(_numbers(values)),
    ("Multiply", False): lambda values: MultiplyChannels(_numbers(values)),
    ("TrueDivide", True): lambda values: MultiplyChannels(_numbers(1 / values)),
    ("Divide", True): lambda values: MultiplyChannels(_numbers(1 / values)),
}


def hands_on(operation: Any) -> bool:
    """Return whether a layer hands its only input on unless it is trained, as random changes and noise do.

    Args:
        operation: A layer of Keras or an operation.
    """
    kind = type(operation).__name__
    if not is_of_keras(operation):
        return False
    if kind == "Pipeline":
        return all(map(hands_on, operation.layers))
    return is_trained_only(kind)


def is_trained_only(kind: str) -> bool:
    """Return whether layers of a class of Keras hand their input on as it is unless they are trained.

    Args:
        kind: The name of the class.
    """
    return kind in _TRAINED_ONLY or (kind.startswith("Random") and kind != "RandomCrop")


def is_scaled_sum(operation: Any) -> bool:
    """Return whether a layer adds its second input times a number to its first: one of `keras.applications`.

    Args:
        operation: A layer of Keras or an operation.
    """
    return type(operation).__name__ == "CustomScaleLayer" and is_of_keras(operation)


def normalizes_by_one(operation: Any) -> tuple[Layer, ...] | None:
    """Return what a `Normalization` by one mean and variance for all channels consists of; `None` for other layers.

    Args:
        operation: A layer of Keras or an operation.
    """
    if kind_of(operation) is not Normalization or operation.invert:
        return None
    mean, variance = (np.asarray(values, np.float64).ravel() for values in (operation.mean, operation.variance))
    if mean.size != 1 or (operation.axis != () and operation.output.shape[-1] == 1):
        return None
    deviation = max(float(np.sqrt(variance[0])), 1e-7)
    parts = SubtractNumber(float(mean[0])), Rescaling(1 / deviation)
    return tuple(part for part, does in zip(parts, (mean[0] != 0, deviation != 1), strict=True) if does)


def channel_of(tensor: Any) -> tuple[Any, int] | None:
    """Return the image and the number of the channel that a Keras tensor is, `image[..., channel]`; `None` for others.

    Args:
        tensor: Made by a layer or an operation.
    """
    operation, number = maker_of(tensor)
    node = node_of(operation, number)
    if type(operation).__name__ != "GetItem" or len(node.input_tensors) != 1:
        return None
    key = node.arguments.args[1:] or tuple(node.arguments.kwargs.values())
    if len(key) != 1 or not isinstance(key[0], tuple) or len(key[0]) != 2 or key[0][0] is not Ellipsis:
        return None
    source, channel = node.input_tensors[0], key[0][1]
    return (source, channel % source.shape[-1]) if isinstance(channel, int) else None


def read_call(operation: Any, number: int) -> Layer:
    """Return the layer of one call of a Keras layer or of an operation.

    Args:
        operation: The layer or operation.
        number: Of the call.

    Raises:
        ModelError: It is not supported; it is named.
    """
    if hasattr(operation, "trainable"):
        return _read_layer(operation)
    node, kind = node_of(operation, number), type(operation).__name__
    of_two = sorted(name for name, one in LAYERS.items() if one.arity == 2)
    if len(node.input_tensors) == 2 and kind in of_two:
        return LAYERS[kind]()
    found = _arithmetic(kind, node) if len(node.input_tensors) == 1 else None
    if found is not None:
        return found
    with_number = ", ".join(sorted({name for name, _ in _SCALAR}))
    known = f"{', '.join(of_two)} of two tensors, {with_number} with a number or one number per channel"
    raise ModelError(f"cannot read operation {operation.name!r} ({kind}): supported are {known}")


def _arithmetic(kind: str, node: Any) -> Layer | None:
    """Return what an operation of one tensor with constants does; `None` where that is not known."""
    operands = [*node.arguments.args, *node.arguments.kwargs.values()]
    if len(operands) != 2:
        return None
    tensor = node.input_tensors[0]
    tensor_first = operands[0] is tensor
    other = operands[1 if tensor_first else 0]
    if isinstance(other, int | float):
        return _SCALAR[kind, tensor_first](float(other)) if (kind, tensor_first) in _SCALAR and other else None
    values = np.asarray(other) if hasattr(other, "shape") else None
    if values is None or values.dtype.kind not in "fiu" or (kind, tensor_first) not in _CHANNELS:
        return None
    channels, rank = tensor.shape[-1], len(tensor.shape)
    if values.size != channels or values.shape[-1:] != (channels,) or values.ndim > rank or not values.all():
        return None
    return _CHANNELS[kind, tensor_first](values.astype(np.float64).ravel())


def _read_layer(layer: Any) -> Layer:
    kind, called = kind_of(layer), type(layer).__name__
    config = layer.get_config()
    if kind is InputLayer:
        shape = config["batch_shape"][1:]
        if None in shape:
            raise ModelError(f"cannot read layer {layer.name!r}: expected a static input shape, received {shape}")
        return InputLayer(tuple(shape))
    if kind is Normalization:
        return _read_normalization(layer)
    if kind is Rescaling:
        return Rescaling(*(_number_or_channels(layer, name) for name in ("scale", "offset")))
    if called == "LayerScale" and is_of_keras(layer):  # of ConvNeXt
        return MultiplyChannels(_numbers(np.asarray(layer.gamma)))
    if kind is Layer:
        known = ", ".join(sorted(name for name, one in LAYERS.items() if not one.is_operation))
        others = f" of {type(layer).__module__}" if called in LAYERS else ""
        raise ModelError(f"cannot read layer {layer.name!r} ({called}{others}): supported layers are {known}")
    names, last = [field.name for field in fields(kind)], len(layer.output.shape) - 1
    for name, allowed in _FIXED.items():
        value = _frozen(config.get(name))
        if name not in config or name in names or value in allowed:
            continue
        if name == "axis" and value in (last, (last,), (-1,)):
            continue
        raise ModelError(
            f"cannot read layer {layer.name!r} ({called}): expected {name}={allowed[0]!r}, received {value!r}"
        )
    values = {name: _frozen(config[name]) for name in names}
    if odd := [name for name, value in values.items() if isinstance(value, dict)]:
        raise ModelError(
            f"cannot read layer {layer.name!r} ({called}): expected {odd[0]} by a name of Keras, received a function "
            "or layer of its own"
        )
    return kind(**values)


def _read_normalization(layer: Any) -> Layer:
    """Return a normalization by the values that it computes with: those it adapted to are not in its configuration."""
    mean, variance = (np.asarray(values, np.float32) for values in (layer.mean, layer.variance))
    if layer.invert or mean.size not in (1, mean.shape[-1] if mean.ndim else 1):
        raise ModelError(
            f"cannot read layer {layer.name!r} (Normalization): expected one mean for all, or one per channel, and "
            f"invert=False, received axis={layer.axis} and invert={layer.invert}"
        )
    return Normalization(_numbers(mean), _numbers(variance))


def _number_or_channels(layer: Any, name: str) -> float | tuple[float, ...]:
    """Return an argument that is one number or one per channel."""
    values, channels = np.asarray(getattr(layer, name), np.float64), layer.output.shape[-1]
    if values.shape not in ((), (channels,)):
        raise ModelError(
            f"cannot read layer {layer.name!r} (Rescaling): expected one {name}, or one for each of {channels} "
            f"channels, received an array of shape {values.shape}"
        )
    return float(values) if values.ndim == 0 else tuple(map(float, values))


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values.astype(np.float32).ravel()))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
