"""Which operators of a file TFLM has no kernel for."""

from dataclasses import dataclass

from kd_edge.conversion.layer_names import UNNAMED, LayerNames, layer_of
from tflite_bench.model.reader import ModelInfo
from tflite_bench.provenance import Measured
from tflite_bench.runners import tflm


@dataclass(frozen=True, slots=True)
class MissingOp:
    """An operator that TFLM has no kernel for.

    Attributes:
        op: TFLite's name.
        index: Position of its first use in the file.
        layer: The layer that made that.
    """

    op: str
    index: Measured[int]
    layer: str


def find_missing_ops(info: ModelInfo, names: LayerNames = UNNAMED) -> tuple[MissingOp, ...]:
    """Return the operators of a file that TFLM lacks, each with the layer that made its first use.

    Raises:
        RuntimeMissingError: `tflite-micro` is not installed.
        RunnerError: TFLM crashed or hung.
    """
    first = {op.name: op for op in reversed(info.ops)}
    return tuple(
        MissingOp(name, first[name].index, layer_of(info, first[name], names)) for name in tflm.missing_ops(info)
    )
