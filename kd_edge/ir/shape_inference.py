"""Shape inference: the rules that the shapes of several kinds of layers follow from, without the batch or with it."""

from collections.abc import Sequence
from typing import NamedTuple

from kd_edge.errors import ModelError

Shape = tuple[int, ...]


class Window(NamedTuple):
    """A window that slides over an image or a sequence.

    Attributes:
        size: How many positions it covers along each dimension.
        strides: By how many it moves.
        padding: `"valid"`, or `"same"` or `"causal"`, with which every stride gives a position.
        dilations: Distance of the positions that it covers.
    """

    size: Shape
    strides: Shape
    padding: str
    dilations: Shape

    def slide(self, sizes: Sequence[int]) -> Shape:
        """Return how many positions the window takes along each dimension of an image; see `slide`."""
        return slide(sizes, self.size, self.strides, self.padding, self.dilations)

    @property
    def is_exact(self) -> bool:
        """Whether the output's size depends on more than the image's size divided by the strides."""
        return self.padding == "valid" and max(self.size) > 1


def slide(sizes: Sequence[int], window: Shape, strides: Shape, padding: str, dilations: Shape) -> Shape:
    """Return how many positions a window takes along each dimension.

    `ceil(size / stride)` with padding, else `floor((size - reach) / stride) + 1`, where a window reaches
    `(window - 1) * dilation + 1` positions.

    Raises:
        ModelError: The window is larger than the image.
    """
    if padding != "valid":
        return tuple([-(-size // stride) for size, stride in zip(sizes, strides, strict=True)])
    along = zip(sizes, window, strides, dilations, strict=True)
    positions = tuple([(size - (width - 1) * gap - 1) // stride + 1 for size, width, stride, gap in along])
    if min(positions) < 1:
        reach = tuple((width - 1) * gap + 1 for width, gap in zip(window, dilations, strict=True))
        raise ModelError(f"bad window: expected one within {tuple(sizes)}, received {reach} with valid padding")
    return positions


def same_paddings(sizes: Shape, window: Shape, strides: Shape, dilations: Shape) -> tuple[tuple[int, int], ...]:
    """Return how a SAME convolution of an image pads every dimension, batch and channels too, before and after."""
    paddings = [(0, 0)]
    for size, width, stride, dilation in zip(sizes, window, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        paddings.append((total // 2, total - total // 2))
    return (*paddings, (0, 0))


def broadcast(left: Shape, right: Shape) -> Shape:
    """Return the shape of an elementwise operation of two tensors.

    Raises:
        ModelError: Sizes of one dimension differ, and neither is 1.
    """
    if left == right:
        return left
    rank = max(len(left), len(right))
    pairs = list(zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True))
    if any(a != b and a != 1 and b != 1 for a, b in pairs):
        raise ModelError(f"cannot combine tensors of the shapes {left} and {right}: expected equal sizes or 1")
    return tuple(b if a == 1 else a for a, b in pairs)
