"""Pooling layers: Keras' names and arguments, and the TFLite ops each becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer
from kd_edge.ir.layers.convolutional import as_image, as_sequence, slide


def _pool(
    to: GraphBuilder, kind: str, source: int, window: tuple[int, int], strides: tuple[int, int], padding: str
) -> int:
    _, height, width, channels = to.shape(source)
    shape = (1, *slide((height, width), window, strides, padding), channels)
    return to.op(kind, (source,), shape, strides=strides, padding=padding.upper(), window=window)


def _reduce(to: GraphBuilder, kind: str, source: int, axes: int, *, keepdims: bool) -> int:
    shape = to.shape(source)
    reduced = (1, *[1] * (len(shape) - 2 if keepdims else 0), shape[-1])
    return source if reduced == shape else to.op(kind, (source, axes), reduced)


@dataclass(frozen=True, slots=True)
class MaxPooling2D(Layer):
    """`keras.layers.MaxPooling2D`."""

    pool_size: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    padding: str = "valid"
    kind: ClassVar[str] = "MAX_POOL_2D"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _pool(to, self.kind, inputs[0], self.pool_size, self.strides, self.padding)


@dataclass(frozen=True, slots=True)
class AveragePooling2D(MaxPooling2D):
    """`keras.layers.AveragePooling2D`."""

    kind: ClassVar[str] = "AVERAGE_POOL_2D"


@dataclass(frozen=True, slots=True)
class MaxPooling1D(Layer):
    """`keras.layers.MaxPooling1D`."""

    pool_size: tuple[int] = (2,)
    strides: tuple[int] = (2,)
    padding: str = "valid"
    kind: ClassVar[str] = "MAX_POOL_2D"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        image = as_image(to, inputs[0])
        return as_sequence(to, _pool(to, self.kind, image, (1, *self.pool_size), (1, *self.strides), self.padding))


@dataclass(frozen=True, slots=True)
class AveragePooling1D(MaxPooling1D):
    """`keras.layers.AveragePooling1D`."""

    kind: ClassVar[str] = "AVERAGE_POOL_2D"


@dataclass(frozen=True, slots=True)
class GlobalAveragePooling2D(Layer):
    """`keras.layers.GlobalAveragePooling2D`, a MEAN in TFLite."""

    keepdims: bool = False
    kind: ClassVar[str] = "MEAN"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _reduce(to, self.kind, inputs[0], to.numbers(1, 2), keepdims=self.keepdims)


@dataclass(frozen=True, slots=True)
class GlobalMaxPooling2D(GlobalAveragePooling2D):
    """`keras.layers.GlobalMaxPooling2D`, a REDUCE_MAX in TFLite."""

    kind: ClassVar[str] = "REDUCE_MAX"


@dataclass(frozen=True, slots=True)
class GlobalAveragePooling1D(Layer):
    """`keras.layers.GlobalAveragePooling1D`, a MEAN in TFLite."""

    keepdims: bool = False
    kind: ClassVar[str] = "MEAN"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _reduce(to, self.kind, inputs[0], to.shared_constant((), "int32", 1), keepdims=self.keepdims)


@dataclass(frozen=True, slots=True)
class GlobalMaxPooling1D(GlobalAveragePooling1D):
    """`keras.layers.GlobalMaxPooling1D`, a REDUCE_MAX in TFLite."""

    kind: ClassVar[str] = "REDUCE_MAX"
