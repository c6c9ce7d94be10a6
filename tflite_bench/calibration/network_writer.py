"""Makes `.tflite` files with random weights, without TensorFlow, to calibrate a device or to try a toolchain with."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_bench.model.writer import pack

_BUILTIN, _TYPE, _OPTIONS = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
_RELU, _NONE = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.NONE
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID
_FLOAT_VERSION = {"RESIZE_BILINEAR": 3, "TRANSPOSE_CONV": 3}
_INT8_VERSION = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ELU": 1,
    "FULLY_CONNECTED": 4,
    "HARD_SWISH": 1,
    "LEAKY_RELU": 1,
    "PRELU": 1,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 3,
    "TRANSPOSE_CONV": 4,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 1,
}
_TYPES = {"int8": _TYPE.INT8, "int16": _TYPE.INT16, "int32": _TYPE.INT32, "float32": _TYPE.FLOAT32}
_SCALE = 1 / 32
_RELU_ZERO, _ZERO = -128, 0

Tensor = int
"""A tensor of the network under construction, by its index."""


class SyntheticNetwork:
    """A network of batch 1 that grows op by op, in int8 or float32, with random weights.

    The weights are scaled so that the activations neither vanish nor saturate. Every method adds one operator to the
    end, reads the tensor that was written last, and returns the tensor it writes.

    Args:
        shape: Shape of the input without the batch: `(height, width, channels)` or `(features,)`.
        dtype: `"int8"`, quantized with one scale per filter, or `"float32"`.
        seed: Makes the weights repeatable.

    Example:

    ```python
    network = SyntheticNetwork((8, 8, 3))
    network.conv(4, 3)
    network.dense(10)
    content = network.to_bytes()
    ```
    """

    def __init__(self, shape: tuple[int, ...], *, dtype: str = "int8", seed: int = 0) -> None:
        self.quantized = dtype == "int8"
        self._rng = np.random.default_rng(seed)
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._zeros: list[int] = []
        self._ops: list[Any] = []
        self._codes: list[str] = []
        self._last = -1
        self._last = self.activation((1, *shape), _ZERO)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the last tensor, the batch included."""
        return tuple(self._tensors[self._last].shape)

    @property
    def last(self) -> Tensor:
        """The tensor that was written last."""
        return self._last

    def conv(
        self,
        filters: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        groups: int = 1,
        valid: bool = False,
    ) -> Tensor:
        """Add a convolution with ReLU, of the padding "same" or "valid"."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        weights = self.weights((filters, rows, columns, self.shape[3] // groups), axis=0)
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.padding = _VALID if valid else _SAME
        height, width = self.shape[1:3]
        image = (height - rows + 1, width - columns + 1) if valid else (height, width)
        output = self.activation((1, *_strided(image, stride), filters), _RELU_ZERO)
        return self.add_op("CONV_2D", options, [self._last, *weights], output, relu=True)

    def depthwise(self, kernel: int | tuple[int, int], *, stride: int = 1, multiplier: int = 1) -> Tensor:
        """Add a depthwise convolution of the padding "same", with ReLU."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        channels = self.shape[3] * multiplier
        weights = self.weights((1, rows, columns, channels), axis=3)
        options = schema.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.padding = _SAME
        options.depthMultiplier = multiplier
        output = self.activation((1, *_strided(self.shape[1:3], stride), channels), _RELU_ZERO)
        return self.add_op("DEPTHWISE_CONV_2D", options, [self._last, *weights], output, relu=True)

    def dense(self, units: int, *, relu: bool = False, flat: bool = True) -> Tensor:
        """Add a fully connected layer; an image or sequence is flattened before, unless `flat` is false."""
        if flat and len(self.shape) > 2:
            self.reshape((1, math.prod(self.shape)))
        weights = self.weights((units, self.shape[-1]), axis=0)
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = not flat
        output = self.activation((*self.shape[:-1], units), _RELU_ZERO if relu else _ZERO)
        return self.add_op("FULLY_CONNECTED", options, [self._last, *weights], output, relu=relu)

    def pool(self, size: int | tuple[int, int] | None = None, *, kind: str = "AVERAGE") -> Tensor:
        """Add pooling without overlap, over the whole image if no size is given; `kind` is AVERAGE or MAX."""
        rows, columns = (size, size) if isinstance(size, int) else size or self.shape[1:3]
        options = schema.Pool2DOptionsT()
        options.padding = _VALID
        options.filterHeight, options.filterWidth = rows, columns
        options.strideH, options.strideW = rows, columns
        shape = (1, self.shape[1] // rows, self.shape[2] // columns, self.shape[3])
        output = self.activation(shape)
        return self.add_op(f"{kind}_POOL_2D", options, [self._last], output)

    def add(self, other: Tensor) -> Tensor:
        """Add the sum of the last tensor and another one of its shape, with ReLU."""
        output = self.activation(self.shape, _RELU_ZERO)
        return self.add_op("ADD", schema.AddOptionsT(), [self._last, other], output, relu=True)

    def softmax(self) -> Tensor:
        """Add a softmax."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        output = self.activation(self.shape, -128, scale=1 / 256)
        return self.add_op("SOFTMAX", options, [self._last], output)

    def reshape(self, shape: tuple[int, ...]) -> Tensor:
        """Add a change of shape."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        target = self.constant(np.array(shape, np.int32))
        output = self.activation(shape)
        return self.add_op("RESHAPE", options, [self._last, target], output)

    def to_bytes(self) -> bytes:
        """Return the network as a `.tflite` file whose output is the last tensor."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._ops
        graph.inputs, graph.outputs = [0], [self._last]
        model = schema.ModelT()
        model.version = 3
        model.description = "tflite_bench synthetic"
        model.operatorCodes = [self._code(name) for name in self._codes]
        model.subgraphs, model.buffers = [graph], self._buffers
        return pack(model)

    def weights(self, shape: tuple[int, ...], *, axis: int) -> list[Tensor]:
        """Return constants for weights and bias of a layer whose filters are along an axis."""
        channels, inputs = shape[axis], math.prod(shape) // shape[axis]
        if not self.quantized:
            weights = self._rng.normal(0, 1 / math.sqrt(inputs), shape).astype(np.float32)
            return [self.constant(weights), self.constant(self._rng.normal(0, 0.1, channels).astype(np.float32))]
        scales = (self._rng.uniform(0.5, 1.0, channels) / 60 / math.sqrt(inputs)).astype(np.float32)
        input_scale = self._tensors[self._last].quantization.scale[0]
        return [
            self.constant(self._rng.integers(-127, 127, shape, np.int8, endpoint=True), scales=scales, axis=axis),
            self.constant(self._rng.integers(-999, 999, channels, np.int32), scales=scales * input_scale),
        ]

    def constant(self, value: np.ndarray[Any, Any], *, scales: Any = None, axis: int = 0) -> Tensor:
        """Return a constant of int8, int16, int32 or float32, quantized if scales are given."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self._buffers.append(buffer)
        tensor = self._tensor("constant", value.shape, _TYPES[value.dtype.name], len(self._buffers) - 1)
        if scales is not None:
            self._tensors[tensor].quantization = _quantization(scales, np.zeros(len(scales)), axis)
        return tensor

    def activation(
        self,
        shape: tuple[int, ...],
        zero: int | None = None,
        *,
        scale: float = _SCALE,
        dtype: str = "",
        state: bool = False,
    ) -> Tensor:
        """Return a tensor to write to; in a quantized network it has a scale and a zero point.

        Args:
            shape: Its shape, the batch included.
            zero: Zero point; None for that of the tensor that was written last.
            scale: Its scale.
            dtype: `"int8"`, `"int16"` or `"float32"`, if not the network's.
            state: Whether it keeps its values between two inferences.
        """
        kind = dtype or ("int8" if self.quantized else "float32")
        tensor = self._tensor("tensor", shape, _TYPES[kind], 0)
        self._zeros[tensor] = self._zeros[self._last] if zero is None else zero
        self._tensors[tensor].isVariable = state
        if kind != "float32":
            self._tensors[tensor].quantization = _quantization(np.array([scale]), np.array([self._zeros[tensor]]), 0)
        return tensor

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, buffer: int) -> Tensor:
        tensor = schema.TensorT()
        tensor.name = f"{name}_{len(self._tensors)}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
        self._tensors.append(tensor)
        self._zeros.append(0)
        return len(self._tensors) - 1

    def add_op(
        self,
        name: str,
        options: Any,
        inputs: Sequence[Tensor],
        output: Tensor,
        *,
        relu: bool = False,
        intermediates: Sequence[Tensor] = (),
    ) -> Tensor:
        """Add an operator of any kind.

        Args:
            name: Its name in the schema, e.g. `"MEAN"`.
            options: Its options, of the schema's object interface; None where it has none.
            inputs: Tensors that it reads, constants among them.
            output: The one it writes.
            relu: Fuse a ReLU, where the options know activations.
            intermediates: Tensors whose quantization it needs.
        """
        if name not in self._codes:
            self._codes.append(name)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(name)
        operator.inputs, operator.outputs, operator.intermediates = list(inputs), [output], list(intermediates)
        if hasattr(options, "fusedActivationFunction"):
            options.fusedActivationFunction = _RELU if relu else _NONE
        if hasattr(options, "dilationHFactor"):
            options.dilationHFactor = options.dilationWFactor = 1
        if options is not None:
            operator.builtinOptionsType = getattr(_OPTIONS, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        self._ops.append(operator)
        self._last = output
        return output

    def _code(self, name: str) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(_BUILTIN, name)
        code.deprecatedBuiltinCode = code.builtinCode
        code.version = _INT8_VERSION.get(name, 2) if self.quantized else _FLOAT_VERSION.get(name, 1)
        return code


def _quantization(scales: np.ndarray[Any, Any], zeros: np.ndarray[Any, Any], axis: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = scales.astype(np.float32), zeros.astype(np.int64)
    quantization.quantizedDimension = axis
    return quantization


def _strided(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
    return tuple(-(-size // stride) for size in shape)
