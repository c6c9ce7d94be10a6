"""Layers that move values without computing any: Keras' names and arguments, and the TFLite ops each becomes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from kd_edge.errors import ModelError
from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers.base import Channels, Layer, register_layer
from kd_edge.ir.layers.sequences import SequenceLayer
from kd_edge.ir.shape_inference import Shape

Pair = tuple[int, int]


@register_layer
@dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """`keras.layers.Reshape` to `target_shape` without the batch; one size may be -1."""

    target_shape: tuple[int, ...]
    channels: ClassVar[Channels] = Channels.RESHAPES
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.reshape(to, inputs[0], (1, *self.output_shape([to.shape(inputs[0])])))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        known = math.prod(size for size in self.target_shape if size != -1)
        return tuple(math.prod(inputs[0]) // known if size == -1 else size for size in self.target_shape)

    def as_image_layers(self) -> tuple[Layer, ...]:
        target = self.target_shape
        return (Reshape((target[0], 1, target[1])) if len(target) == 2 else self,)


@register_layer
@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """`keras.layers.Flatten`."""

    channels: ClassVar[Channels] = Channels.FLATTENS
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.reshape(to, inputs[0], (1, to.tensors[inputs[0]].num_elements))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (math.prod(inputs[0]),)


@register_layer
@dataclass(frozen=True, slots=True)
class Permute(Layer):
    """`keras.layers.Permute`, with dimensions counted from 1; one that moves only axes of size 1 is a RESHAPE."""

    dims: tuple[int, ...]

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        before = to.shape(inputs[0])
        shape = (1, *self.output_shape([before[1:]]))
        longer = [dimension for dimension in self.dims if before[dimension] > 1]
        if longer == sorted(longer):
            return fusion.reshape(to, inputs[0], shape)
        return to.op("TRANSPOSE", (inputs[0], to.numbers(0, *self.dims)), shape)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return tuple(inputs[0][dimension - 1] for dimension in self.dims)


@register_layer
@dataclass(frozen=True, slots=True)
class ZeroPadding2D(Layer):
    """`keras.layers.ZeroPadding2D`; the converter makes it part of a convolution that would pad just so."""

    padding: tuple[Pair, Pair]
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.pad(to, inputs[0], ((0, 0), *self.padding, (0, 0)))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width, channels = inputs[0]
        return (height + sum(self.padding[0]), width + sum(self.padding[1]), channels)

    @property
    def is_exact(self) -> bool:
        return True


@register_layer
@dataclass(frozen=True, slots=True)
class ZeroPadding1D(SequenceLayer):
    """`keras.layers.ZeroPadding1D`."""

    padding: Pair
    image: ClassVar[type[Layer]] = ZeroPadding2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.pad(to, inputs[0], ((0, 0), self.padding, (0, 0)))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (inputs[0][0] + sum(self.padding), inputs[0][1])


@register_layer
@dataclass(frozen=True, slots=True)
class Cropping2D(Layer):
    """`keras.layers.Cropping2D`."""

    cropping: tuple[Pair, Pair]
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _crop(to, inputs[0], (*self.cropping, (0, 0)))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return _cropped(inputs[0], (*self.cropping, (0, 0)))

    @property
    def is_exact(self) -> bool:
        return True


@register_layer
@dataclass(frozen=True, slots=True)
class Cropping1D(SequenceLayer):
    """`keras.layers.Cropping1D`."""

    cropping: Pair
    image: ClassVar[type[Layer]] = Cropping2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return _crop(to, inputs[0], (self.cropping, (0, 0)))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return _cropped(inputs[0], (self.cropping, (0, 0)))


def _cropped(shape: Shape, cropping: tuple[Pair, ...]) -> Shape:
    cropped = tuple(size - before - after for size, (before, after) in zip(shape, cropping, strict=True))
    if min(cropped) < 1:
        raise ModelError(f"bad cropping: expected less than {shape[:-1]}, received {cropping[:-1]}")
    return cropped


def _crop(to: GraphBuilder, tensor: int, cropping: tuple[Pair, ...]) -> int:
    shape = (1, *_cropped(to.shape(tensor)[1:], cropping))
    pairs = ((0, 0), *cropping)
    begin, end = (to.numbers(*(pair[side] * sign for pair in pairs)) for side, sign in ((0, 1), (1, -1)))
    return to.op("STRIDED_SLICE", (tensor, begin, end, to.numbers(*[1] * len(shape))), shape)


_NEAREST = "RESIZE_NEAREST_NEIGHBOR"


@register_layer
@dataclass(frozen=True, slots=True)
class UpSampling2D(Layer):
    """`keras.layers.UpSampling2D`."""

    size: Pair = (2, 2)
    interpolation: str = "nearest"
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        names = {"bilinear": "RESIZE_BILINEAR", "nearest": _NEAREST}
        if self.interpolation not in names:
            raise ModelError(f"unsupported interpolation: expected nearest or bilinear, received {self.interpolation}")
        *sizes, channels = self.output_shape([to.shape(inputs[0])[1:]])
        return to.op(names[self.interpolation], (inputs[0], to.numbers(*sizes)), (1, *sizes, channels))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width, channels = inputs[0]
        return (height * self.size[0], width * self.size[1], channels)

    @property
    def is_exact(self) -> bool:
        return True


@register_layer
@dataclass(frozen=True, slots=True)
class UpSampling1D(SequenceLayer):
    """`keras.layers.UpSampling1D`."""

    size: int = 2
    image: ClassVar[type[Layer]] = UpSampling2D

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        steps, channels = to.shape(inputs[0])[1:]
        image = fusion.reshape(to, inputs[0], (1, steps, 1, channels))
        longer = to.op(_NEAREST, (image, to.numbers(steps * self.size, 1)), (1, steps * self.size, 1, channels))
        return fusion.reshape(to, longer, (1, steps * self.size, channels))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (inputs[0][0] * self.size, inputs[0][1])
