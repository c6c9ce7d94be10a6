"""Pooling layers: Keras' names and arguments, and the TFLite ops each becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer, Simulation, register_layer
from kd_edge.ir.layers.reshaping import Flatten
from kd_edge.ir.layers.sequences import SequenceLayer, as_image, as_sequence
from kd_edge.ir.shape_inference import Shape, Window, slide


@dataclass(frozen=True, slots=True)
class Pooling(Layer):
    """What pooling layers share; no layer of Keras."""

    kind: ClassVar[str]

    def window(self) -> Window:
        fields: Any = self
        return Window(fields.pool_size, fields.strides, fields.padding, (1,) * len(fields.pool_size))

    def resized(self, size: Shape, strides: Shape) -> Layer:
        changes: dict[str, Any] = {"pool_size": size, "strides": strides}
        return replace(self, **changes)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (*self.window().slide(inputs[0][:-1]), inputs[0][-1])


def _pool(
    to: GraphBuilder, kind: str, source: int, window: tuple[int, int], strides: tuple[int, int], padding: str
) -> int:
    _, height, width, channels = to.shape(source)
    shape = (1, *slide((height, width), window, strides, padding, (1, 1)), channels)
    return to.op(kind, (source,), shape, strides=strides, padding=padding.upper(), window=window)


@register_layer
@dataclass(frozen=True, slots=True)
class MaxPooling2D(Pooling):
    """`keras.layers.MaxPooling2D`."""

    pool_size: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    padding: str = "valid"
    kind: ClassVar[str] = "MAX_POOL_2D"
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _pool(to, self.kind, inputs[0], self.pool_size, self.strides, self.padding)


@register_layer
@dataclass(frozen=True, slots=True)
class AveragePooling2D(MaxPooling2D):
    """`keras.layers.AveragePooling2D`."""

    kind: ClassVar[str] = "AVERAGE_POOL_2D"
    simulation: ClassVar[Simulation] = Simulation.NOWHERE


@register_layer
@dataclass(frozen=True, slots=True)
class MaxPooling1D(Pooling, SequenceLayer):
    """`keras.layers.MaxPooling1D`."""

    pool_size: tuple[int] = (2,)
    strides: tuple[int] = (2,)
    padding: str = "valid"
    kind: ClassVar[str] = "MAX_POOL_2D"
    image: ClassVar[type[Layer]] = MaxPooling2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        image = as_image(to, inputs[0])
        return as_sequence(to, _pool(to, self.kind, image, (1, *self.pool_size), (1, *self.strides), self.padding))


@register_layer
@dataclass(frozen=True, slots=True)
class AveragePooling1D(MaxPooling1D):
    """`keras.layers.AveragePooling1D`."""

    kind: ClassVar[str] = "AVERAGE_POOL_2D"
    image: ClassVar[type[Layer]] = AveragePooling2D


@dataclass(frozen=True, slots=True)
class GlobalPooling(Layer):
    """What layers share that pool over all positions; no layer of Keras.

    Attributes:
        kind: TFLite's op.
        pooling: The layer that does the same with a window as large as its input.
    """

    kind: ClassVar[str]
    pooling: ClassVar[type[MaxPooling2D]]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        fields: Any = self
        shape = inputs[0]
        return (*[1] * (len(shape) - 1 if fields.keepdims else 0), shape[-1])

    def parts(self) -> tuple[tuple[Layer, str], ...]:
        fields: Any = self
        return ((self, ""),) if fields.keepdims else ((replace(fields, keepdims=True), ""), (Flatten(), ""))

    def _reduce(self, to: GraphBuilder, source: int, axes: int) -> int:
        shape = to.shape(source)
        reduced = (1, *self.output_shape([shape[1:]]))
        return source if reduced == shape else to.op(self.kind, (source, axes), reduced)


@register_layer
@dataclass(frozen=True, slots=True)
class GlobalAveragePooling2D(GlobalPooling):
    """`keras.layers.GlobalAveragePooling2D`, a MEAN in TFLite."""

    keepdims: bool = False
    kind: ClassVar[str] = "MEAN"
    shrinkable: ClassVar[bool] = True
    pooling: ClassVar[type[MaxPooling2D]] = AveragePooling2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return self._reduce(to, inputs[0], to.numbers(1, 2))

    def over_whole(self, size: Shape) -> Layer:
        height, width = size
        return self.pooling((height, width), (height, width))


@register_layer
@dataclass(frozen=True, slots=True)
class GlobalMaxPooling2D(GlobalAveragePooling2D):
    """`keras.layers.GlobalMaxPooling2D`, a REDUCE_MAX in TFLite."""

    kind: ClassVar[str] = "REDUCE_MAX"
    pooling: ClassVar[type[MaxPooling2D]] = MaxPooling2D


@register_layer
@dataclass(frozen=True, slots=True)
class GlobalAveragePooling1D(GlobalPooling, SequenceLayer):
    """`keras.layers.GlobalAveragePooling1D`, a MEAN in TFLite."""

    keepdims: bool = False
    kind: ClassVar[str] = "MEAN"
    image: ClassVar[type[Layer]] = GlobalAveragePooling2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return self._reduce(to, inputs[0], to.shared_constant((), "int32", 1))


@register_layer
@dataclass(frozen=True, slots=True)
class GlobalMaxPooling1D(GlobalAveragePooling1D):
    """`keras.layers.GlobalMaxPooling1D`, a REDUCE_MAX in TFLite."""

    kind: ClassVar[str] = "REDUCE_MAX"
    image: ClassVar[type[Layer]] = GlobalMaxPooling2D
