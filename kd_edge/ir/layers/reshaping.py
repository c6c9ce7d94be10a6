"""Layers that move values without computing any: Keras' names and arguments, and the TFLite ops each becomes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kd_edge.errors import ModelError
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Layer

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """`keras.layers.Reshape` to `target_shape` without the batch; one size may be -1."""

    target_shape: tuple[int, ...]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        known = math.prod(size for size in self.target_shape if size != -1)
        rest = to.tensors[inputs[0]].num_elements // known
        return to.reshape(inputs[0], (1, *(rest if size == -1 else size for size in self.target_shape)))


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """`keras.layers.Flatten`."""

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.reshape(inputs[0], (1, to.tensors[inputs[0]].num_elements))


@dataclass(frozen=True, slots=True)
class Permute(Layer):
    """`keras.layers.Permute`, with dimensions counted from 1."""

    dims: tuple[int, ...]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        shape = to.shape(inputs[0])
        return to.op("TRANSPOSE", (inputs[0], to.numbers(0, *self.dims)), (1, *(shape[i] for i in self.dims)))


@dataclass(frozen=True, slots=True)
class ZeroPadding2D(Layer):
    """`keras.layers.ZeroPadding2D`; the converter makes it part of a convolution that would pad just so."""

    padding: tuple[Pair, Pair]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.pad(inputs[0], ((0, 0), *self.padding, (0, 0)))


@dataclass(frozen=True, slots=True)
class ZeroPadding1D(Layer):
    """`keras.layers.ZeroPadding1D`."""

    padding: Pair

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.pad(inputs[0], ((0, 0), self.padding, (0, 0)))


@dataclass(frozen=True, slots=True)
class Cropping2D(Layer):
    """`keras.layers.Cropping2D`."""

    cropping: tuple[Pair, Pair]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _crop(to, inputs[0], ((0, 0), *self.cropping, (0, 0)))


@dataclass(frozen=True, slots=True)
class Cropping1D(Layer):
    """`keras.layers.Cropping1D`."""

    cropping: Pair

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _crop(to, inputs[0], ((0, 0), self.cropping, (0, 0)))


def _crop(to: GraphBuilder, tensor: int, cropping: tuple[Pair, ...]) -> int:
    shape = tuple(size - before - after for size, (before, after) in zip(to.shape(tensor), cropping, strict=True))
    if min(shape) < 1:
        raise ModelError(f"bad cropping: expected less than {to.shape(tensor)[1:-1]}, received {cropping[1:-1]}")
    begin, end = (to.numbers(*(pair[side] * sign for pair in cropping)) for side, sign in ((0, 1), (1, -1)))
    return to.op("STRIDED_SLICE", (tensor, begin, end, to.numbers(*[1] * len(shape))), shape)


@dataclass(frozen=True, slots=True)
class UpSampling2D(Layer):
    """`keras.layers.UpSampling2D`, nearest by a TILE per direction."""

    size: Pair = (2, 2)
    interpolation: str = "nearest"

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        _, height, width, channels = to.shape(inputs[0])
        if self.interpolation == "bilinear":
            sizes = (height * self.size[0], width * self.size[1])
            return to.op("RESIZE_BILINEAR", (inputs[0], to.numbers(*sizes)), (1, *sizes, channels))
        if self.interpolation != "nearest":
            raise ModelError(f"unsupported interpolation: expected nearest or bilinear, received {self.interpolation}")
        return _repeat(to, _repeat(to, inputs[0], 1, self.size[0]), 2, self.size[1])


@dataclass(frozen=True, slots=True)
class UpSampling1D(Layer):
    """`keras.layers.UpSampling1D`."""

    size: int = 2

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _repeat(to, inputs[0], 1, self.size)


def _repeat(to: GraphBuilder, tensor: int, axis: int, times: int) -> int:
    """Repeat every slice along an axis."""
    if times == 1:
        return tensor
    shape = to.shape(tensor)
    wide = (*shape[: axis + 1], 1, *shape[axis + 1 :])
    factors = [1] * len(wide)
    factors[axis + 1] = times
    tiled = tuple(size * factor for size, factor in zip(wide, factors, strict=True))
    output = to.op("TILE", (to.reshape(tensor, wide), to.numbers(*factors)), tiled)
    return to.reshape(output, (*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))
