"""The network of a bundle as rows of its README."""

from dataclasses import dataclass

from kd_edge.clone.layer_names import layer_of
from kd_edge.ir.tflite_reader import read_graph
from tflite_bench.model.info import ModelInfo


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One op of a network.

    Attributes:
        op: Its kind.
        layer: The layer that made it, empty where the file names none.
        output: Dimensions of its first output.
        params: Stored numbers that it reads.
        macs: Multiply-accumulate operations; empty where nobody knows them.
    """

    op: str
    layer: str
    output: str
    params: str
    macs: str


def network_rows(info: ModelInfo) -> list[NetworkRow]:
    """Return the ops of a file in their order.

    Args:
        info: The file, read.
    """
    graph = read_graph(info)
    rows = []
    for op, read in zip(graph.ops, info.ops, strict=True):
        macs = graph.macs(op)
        params = sum(graph.tensors[index].num_params for index in op.inputs if index >= 0)
        shape = "x".join(map(str, graph.tensors[op.outputs[0]].shape)) if op.outputs else ""
        # Files of older converters name a bias by how it was read.
        named = layer_of(info, read) if read.outputs else ""
        layer = named.removesuffix("/ReadVariableOp").removesuffix("/BiasAdd")
        rows.append(NetworkRow(op.kind, layer, shape, f"{params:,}", "" if macs is None else f"{macs:,}"))
    return rows
