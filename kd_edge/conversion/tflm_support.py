"""Which operators of a file TFLM has no kernel for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kd_edge.clone.layer_names import UNNAMED, LayerNames, layer_of, names_of
from kd_edge.errors import ModelError
from tflite_bench.errors import RunnerError
from tflite_bench.model.info import ModelInfo, OpInfo
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Measured
from tflite_bench.runners import tflm

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class MissingOp:
    """An operator that TFLM has no kernel for.

    Attributes:
        op: TFLite's name.
        index: Position of its first use in its subgraph.
        layer: The layer that made that.
        subgraph: Position of the subgraph.
    """

    op: str
    index: Measured[int]
    layer: str
    subgraph: Measured[int] = 0


def missing_from(model: "keras.Model") -> tuple[str, ...]:
    """Return a sentence for each operator of a model that TFLite or TFLM lacks, to be said before it is trained.

    The model is converted to floats as it is. Nothing is said where TFLM is not installed.
    """
    from kd_edge.conversion.converter import convert

    try:
        info = read_model(convert(model, quantize="none"))
        missing = find_missing_ops(info, names_of(model))
    except ModelError as error:
        return (str(error),)
    except RunnerError:
        return ()
    return tuple(f"TFLM has no kernel for {op.op}, layer {op.layer!r}" for op in missing)


def find_missing_ops(info: ModelInfo, names: LayerNames = UNNAMED) -> tuple[MissingOp, ...]:
    """Return the operators of a file that TFLM lacks, each with the layer that made its first use.

    Raises:
        RuntimeMissingError: `tflite-micro` is not installed.
        RunnerError: TFLM crashed or hung.
    """
    first: dict[str, tuple[int, OpInfo]] = {}
    for number, graph in enumerate(info.subgraphs):
        for op in graph.ops:
            first.setdefault(op.name, (number, op))
    found = [(name, *first[name]) for name in tflm.missing_ops(info)]
    return tuple(MissingOp(name, op.index, layer_of(info, op, names, subgraph=at), at) for name, at, op in found)
