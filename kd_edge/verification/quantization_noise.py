"""What quantization adds to the output of every op: float file against quantized file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np

from kd_edge.clone.layer_names import UNNAMED, LayerNames, layer_of
from tflite_bench.model.info import ModelInfo, OpInfo
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Measured
from tflite_bench.runners.op_outputs import trace

# Ops that only one of the two files has, and what names a variable.
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST", "VAR_HANDLE"})


@dataclass(frozen=True, slots=True)
class OpNoise:
    """The noise in the output of one op of the quantized file.

    Attributes:
        index: Position of the op in the quantized file.
        op: TFLite's name of the operator.
        layer: The layer that made it.
        signal_to_noise_db: `10 log10(sum float^2 / sum (float - quantized)^2)`; `None` without noise or signal.
        unavailable_reason: Which of the two is missing, by the figure's name.
    """

    index: Measured[int]
    op: str
    layer: str
    signal_to_noise_db: Measured[float | None]
    unavailable_reason: Mapping[str, str] = field(default_factory=dict, hash=False)


def measure_noise(
    model: bytes, float_model: bytes, samples: np.ndarray, *, names: LayerNames = UNNAMED
) -> tuple[OpNoise, ...]:
    """Return the noise of every op of a quantized file that the float file of the same network has too.

    Args:
        model: Bytes of the quantized `.tflite` file.
        float_model: Bytes of the float file.
        samples: A few samples as the float network reads them, shape `(samples, ...)`.
        names: Names of the Keras model's layers.

    Raises:
        RunnerError: LiteRT refuses a file, crashed or hung.
    """
    infos = read_model(model), read_model(float_model)
    noisy, clean = (
        trace(content, quantize(samples, info.tensors[info.inputs[0]]))
        for content, info in zip((model, float_model), infos, strict=True)
    )
    return tuple(
        OpNoise(
            op.index,
            op.name,
            layer_of(infos[0], op, names),
            *_decibels(clean[other.index], dequantize(noisy[op.index], infos[0].tensors[op.outputs[0]])),
        )
        for op, other in _pairs(*infos)
    )


def _pairs(info: ModelInfo, other: ModelInfo) -> list[tuple[OpInfo, OpInfo]]:
    """Return the ops that both files have, matched by kind and shape in their order."""
    ours, theirs = ([op for op in i.ops if op.name not in _CONVERSIONS and op.outputs] for i in (info, other))
    keys = [
        [(op.name, i.tensors[op.outputs[0]].shape) for op in ops]
        for i, ops in zip((info, other), (ours, theirs), strict=True)
    ]
    blocks = SequenceMatcher(a=keys[0], b=keys[1], autojunk=False).get_matching_blocks()
    return [(ours[b.a + k], theirs[b.b + k]) for b in blocks for k in range(b.size)]


def _decibels(clean: np.ndarray, noisy: np.ndarray) -> tuple[float | None, dict[str, str]]:
    """Return the signal to noise of an output, and why it has none."""
    signal, noise = float(np.square(clean, dtype=np.float64).sum()), float(np.square(clean - noisy).sum())
    if signal and noise:
        return float(10 * np.log10(signal / noise)), {}
    return None, {"signal_to_noise_db": "no signal: all are 0 in float" if noise else "no noise"}
