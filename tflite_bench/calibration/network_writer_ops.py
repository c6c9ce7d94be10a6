"""Operators that occur beside convolutions and dense layers, to be added to a `SyntheticNetwork`."""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.calibration.network_writer import SyntheticNetwork, Tensor

# Scale and zero point of an output, where the kernels of int8 ask for one of their own.
_OUTPUTS = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "RELU": (1 / 32, -128)}
_STATE_SCALE, _CELL_SCALE = 1 / 128, 1 / 4096


def elementwise(network: SyntheticNetwork, kind: str) -> Tensor:
    """Add an operator that changes each value: HARD_SWISH, LEAKY_RELU, LOGISTIC, RELU, TANH, ELU or QUANTIZE."""
    scale, zero = _OUTPUTS.get(kind, (1 / 24, 3))
    options = schema.LeakyReluOptionsT() if kind == "LEAKY_RELU" else None
    if options is not None:
        options.alpha = 0.25
    output = network.activation(network.shape, zero, scale=scale)
    return network.add_op(kind, options, [network.last], output)


def arithmetic(network: SyntheticNetwork, kind: str, other: Tensor | None = None) -> Tensor:
    """Add ADD, SUB, MUL, MAXIMUM, MINIMUM or PRELU with another tensor, by default with a constant per channel."""
    if other is None:
        values = np.arange(network.shape[-1]) % 100 / 100 + 0.5
        other = network.constant(
            (values * 64).astype(np.int8) if network.quantized else values.astype(np.float32),
            scales=np.array([1 / 64]) if network.quantized else None,
        )
    options = getattr(schema, f"{kind.capitalize()}OptionsT")() if kind in ("ADD", "SUB", "MUL") else None
    return network.add_op(kind, options, [network.last, other], network.activation(network.shape))


def reduce_image(network: SyntheticNetwork, kind: str) -> Tensor:
    """Add MEAN or REDUCE_MAX over rows and columns."""
    options = schema.ReducerOptionsT()
    options.keepDims = False
    inputs = [network.last, network.constant(np.array([1, 2], np.int32))]
    return network.add_op(kind, options, inputs, network.activation((1, network.shape[3])))


def join(network: SyntheticNetwork, other: Tensor) -> Tensor:
    """Add CONCATENATION with another tensor of the same shape, along the channels."""
    options = schema.ConcatenationOptionsT()
    options.axis = -1
    *front, channels = network.shape
    output = network.activation((*front, 2 * channels))
    return network.add_op("CONCATENATION", options, [network.last, other], output)


def pad(network: SyntheticNetwork) -> Tensor:
    """Add PAD by one row and column on each side."""
    _, rows, columns, channels = network.shape
    widths = network.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    output = network.activation((1, rows + 2, columns + 2, channels))
    return network.add_op("PAD", schema.PadOptionsT(), [network.last, widths], output)


def crop(network: SyntheticNetwork) -> Tensor:
    """Add STRIDED_SLICE that takes one row and column off each side."""
    _, rows, columns, channels = network.shape
    options = schema.StridedSliceOptionsT()
    options.beginMask = options.endMask = 0b1001
    limits = ([0, 1, 1, 0], [0, rows - 1, columns - 1, 0], [1, 1, 1, 1])
    inputs = [network.constant(np.array(limit, np.int32)) for limit in limits]
    output = network.activation((1, rows - 2, columns - 2, channels))
    return network.add_op("STRIDED_SLICE", options, [network.last, *inputs], output)


def transpose(network: SyntheticNetwork) -> Tensor:
    """Add TRANSPOSE of rows and columns."""
    _, rows, columns, channels = network.shape
    order = network.constant(np.array([0, 2, 1, 3], np.int32))
    output = network.activation((1, columns, rows, channels))
    return network.add_op("TRANSPOSE", schema.TransposeOptionsT(), [network.last, order], output)


def tile(network: SyntheticNetwork) -> Tensor:
    """Add TILE that repeats the columns once."""
    _, rows, columns, channels = network.shape
    repeats = network.constant(np.array([1, 1, 2, 1], np.int32))
    return network.add_op("TILE", None, [network.last, repeats], network.activation((1, rows, 2 * columns, channels)))


def resize(network: SyntheticNetwork) -> Tensor:
    """Add RESIZE_BILINEAR to twice the rows and columns."""
    _, rows, columns, channels = network.shape
    options = schema.ResizeBilinearOptionsT()
    options.halfPixelCenters = True
    size = network.constant(np.array([2 * rows, 2 * columns], np.int32))
    output = network.activation((1, 2 * rows, 2 * columns, channels))
    return network.add_op("RESIZE_BILINEAR", options, [network.last, size], output)


def transposed_conv(network: SyntheticNetwork, filters: int, kernel: int) -> Tensor:
    """Add a transposed convolution of stride 2 and padding "same"."""
    _, rows, columns, channels = network.shape
    options = schema.TransposeConvOptionsT()
    options.strideH = options.strideW = 2
    options.padding = schema.Padding.SAME
    shape = (1, 2 * rows, 2 * columns, filters)
    weights, bias = network.weights((filters, kernel, kernel, channels), axis=0)
    inputs = [network.constant(np.array(shape, np.int32)), weights, network.last, bias]
    return network.add_op("TRANSPOSE_CONV", options, inputs, network.activation(shape, -128), relu=True)


def lstm(network: SyntheticNetwork, units: int) -> Tensor:
    """Add an LSTM over the rows of `(1, steps, features)`, which writes its state after every step."""
    _, steps, features = network.shape
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    gates = [_gate(network, units, size) for size in (features, units) for _ in range(4)]
    biases = [_bias(network, units) for _ in range(4)]
    state = network.activation((1, units), 0, scale=_STATE_SCALE, state=True)
    cell = network.activation((1, units), 0, scale=_CELL_SCALE, dtype="int16" if network.quantized else "", state=True)
    inputs = [network.last, *gates, -1, -1, -1, *biases, -1, -1, state, cell, -1, -1, -1, -1]
    scratch = [network.activation((0,), 0, scale=_STATE_SCALE) for _ in range(5)] if network.quantized else []
    output = network.activation((1, steps, units), 0, scale=_STATE_SCALE)
    name = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    network.add_op(name, options, inputs, output, intermediates=scratch)
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    return output


def _gate(network: SyntheticNetwork, units: int, inputs: int) -> Tensor:
    values = np.sin(np.arange(units * inputs)).reshape(units, inputs)
    if not network.quantized:
        return network.constant((values / math.sqrt(inputs)).astype(np.float32))
    scales: Any = np.array([1 / 127 / math.sqrt(inputs)])
    return network.constant((values * 127).astype(np.int8), scales=scales)


def _bias(network: SyntheticNetwork, units: int) -> Tensor:
    if not network.quantized:
        return network.constant(np.zeros(units, np.float32))
    return network.constant(np.zeros(units, np.int32), scales=np.array([1e-4]))
