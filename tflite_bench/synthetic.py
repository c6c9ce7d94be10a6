"""Makes `.tflite` files with random weights, without TensorFlow, to calibrate a device or to try a toolchain with."""

import math
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_BUILTIN, _TYPE, _OPTIONS = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
_RELU, _NONE = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.NONE
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID
_INT8_VERSION = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RESHAPE": 1}
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
        self._quantized = dtype == "int8"
        self._rng = np.random.default_rng(seed)
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._zeros: list[int] = []
        self._ops: list[Any] = []
        self._codes: list[str] = []
        self._last = self._activation("input", (1, *shape), _ZERO)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the last tensor, the batch included."""
        return tuple(self._tensors[self._last].shape)

    def conv(self, filters: int, kernel: int | tuple[int, int], *, stride: int = 1) -> Tensor:
        """Add a convolution of the padding "same", with ReLU."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        weights = self._weights((filters, rows, columns, self.shape[3]), axis=0)
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        output = self._activation("conv", (1, *_strided(self.shape[1:3], stride), filters), _RELU_ZERO)
        return self._add_op("CONV_2D", options, weights, output, relu=True)

    def depthwise(self, kernel: int | tuple[int, int], *, stride: int = 1) -> Tensor:
        """Add a depthwise convolution of the padding "same", with ReLU."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        weights = self._weights((1, rows, columns, self.shape[3]), axis=3)
        options = schema.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.depthMultiplier = 1
        output = self._activation("depthwise", (1, *_strided(self.shape[1:3], stride), self.shape[3]), _RELU_ZERO)
        return self._add_op("DEPTHWISE_CONV_2D", options, weights, output, relu=True)

    def dense(self, units: int, *, relu: bool = False) -> Tensor:
        """Add a fully connected layer; an image is flattened before."""
        if len(self.shape) > 2:
            self.reshape((1, math.prod(self.shape)))
        weights = self._weights((units, self.shape[1]), axis=0)
        output = self._activation("dense", (1, units), _RELU_ZERO if relu else _ZERO)
        return self._add_op("FULLY_CONNECTED", schema.FullyConnectedOptionsT(), weights, output, relu=relu)

    def pool(self, size: int | tuple[int, int] | None = None, *, kind: str = "AVERAGE") -> Tensor:
        """Add pooling without overlap, over the whole image if no size is given; `kind` is AVERAGE or MAX."""
        rows, columns = (size, size) if isinstance(size, int) else size or self.shape[1:3]
        options = schema.Pool2DOptionsT()
        options.padding = _VALID
        options.filterHeight, options.filterWidth = rows, columns
        options.strideH, options.strideW = rows, columns
        shape = (1, self.shape[1] // rows, self.shape[2] // columns, self.shape[3])
        output = self._activation("pool", shape, self._zeros[self._last])
        return self._add_op(f"{kind}_POOL_2D", options, [], output)

    def add(self, other: Tensor) -> Tensor:
        """Add the sum of the last tensor and another one of its shape, with ReLU."""
        output = self._activation("add", self.shape, _RELU_ZERO)
        return self._add_op("ADD", schema.AddOptionsT(), [other], output, relu=True)

    def softmax(self) -> Tensor:
        """Add a softmax."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        output = self._activation("softmax", self.shape, -128, scale=1 / 256)
        return self._add_op("SOFTMAX", options, [], output)

    def reshape(self, shape: tuple[int, ...]) -> Tensor:
        """Add a change of shape."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        target = self._constant("shape", np.array(shape, np.int32), _TYPE.INT32)
        output = self._activation("reshape", shape, self._zeros[self._last])
        return self._add_op("RESHAPE", options, [target], output)

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
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _weights(self, shape: tuple[int, ...], *, axis: int) -> list[Tensor]:
        """Return constants for weights and bias of a layer."""
        channels, inputs = shape[axis], math.prod(shape) // shape[axis]
        if not self._quantized:
            weights = self._rng.normal(0, 1 / math.sqrt(inputs), shape).astype(np.float32)
            bias = self._rng.normal(0, 0.1, channels).astype(np.float32)
            return [self._constant("weights", weights, _TYPE.FLOAT32), self._constant("bias", bias, _TYPE.FLOAT32)]
        scales = (self._rng.uniform(0.5, 1.0, channels) / 60 / math.sqrt(inputs)).astype(np.float32)
        weights_tensor = self._constant(
            "weights", self._rng.integers(-127, 127, shape, np.int8, endpoint=True), _TYPE.INT8
        )
        input_scale = self._tensors[self._last].quantization.scale[0]
        bias_tensor = self._constant("bias", self._rng.integers(-999, 999, channels, np.int32), _TYPE.INT32)
        self._tensors[weights_tensor].quantization = _quantization(scales, np.zeros(channels, np.int64), axis)
        self._tensors[bias_tensor].quantization = _quantization(scales * input_scale, np.zeros(channels, np.int64), 0)
        return [weights_tensor, bias_tensor]

    def _constant(self, name: str, value: np.ndarray[Any, Any], kind: int) -> Tensor:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(name, value.shape, kind, len(self._buffers) - 1, zero=0)

    def _activation(self, name: str, shape: tuple[int, ...], zero: int, *, scale: float = _SCALE) -> Tensor:
        kind = _TYPE.INT8 if self._quantized else _TYPE.FLOAT32
        tensor = self._tensor(name, shape, kind, 0, zero=zero)
        if self._quantized:
            self._tensors[tensor].quantization = _quantization(np.array([scale], np.float32), np.array([zero]), 0)
        return tensor

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, buffer: int, *, zero: int) -> Tensor:
        tensor = schema.TensorT()
        tensor.name = f"{name}_{len(self._tensors)}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
        self._tensors.append(tensor)
        self._zeros.append(zero)
        return len(self._tensors) - 1

    def _add_op(self, name: str, options: Any, others: list[Tensor], output: Tensor, *, relu: bool = False) -> Tensor:
        if name not in self._codes:
            self._codes.append(name)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(name)
        operator.inputs, operator.outputs = [self._last, *others], [output]
        if hasattr(options, "fusedActivationFunction"):
            options.fusedActivationFunction = _RELU if relu else _NONE
        if hasattr(options, "dilationHFactor"):
            options.padding = _SAME
            options.dilationHFactor = options.dilationWFactor = 1
        operator.builtinOptionsType = getattr(_OPTIONS, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        self._ops.append(operator)
        self._last = output
        return output

    def _code(self, name: str) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(_BUILTIN, name)
        code.deprecatedBuiltinCode = code.builtinCode
        code.version = _INT8_VERSION.get(name, 2) if self._quantized else 1
        return code


def _quantization(scales: np.ndarray[Any, Any], zeros: np.ndarray[Any, Any], axis: int) -> Any:
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = scales, zeros.astype(np.int64)
    quantization.quantizedDimension = axis
    return quantization


def _strided(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
    return tuple(-(-size // stride) for size in shape)
