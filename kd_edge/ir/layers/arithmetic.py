"""What networks do with their input before the first weights: normalization, arithmetic by channel, another order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kd_edge.errors import ModelError
from kd_edge.ir import fusion
from kd_edge.ir.graph_builder import GraphBuilder, Scaling
from kd_edge.ir.layers.base import Layer, Simulation, register_layer
from kd_edge.ir.shape_inference import Shape

Numbers = tuple[float, ...]


@register_layer
@dataclass(frozen=True, slots=True)
class Normalization(Layer):
    """`keras.layers.Normalization` over the last axis, by the mean and variance that it was given or has adapted to."""

    mean: Numbers
    variance: Numbers
    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True
    simulation: ClassVar[Simulation] = Simulation.BEHIND

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        output = inputs[0]
        subtracts, divides = any(self.mean), any(value != 1 for value in self.variance)
        if fusion.takes_scaling(to, output):
            return fusion.scale(to, output, add=subtracts, multiply=divides, values=None)
        shape = to.shape(output)
        constant = (*[1] * (len(shape) - 1), shape[-1])
        for kind, wanted in (("SUB", subtracts), ("MUL", divides)):
            if wanted:
                source, output = output, to.op(kind, (output, to.constant(constant)), shape)
                if shape[-1] == 1:
                    to.scalings[output] = Scaling(source, scalar=True, adds=kind == "SUB")
        return output

    @property
    def ties_channels(self) -> bool:
        return True


@register_layer
@dataclass(frozen=True, slots=True)
class SubtractNumber(Layer):
    """Subtracts a number, `x - a`, or with `reverse` subtracts from it, `a - x`; an operation on tensors."""

    number: float
    reverse: bool = False
    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True
    is_operation: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        if not self.reverse:
            return fusion.scale(to, inputs[0], multiply=False, subtract=True, values=(1.0, self.number))
        return to.op("SUB", (to.shared_constant((), "int8", self.number), inputs[0]), to.shape(inputs[0]))

    def render(self, inputs: Sequence[Any]) -> Any:
        return self.number - inputs[0] if self.reverse else inputs[0] - self.number


@dataclass(frozen=True, slots=True)
class ChannelArithmetic(Layer):
    """What adding and multiplying numbers of the channels' own share; operations on tensors, no layer of Keras."""

    values: Numbers
    shrinkable: ClassVar[bool] = True
    channelwise: ClassVar[bool] = True
    is_operation: ClassVar[bool] = True

    @property
    def ties_channels(self) -> bool:
        return True

    def numbers(self, rank: int) -> np.ndarray:
        """Return the numbers in the shape that a tensor of so many dimensions is computed with."""
        return np.asarray(self.values, np.float32).reshape((1,) * (rank - 1) + (-1,))


@register_layer
@dataclass(frozen=True, slots=True)
class AddChannels(ChannelArithmetic):
    """Adds a number to each channel: `x + [a, b, c]`."""

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.scale(to, inputs[0], multiply=False, values=None)

    def render(self, inputs: Sequence[Any]) -> Any:
        return inputs[0] + self.numbers(len(inputs[0].shape))


@register_layer
@dataclass(frozen=True, slots=True)
class MultiplyChannels(ChannelArithmetic):
    """Multiplies each channel by a number: `x * [a, b, c]`."""

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return fusion.scale(to, inputs[0], add=False, values=None)

    def render(self, inputs: Sequence[Any]) -> Any:
        return inputs[0] * self.numbers(len(inputs[0].shape))


@register_layer
@dataclass(frozen=True, slots=True)
class ReorderChannels(Layer):
    """The channels of an image in another order, `stack([x[..., 2], x[..., 1], x[..., 0]])`, as from RGB to BGR."""

    order: tuple[int, ...]
    shrinkable: ClassVar[bool] = True
    is_operation: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        *rest, channels = to.shape(inputs[0])
        if sorted(self.order) != list(range(channels)):
            raise ModelError(f"cannot reorder channels: expected each of {channels} once, received {self.order}")
        begins = [to.numbers(*[0] * len(rest), channel) for channel in self.order]
        slices = []
        for channel, begin in zip(self.order, begins, strict=True):
            end, steps = to.numbers(*[0] * len(rest), channel + 1), to.numbers(*[1] * (len(rest) + 1))
            slices.append(to.op("STRIDED_SLICE", (inputs[0], begin, end, steps), tuple(rest)))
        return to.op("PACK", slices, (*rest, channels))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    @property
    def ties_channels(self) -> bool:
        return True

    def render(self, inputs: Sequence[Any]) -> Any:
        import keras

        return keras.ops.stack([inputs[0][..., channel] for channel in self.order], axis=-1)
