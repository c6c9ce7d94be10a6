"""Compares the step of a stream that kd_edge writes with files of microWakeWord of the same shape.

`python -m tools.benchmarks.streaming FOLDER` prints the table of docs/streaming.md. FOLDER has files of microWakeWord
(https://github.com/kahrendt/microWakeWord, Apache-2.0) by the names `microwakeword_stream_52k.tflite`,
`microwakeword_vad.tflite` and `microwakeword_stream_62k.tflite`, of which the last splits channels, as no layer does.
Networks of the same layers are drawn with random weights: costs do not depend on these.
"""

import sys
from pathlib import Path

import numpy as np

from kd_edge.conversion.converter import convert
from kd_edge.cost.file_size import flash_bytes
from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.layers import Conv2D, DepthwiseConv2D, Flatten, ReLU, Reshape
from kd_edge.ir.layers.core import BatchNormalization, Dense
from kd_edge.ir.lowering import lower
from tflite_bench.runners import tflm

FEATURES, STEP = 40, 3
# Filters of the first convolution and of the separable ones, windows of these, and positions that the head reads.
SHAPES = {
    "microwakeword_stream_52k": (30, 60, (5, 9, 13, 21), 5),
    "microwakeword_vad": (32, 48, (5, 8, 13), 1),
}
ALONE = "microwakeword_stream_62k"


def remade(first: int, filters: int, windows: tuple[int, ...], left: int) -> Blueprint:
    """Return a network of the layers of a file, over the window of time that its last answer depends on."""
    positions = left + sum(window - 1 for window in windows)
    frames = 5 + STEP * (positions - 1)
    sketch = Sketch((frames, FEATURES))
    sketch.add(Reshape((frames, 1, FEATURES)))
    sketch.add(Conv2D(first, (5, 1), (STEP, 1), use_bias=False))
    for window in windows:
        sketch.add(ReLU())
        sketch.add(DepthwiseConv2D((window, 1), use_bias=False))
        sketch.add(Conv2D(filters, (1, 1), use_bias=False))
        sketch.add(BatchNormalization())
    sketch.add(ReLU())
    sketch.add(Flatten())
    return sketch.blueprint(sketch.add(Dense(1, "sigmoid")))


def row(name: str, content: bytes) -> str:
    """Return the costs of a file as a row of a table."""
    graph = lower(content)
    arena = tflm.measure_arena(content)
    kept = sum(part.tensors[op.inputs[1]].num_bytes for part in graph.subgraphs for op in part.ops if op.inputs[1:])
    frames = graph.tensors[graph.inputs[0]].shape[1]
    cells = [f"{graph.total_macs:,}", f"{kept:,} B", f"{arena.arena_bytes:,} B", f"{len(content):,} B"]
    computed = flash_bytes(graph)
    return " | ".join([f"| {name}", str(frames), *cells, f"{computed:,} B, {computed / len(content) - 1:+.1%} |"])


def main() -> None:
    """Print the table."""
    folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
    print("| file | frames | MACs | kept | TFLM's arena | file size | computed |\n|---|---:|---:|---:|---:|---:|---:|")
    for name, shape in SHAPES.items():
        print(row(f"`{name}`", (folder / f"{name}.tflite").read_bytes()))
        model = remade(*shape).to_keras()
        windows = rng.normal(size=(8, *model.input_shape[1:])).astype(np.float32)
        print(row("the same layers, by kd_edge", convert(model, windows, stream=STEP)))
    print(row(f"`{ALONE}`", (folder / f"{ALONE}.tflite").read_bytes()))


if __name__ == "__main__":
    main()
