"""A network drawn: one block per layer, as wide as it has channels, with the shape that it hands on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kd_edge.ir.graph import Graph, Op

_WIDTH, _ROW, _BLOCK, _LEAST = 380, 42, 26, 8
_LEFT, _WIDEST = 170, 120
_SILENT = ("RESHAPE", "QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True, slots=True)
class Block:
    """One layer of a drawing.

    Attributes:
        kind: What it is, in words.
        kernel: Its window, for example `"3x3"`; empty without one.
        shape: What it hands on, without the batch.
        channels: The last dimension.
    """

    kind: str
    kernel: str
    shape: tuple[int, ...]
    channels: int

    @property
    def words(self) -> str:
        """The layer in words, for example `"conv 3x3"`."""
        return f"{self.kind} {self.kernel}".strip()

    @property
    def shape_words(self) -> str:
        """The shape in words, for example `"32x1x48"`."""
        return "\u00d7".join(str(size) if size else "?" for size in self.shape)


@dataclass(frozen=True, slots=True)
class Placed:
    """One block in the drawing, in its units.

    Attributes:
        block: The layer.
        x: Left edge.
        y: Upper edge.
        width: Of the block.
    """

    block: Block
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """One network drawn.

    Attributes:
        title: Whose it is.
        blocks: Its layers from top to bottom.
        width: Of the drawing.
        height: Of the drawing.
        block_height: Of a block.
    """

    title: str
    blocks: tuple[Placed, ...]
    width: int
    height: int
    block_height: int

    @property
    def middle(self) -> float:
        """Where the line from block to block runs."""
        return _LEFT + _WIDEST / 2

    @property
    def words(self) -> str:
        """The drawing for who cannot see it."""
        layers = "; ".join(f"{p.block.words} to {p.block.shape_words}" for p in self.blocks)
        return f"{self.title}, {len(self.blocks)} layers: {layers}"


def graph_blocks(graph: Graph) -> tuple[Block, ...]:
    """Return the ops of a file that compute something, in their order."""
    return tuple(_op_blocks(graph))


def draw(title: str, blocks: Sequence[Block], *, most_channels: int) -> Drawing:
    """Place the blocks of a network.

    Args:
        title: Whose it is.
        blocks: Its layers.
        most_channels: Those of the widest block of all drawings beside each other: others
            grow with the square root, so that few channels beside many can still be seen.
    """
    placed = []
    for row, block in enumerate(blocks):
        width = max(_LEAST, _WIDEST * math.sqrt(block.channels / most_channels))
        placed.append(Placed(block, _LEFT + (_WIDEST - width) / 2, 1 + row * _ROW, width))
    return Drawing(title, tuple(placed), _WIDTH, 2 + len(blocks) * _ROW, _BLOCK)


def _op_blocks(graph: Graph) -> Iterator[Block]:
    for op in graph.ops:
        shape = graph.tensors[op.outputs[0]].shape[1:] if op.outputs else ()
        if shape and op.kind not in _SILENT:
            yield Block(op.kind.lower().replace("_2d", "").replace("_", " "), _kernel(graph, op), shape, shape[-1])


def _kernel(graph: Graph, op: Op) -> str:
    if "CONV" not in op.kind:
        return ""
    return "\u00d7".join(map(str, graph.tensors[op.inputs[1]].shape[1:3]))
