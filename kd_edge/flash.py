"""The size of a network's `.tflite` file, to be known before the file exists.

The file is a flatbuffer: tables of the tensors, their quantization, the ops and the codes, then names and constants.
What follows from the format is counted: constants aligned to 16 bytes, 4 bytes per dimension and per tensor that an op
refers to, 12 per scale (a float and a zero point of 64 bits). The sizes of the tables, which share parts and are
padded, are averages fitted to the zoo's files (`tools/make_cost_tables.py` shows the errors). The names are those of
`Graph.name_bytes`: of a file they are known, of a Keras model they follow its layers' names. Constants of equal bytes,
which the converter keeps once, are counted each: a graph does not know values.
"""

from dataclasses import dataclass
from math import prod

from kd_edge.graph import DTYPE_BYTES, Graph

# Header, metadata, buffer list, signature and subgraph.
_FILE_BYTES = 575
_TENSOR_BYTES = 60
_QUANTIZED_BYTES = 29
_CONSTANT_BYTES = -12
_ENDPOINT_BYTES = 12
_OP_BYTES = 10
_OP_CODE_BYTES = 26
_OPTION_BYTES = {
    "AVERAGE_POOL_2D": 34,
    "CONV_2D": 14,
    "DEPTHWISE_CONV_2D": 29,
    "MAX_POOL_2D": 34,
    "STRIDED_SLICE": 41,
    "TRANSPOSE_CONV": 18,
}


@dataclass(frozen=True, slots=True)
class RuntimeFlash:
    """Flash that the interpreter and its kernels take, apart from the model.

    Attributes:
        low_bytes: With few kinds of ops.
        high_bytes: With many.
        source: Where the figures come from.
    """

    low_bytes: int
    high_bytes: int
    source: str


RUNTIME_FLASH = RuntimeFlash(
    low_bytes=16_000,
    high_bytes=50_000,
    source="published, not measured here: tflite-micro's documentation states 16 kB for the core on a Cortex-M3; "
    "field guides 20 to 50 kB with the operators of a model. No figure per operator is published that could be added "
    "up: link your firmware and read its map file",
)


def flash_bytes(graph: Graph) -> int:
    """Return the size of the network's `.tflite` file before it exists.

    Args:
        graph: The network.

    Returns:
        Bytes; the module's text says what is counted and what is an average.
    """
    size = _FILE_BYTES + graph.name_bytes + _ENDPOINT_BYTES * (len(graph.inputs) + len(graph.outputs))
    for shape, dtype, constant, num_scales in graph.tensors:
        size += _TENSOR_BYTES + 4 * len(shape)
        if num_scales:
            size += _QUANTIZED_BYTES + 12 * num_scales
        if constant:
            size += _CONSTANT_BYTES + (prod(shape) * DTYPE_BYTES[dtype] + 15) // 16 * 16
    kinds = set()
    for op in graph.ops:
        kind = op[0]
        kinds.add(kind)
        size += _OP_BYTES + 4 * (len(op[1]) + len(op[2])) + _OPTION_BYTES.get(kind, 0)
    return size + _OP_CODE_BYTES * len(kinds)
