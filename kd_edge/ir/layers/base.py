"""The layer base class and the registry: what a layer is to the rest of kd_edge is said by its class alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.shape_inference import Shape, Window, broadcast


class Channels(Enum):
    """What a layer does with the channels, the last axis, of what it reads."""

    KEEPS = "each stays for itself"
    MIXES = "new ones, each made from all"
    MERGES = "those at one place in all inputs become one"
    JOINS = "those of all inputs, side by side"
    FLATTENS = "repeated for every position"
    RESHAPES = "positions and channels are split up anew"


class Simulation(Enum):
    """Where quantization-aware training simulates int8 at a layer."""

    LIBRARY = "where tensorflow-model-optimization does so by itself"
    BEHIND = "at the output; the library does not know the layer"
    NOWHERE = "the op hands its input's scale on"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a blueprint.

    A class has the name of its Keras layer and that layer's arguments as fields, and is known once `register_layer` has
    seen it. Only `emit` has to be written; the defaults below are those of a layer that works on every number alone,
    that no student may be derived from, and that has no weights.

    Attributes:
        arity: Number of inputs: 2 also for Keras layers that take more, pair by pair; -1 for any number.
        weighted: Whether two layers with the same fields are different layers.
        channels: What it does with channels.
        shrinkable: Whether a teacher with such a layer can be pruned; of one over sequences its image layers say so.
        channelwise: Whether it belongs to the layer before it, as batch normalization and activations do.
        training_only: Whether it is gone after the training.
        over_sequences: Whether it reads `(time, channels)`; `as_image_layers` then says what does the same over images.
        is_operation: Whether it stands for operations on tensors, which `render` makes, and not for a layer of Keras.
        absorbs_affine: Whether the library of quantization-aware training makes a batch normalization a part of it.
        is_affine: Whether it multiplies and adds numbers per channel.
        simulation: Where int8 is simulated in quantization-aware training.
    """

    arity: ClassVar[int] = 1
    weighted: ClassVar[bool] = False
    channels: ClassVar[Channels] = Channels.KEEPS
    shrinkable: ClassVar[bool] = False
    channelwise: ClassVar[bool] = False
    training_only: ClassVar[bool] = False
    over_sequences: ClassVar[bool] = False
    is_operation: ClassVar[bool] = False
    absorbs_affine: ClassVar[bool] = False
    is_affine: ClassVar[bool] = False
    simulation: ClassVar[Simulation] = Simulation.LIBRARY

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        """Emit the layer's ops.

        Args:
            to: Collects ops and tensors; `kd_edge.ir.fusion` has what the converter fuses.
            inputs: Tensor indices of the layer's inputs.

        Returns:
            The index of the output tensor.

        Raises:
            ModelError: The layer cannot be lowered with these inputs.
            NotImplementedError: The class has not written it.
        """
        raise NotImplementedError(type(self).__name__)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the output.

        Args:
            inputs: Shapes of the inputs, all without the batch.

        Raises:
            ModelError: The layer cannot read inputs of these shapes.
        """
        shape = inputs[0]
        for other in inputs[1:]:
            shape = broadcast(shape, other)
        return shape

    def window(self) -> Window | None:
        """Return the window that slides over the input; None where none does."""
        return None

    def resized(self, size: Shape, strides: Shape) -> "Layer":
        """Return the layer with a window of another size and other strides.

        Args:
            size: Of the window, a number per axis that it slides over.
            strides: The same of its steps.

        Raises:
            NotImplementedError: The class has no window, or has not written it.
        """
        raise NotImplementedError(type(self).__name__)

    def with_channels(self, count: int) -> "Layer":
        """Return the layer with so many output channels, where it has a say in that."""
        return self

    @property
    def ties_channels(self) -> bool:
        """Whether the channels it reads and those it makes have to stay as many as they are."""
        return False

    @property
    def is_exact(self) -> bool:
        """Whether the output's size depends on more than the input's size divided by a stride."""
        window = self.window()
        return window is not None and window.is_exact

    def weight_axes(self) -> Mapping[str, str]:
        """Return what the axes of the weights are that a pruned student inherits.

        Returns:
            By Keras' name of the weight a letter per axis: `i` input channels, `o` output channels, `h` and `w` the
            window, `.` none of these.
        """
        return {}

    def render(self, inputs: Sequence[Any]) -> Any:
        """Return what Keras' operations make of Keras tensors; only for a layer that is no layer of Keras.

        Args:
            inputs: The tensors that it reads.

        Raises:
            NotImplementedError: The class is a layer of Keras, or has not written it.
        """
        raise NotImplementedError(type(self).__name__)

    def as_image_layers(self) -> "tuple[Layer, ...]":
        """Return the layers that do over `(time, 1, channels)` what this one does over `(time, channels)`."""
        return (self,)

    def parts(self) -> "tuple[tuple[Layer, str], ...]":
        """Return the simpler layers that this one consists of, and what the names of the weights of each begin with."""
        return ((self, ""),)

    def separated(self) -> "tuple[Layer, Layer] | None":
        """Return the cheaper depthwise and pointwise layers that may take its place; None where there are none."""
        return None

    def as_logits(self) -> "Layer | None":
        """Return the layer as the last of a network, less its softmax; None where nothing is left of it."""
        linear: dict[str, Any] = {"activation": "linear"}
        return replace(self, **linear) if getattr(self, "activation", "") == "softmax" else self

    def for_student(self) -> "Layer":
        """Return the layer with the arguments that a small network is trained with."""
        return self

    def over_whole(self, size: Shape) -> "Layer":
        """Return the layer as an op that more runtimes have, for images of one size; itself where there is none."""
        return self


Kind = TypeVar("Kind", bound=type[Layer])

_LAYERS: dict[str, type[Layer]] = {}

LAYERS: Mapping[str, type[Layer]] = MappingProxyType(_LAYERS)
"""Every registered class of layer by its name, which is that of its Keras layer."""


def register_layer(kind: Kind) -> Kind:
    """Make a class of layer known: a decorator, also for classes outside of kd_edge.

    Models with Keras layers of the same name can then be read, and blueprints with it rendered; a Keras layer that is
    not Keras' own has to be registered with `keras.saving.register_keras_serializable`.

    Args:
        kind: A frozen dataclass, above whose own decorator this one stands; of one name the last one counts.
    """
    _LAYERS[kind.__name__] = kind
    return kind


def kind_of(layer: Any) -> type[Layer]:
    """Return the class for a Keras layer, or the bare `Layer` for one that is not known.

    A layer of others may be called as one of Keras and do something else: the classes of kd_edge stand for Keras' own.
    """
    kind = LAYERS.get(type(layer).__name__, Layer)
    return kind if is_of_keras(layer) or not _is_built_in(kind) else Layer


def is_of_keras(layer: Any) -> bool:
    """Return whether Keras, of whichever major version, defines a layer or an operation."""
    return type(layer).__module__.split(".")[0] in ("keras", "tf_keras")


def _is_built_in(kind: type[Layer]) -> bool:
    return kind.__module__.split(".")[0] == __name__.split(".")[0]


@register_layer
@dataclass(frozen=True, slots=True)
class InputLayer(Layer):
    """The network's input, `shape` without the batch."""

    shape: tuple[int, ...]
    arity: ClassVar[int] = 0
    weighted: ClassVar[bool] = True
    shrinkable: ClassVar[bool] = True

    def emit(self, to: GraphBuilder, inputs: Sequence[int]) -> int:
        return to.tensor((1, *self.shape))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return self.shape


@dataclass(frozen=True, slots=True)
class Node:
    """One layer and the nodes whose outputs it reads, by their positions in the blueprint.

    Attributes:
        layer: The layer.
        inputs: Positions of the nodes that it reads.
        shares: Position of the node whose weights it has: that of the first call of a layer that is called several
            times. `None` where the weights are its own.
    """

    layer: Layer
    inputs: tuple[int, ...] = field(default=())
    shares: int | None = None
