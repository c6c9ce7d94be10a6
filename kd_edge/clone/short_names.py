"""Short names of a file's tensors; the converter joins the paths of all layers that went into an op.

The joined paths are up to 40 % of a small file. What an op computes is called by its layer, constants by what they
are and the number of the op that reads them first: `conv2d`, `weights3`, `bias3`. Inputs and outputs keep their names,
so constants of an op that makes an output tell its layer: `dense:weights7`.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from kd_edge.clone.layer_names import LayerNames, layer_of
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import has_all_constants, pack, unpack

BIAS_POSITION = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
"""Where the bias is among an op's inputs."""


class NamedOp(NamedTuple):
    """An op as far as its tensors' names need it.

    Attributes:
        kind: Name of the operator.
        inputs: Indices of the tensors that it reads.
        outputs: Indices of the tensors that it writes.
        layer: What its layer is called, as TensorFlow takes it; empty where that is not known.
    """

    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    layer: str


def short_names(ops: Sequence[NamedOp], constants: Collection[int], kept: Collection[int]) -> dict[int, str]:
    """Return the names of the tensors of some ops, each another one.

    Args:
        ops: In the order in which they run.
        constants: Indices of the tensors that have contents.
        kept: Indices of the tensors that keep the names they have, as inputs and outputs do.
    """
    names: dict[int, str] = {}
    made: Counter[str] = Counter()
    for number, op in enumerate(ops):
        scope = f"{op.layer}:" if op.layer and any(tensor in kept for tensor in op.outputs) else ""
        for place, tensor in enumerate(op.inputs):
            if tensor in constants and tensor not in names and tensor not in kept:
                names[tensor] = f"{scope}{_role(op.kind, place)}{number}"
        for tensor in op.outputs:
            if op.layer and tensor not in kept:
                names[tensor] = f"{op.layer}:{made[op.layer]}" if made[op.layer] else op.layer
                made[op.layer] += 1
    return names


def _role(kind: str, place: int) -> str:
    if kind in BIAS_POSITION and place in (1, BIAS_POSITION[kind]):
        return "weights" if place == 1 else "bias"
    return f"input{place}_"


def with_short_names(content: bytes, names: LayerNames) -> bytes:
    """Return a file whose tensors have short names; a file beyond 2 GB as it is.

    Args:
        content: Bytes of the file, as the converter writes it.
        names: Of the layers of the model that it was made of.
    """
    info, model = read_model(content), unpack(content)
    if not has_all_constants(model):
        return content
    for index, name in _names(info, names).items():
        model.subgraphs[0].tensors[index].name = name
    return pack(model)


def _names(info: ModelInfo, names: LayerNames) -> dict[int, str]:
    valid = {name: other for other, name in names.renamed.items()}
    layers = [layer_of(info, op, names) for op in info.ops]
    known = [valid.get(layer, layer) for layer in layers]
    ops = [
        NamedOp(op.name, op.inputs, op.outputs, layer if layer in names.known else "")
        for op, layer in zip(info.ops, known, strict=True)
    ]
    constants = {tensor.index for tensor in info.tensors if tensor.constant}
    return short_names(ops, constants, {*info.inputs, *info.outputs})
