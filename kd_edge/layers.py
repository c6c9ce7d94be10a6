"""The layers a blueprint is made of: Keras' names and arguments, and the TFLite ops each becomes.

Every class is named like its Keras layer and every field like that layer's argument, so that one generic function
renders any of them in either direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from kd_edge.errors import ModelError
from kd_edge.graph import Op, Tensor

_ACTIVATION_OPS = {
    "relu": "RELU",
    "relu6": "RELU6",
    "sigmoid": "LOGISTIC",
    "softmax": "SOFTMAX",
    "tanh": "TANH",
}
_FUSED_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6"}
_TAKES_BATCH_NORM = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
_TAKES_ACTIVATION = _TAKES_BATCH_NORM | {"ADD", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D"}


class Emitter:
    """Collects the ops and tensors of a graph while its layers emit them."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self._producers: dict[int, int] = {}

    def tensor(self, shape: tuple[int, ...]) -> int:
        """Add an activation and return its index."""
        self.tensors.append(Tensor(shape))
        return len(self.tensors) - 1

    def constant(self, shape: tuple[int, ...], dtype: str = "int8", num_scales: int = 1) -> int:
        """Add a constant and return its index."""
        self.tensors.append(Tensor(shape, dtype, True, num_scales))
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: Sequence[int], shape: tuple[int, ...], **options: object) -> int:
        """Add an op with one output of the given shape and return that output's index."""
        output = self.tensor(shape)
        self._producers[output] = len(self.ops)
        self.ops.append(Op(kind, tuple(inputs), (output,), **options))  # type: ignore[arg-type]
        return output

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape, with the batch of 1."""
        return self.tensors[tensor].shape

    def folds_batch_norm(self, tensor: int) -> bool:
        """Return whether the converter folds a BatchNormalization into the op that made this tensor."""
        op = self._producer(tensor)
        return op is not None and op.kind in _TAKES_BATCH_NORM and op.activation == "NONE"

    def activate(self, tensor: int, activation: str, *, fuse: bool = True) -> int:
        """Apply an activation: inside the op that made the tensor where the converter does so, else as an op."""
        if activation == "linear":
            return tensor
        op = self._producer(tensor)
        fused = _FUSED_ACTIVATIONS.get(activation)
        if fuse and fused and op is not None and op.kind in _TAKES_ACTIVATION and op.activation == "NONE":
            self.ops[self._producers[tensor]] = op._replace(activation=fused)
            return tensor
        if activation not in _ACTIVATION_OPS:
            known = ", ".join(["linear", *_ACTIVATION_OPS])
            raise ModelError(f"unsupported activation: expected one of {known}, received {activation!r}")
        return self.op(_ACTIVATION_OPS[activation], (tensor,), self.shape(tensor))

    def undo_flatten(self, tensor: int) -> int:
        """Take back the RESHAPE that just flattened a 1x1 image: the converter lets a dense layer read the image."""
        if self._producers.get(tensor) != len(self.ops) - 1 or self.ops[-1].kind != "RESHAPE":
            return tensor
        source = self.ops[-1].inputs[0]
        if self.tensors[source].num_elements != self.shape(source)[-1] or len(self.shape(tensor)) != 2:
            return tensor
        self.ops.pop()
        del self.tensors[-2:]
        return source

    def _producer(self, tensor: int) -> Op | None:
        index = self._producers.get(tensor)
        return None if index is None else self.ops[index]


def _window_output(size: int, window: int, stride: int, padding: str) -> int:
    return -(-size // stride) if padding == "same" else (size - window) // stride + 1


def _slide(
    shape: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int], padding: str, channels: int
) -> tuple[int, ...]:
    height = _window_output(shape[1], window[0], strides[0], padding)
    width = _window_output(shape[2], window[1], strides[1], padding)
    if height < 1 or width < 1:
        raise ModelError(f"bad window: expected one within {shape[1:3]}, received {window} with valid padding")
    return (shape[0], height, width, channels)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a blueprint."""

    arity: ClassVar[int] = 1

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        """Emit the layer's ops.

        Args:
            to: Collects ops and tensors.
            inputs: Tensor indices of the layer's inputs.
            fuse: Whether nothing else reads these inputs, so that the layer may be folded into their producer.

        Returns:
            The index of the output tensor.
        """
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, slots=True)
class InputLayer(Layer):
    """The network's input, `shape` without the batch."""

    shape: tuple[int, ...]
    arity: ClassVar[int] = 0

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return to.tensor((1, *self.shape))


@dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """`keras.layers.Reshape` to `target_shape` without the batch."""

    target_shape: tuple[int, ...]

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return _reshape(to, inputs[0], (1, *self.target_shape))


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """`keras.layers.Flatten`."""

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return _reshape(to, inputs[0], (1, to.tensors[inputs[0]].num_elements))


def _reshape(to: Emitter, tensor: int, shape: tuple[int, ...]) -> int:
    if to.shape(tensor) == shape:
        return tensor
    return to.op("RESHAPE", (tensor, to.constant((len(shape),), "int32", 0)), shape)


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """`keras.layers.Dropout`: gone after training."""

    rate: float

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class SpatialDropout2D(Dropout):
    """`keras.layers.SpatialDropout2D`: gone after training."""


@dataclass(frozen=True, slots=True)
class Conv2D(Layer):
    """`keras.layers.Conv2D`."""

    filters: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        weights = to.constant((self.filters, *self.kernel_size, shape[3]), num_scales=self.filters)
        bias = to.constant((self.filters,), "int32", self.filters)
        output = _slide(shape, self.kernel_size, self.strides, self.padding, self.filters)
        args = {"strides": self.strides, "padding": self.padding.upper()}
        return to.activate(to.op("CONV_2D", (inputs[0], weights, bias), output, **args), self.activation)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D(Layer):
    """`keras.layers.DepthwiseConv2D`."""

    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        channels = shape[3] * self.depth_multiplier
        weights = to.constant((1, *self.kernel_size, channels), num_scales=channels)
        bias = to.constant((channels,), "int32", channels)
        output = _slide(shape, self.kernel_size, self.strides, self.padding, channels)
        args = {"strides": self.strides, "padding": self.padding.upper()}
        return to.activate(to.op("DEPTHWISE_CONV_2D", (inputs[0], weights, bias), output, **args), self.activation)


@dataclass(frozen=True, slots=True)
class Dense(Layer):
    """`keras.layers.Dense` on a flat input."""

    units: int
    activation: str = "linear"
    use_bias: bool = True

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        source = to.undo_flatten(inputs[0]) if fuse else inputs[0]
        weights = to.constant((self.units, shape[-1]), num_scales=self.units)
        bias = to.constant((self.units,), "int32", self.units) if self.use_bias else -1
        output = to.op("FULLY_CONNECTED", (source, weights, bias), (*shape[:-1], self.units))
        return to.activate(output, self.activation)


@dataclass(frozen=True, slots=True)
class BatchNormalization(Layer):
    """`keras.layers.BatchNormalization` over the last axis.

    The momentum is lower than Keras' default of 0.99, with which short trainings end before it has averaged enough.
    """

    momentum: float = 0.9
    epsilon: float = 1e-3

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        if fuse and to.folds_batch_norm(inputs[0]):
            return inputs[0]
        shape = to.shape(inputs[0])
        scaled = to.op("MUL", (inputs[0], to.constant((shape[-1],))), shape)
        return to.op("ADD", (scaled, to.constant((shape[-1],))), shape)


@dataclass(frozen=True, slots=True)
class ReLU(Layer):
    """`keras.layers.ReLU`, with 6 as the only upper bound."""

    max_value: float | None = None

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        if self.max_value not in (None, 6.0):
            raise ModelError(f"unsupported ReLU: expected max_value None or 6, received {self.max_value}")
        return to.activate(inputs[0], "relu" if self.max_value is None else "relu6", fuse=fuse)


@dataclass(frozen=True, slots=True)
class Activation(Layer):
    """`keras.layers.Activation`."""

    activation: str

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return to.activate(inputs[0], self.activation, fuse=fuse)


@dataclass(frozen=True, slots=True)
class MaxPooling2D(Layer):
    """`keras.layers.MaxPooling2D`."""

    pool_size: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    padding: str = "valid"
    kind: ClassVar[str] = "MAX_POOL_2D"

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        output = _slide(shape, self.pool_size, self.strides, self.padding, shape[3])
        args = {"strides": self.strides, "padding": self.padding.upper(), "window": self.pool_size}
        return to.op(self.kind, inputs, output, **args)


@dataclass(frozen=True, slots=True)
class AveragePooling2D(MaxPooling2D):
    """`keras.layers.AveragePooling2D`."""

    kind: ClassVar[str] = "AVERAGE_POOL_2D"


@dataclass(frozen=True, slots=True)
class GlobalAveragePooling2D(Layer):
    """`keras.layers.GlobalAveragePooling2D`, a MEAN in TFLite."""

    keepdims: bool = False

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        output = (1, 1, 1, shape[3]) if self.keepdims else (1, shape[3])
        return to.op("MEAN", (inputs[0], to.constant((2,), "int32", 0)), output)


@dataclass(frozen=True, slots=True)
class Add(Layer):
    """`keras.layers.Add` of two tensors."""

    arity: ClassVar[int] = 2

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        return to.op("ADD", inputs, to.shape(inputs[0]))


@dataclass(frozen=True, slots=True)
class Concatenate(Layer):
    """`keras.layers.Concatenate` along the last axis."""

    arity: ClassVar[int] = -1

    def emit(self, to: Emitter, inputs: Sequence[int], *, fuse: bool) -> int:
        shape = to.shape(inputs[0])
        return to.op("CONCATENATION", inputs, (*shape[:-1], sum(to.shape(i)[-1] for i in inputs)))


@dataclass(frozen=True, slots=True)
class Node:
    """One layer and the nodes whose outputs it reads, by their positions in the blueprint."""

    layer: Layer
    inputs: tuple[int, ...] = field(default=())
