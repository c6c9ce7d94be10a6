"""The size of a network's `.tflite` file, to be known before the file exists.

The file is a flatbuffer: tables of the tensors, their quantization, the ops and the codes, then names and constants.
What follows from the format is counted: constants aligned to 16 bytes, 4 bytes per dimension and per tensor that an op
refers to, 12 per scale (a float and a zero point of 64 bits). The sizes of the tables, which share parts and are
padded, are averages fitted to the zoo's files (`tools/benchmarks/cost_accuracy.py` shows the errors). The names are
those of `Graph.name_bytes`: of a file they are known, of a Keras model they follow its layers' names. Constants of
equal bytes, which the converter keeps once, are counted each: a graph does not know values.
"""

import math

from kd_edge.ir.graph import Graph, Op, Tensor
from tflite_bench.model.operators.registry import spec_of

# Header, metadata, buffer list, signature and subgraph.
_FILE_BYTES = 590
_TENSOR_BYTES = 60
_QUANTIZED_BYTES = 29
_CONSTANT_BYTES = -5
_ENDPOINT_BYTES = 12
_SUBGRAPH_BYTES = 60
_OP_BYTES = 10
_OP_CODE_BYTES = 26
# How far a computed size was from the file at most: this share of it or these bytes for all networks of the zoo; these
# bytes a tensor where there are very many small ones, as in unrolled recurrent layers.
_ERROR_SHARE, _ERROR_BYTES, _TENSOR_ERROR_BYTES = 0.01, 128, 8
BESIDE_ERROR_BYTES = 250
"""How much less than it says the bytes that a file holds beside its network may be; see `metadata_bytes`."""
SIZE_ERROR = (
    "before there is a file its size is known within 1 %, 128 B or 8 B a tensor, and less by the biases, of which the "
    "converter leaves out those that are zero"
)


def flash_bytes(graph: Graph) -> int:
    """Return the size of the network's `.tflite` file before it exists.

    Args:
        graph: The network.

    Returns:
        Bytes; the module's text says what is counted and what is an average.
    """
    parts = sum(map(tensor_flash_bytes, graph.tensors)) + sum(map(op_flash_bytes, graph.ops))
    return file_bytes(graph, parts)


def flash_ends(graph: Graph, size: int, *, beside_bytes: int = 0) -> tuple[int, int]:
    """Return the least and the most bytes that a file may have whose size was computed.

    Biases that are zero, as those of a fresh network or of a convolution without any, are left out of the file, or are
    there once for all; a graph does not know values.

    Args:
        graph: The network.
        size: What was computed.
        beside_bytes: What of it is beside the network.
    """
    share = math.ceil(_ERROR_SHARE * (size - beside_bytes))
    error = max(_ERROR_BYTES, share, _TENSOR_ERROR_BYTES * len(graph.tensors))
    biases = [tensor for tensor in graph.tensors if tensor.constant and tensor.dtype == "int32" and tensor.num_scales]
    names = math.ceil(graph.name_bytes * len(biases) / max(len(graph.tensors), 1))
    least = size - error - min(beside_bytes, BESIDE_ERROR_BYTES) - sum(map(tensor_flash_bytes, biases)) - names
    return max(least, 0), size + error


def file_bytes(graph: Graph, parts: int) -> int:
    """Return the size of a network's file, given the bytes of its tensors and ops.

    Args:
        graph: The network.
        parts: The sum of `tensor_flash_bytes` and `op_flash_bytes` of its first subgraph.
    """
    endpoints = len(graph.inputs) + len(graph.outputs)
    num_codes = len({op[0] for op in graph.ops})
    parts += sum(map(_subgraph_bytes, graph.subgraphs))
    return _FILE_BYTES + graph.name_bytes + _ENDPOINT_BYTES * endpoints + _OP_CODE_BYTES * num_codes + parts


def _subgraph_bytes(graph: Graph) -> int:
    """Return what a subgraph takes that another one calls."""
    return (
        _SUBGRAPH_BYTES
        + graph.name_bytes
        + sum(map(tensor_flash_bytes, graph.tensors))
        + sum(map(op_flash_bytes, graph.ops))
    )


def tensor_flash_bytes(tensor: Tensor) -> int:
    """Return what one tensor takes in the file, with its contents if it is constant."""
    size = _TENSOR_BYTES + 4 * len(tensor.shape)
    if tensor.num_scales:
        size += _QUANTIZED_BYTES + 12 * tensor.num_scales
    return size + (_CONSTANT_BYTES + (tensor.num_bytes + 15) // 16 * 16 if tensor.constant else 0)


def op_flash_bytes(op: Op) -> int:
    """Return what one op takes in the file, without its tensors."""
    return _OP_BYTES + 4 * (len(op.inputs) + len(op.outputs)) + spec_of(op.kind).file_options_bytes
