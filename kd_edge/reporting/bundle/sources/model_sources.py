"""C and C++ sources that put a `.tflite` file into firmware."""

from typing import Any

import numpy as np

from kd_edge.ir.tflite_reader import read_graph
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.front_end_source import front_end_source
from kd_edge.reporting.bundle.sources.output_sources import output_sources, whole_output
from kd_edge.reporting.bundle.sources.rendering import render
from kd_edge.reporting.bundle.sources.task_source import output_lines, task_values
from kd_edge.reporting.bundle.tolerance import tolerance_of, units_of
from kd_edge.reporting.bundle.vectors import Vectors
from tflite_bench.model.info import ModelInfo, TensorInfo

C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "float32": "float"}
# Methods of TFLM's MicroMutableOpResolver that are not the operator's name in camel case.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
UNKNOWN_SCALE = "the file does not say how values are scaled before"


def render_sources(
    model: bytes, info: ModelInfo, settings: Settings, vectors: Vectors, *, tflm_header: str | None = None
) -> dict[str, str]:
    """Return the text of every source by its file's name.

    Args:
        model: Bytes of the `.tflite` file.
        info: The same, read; one input, of types in `C_TYPES`.
        settings: Arena, task, scale.
        vectors: Samples and answers.
        tflm_header: The header by which a tool chain finds its library of TFLM, where it needs one.

    Raises:
        ModelError: A number is too large for C, infinite or NaN.
    """
    source, target, outputs = info.input_tensors[0], whole_output(info), output_sources(settings, info)
    answers = () if vectors.answers is None else vectors.answers.tolist()
    filled: dict[str, dict[str, Any]] = {
        "model_data.h": {},
        "model_data.cc": {"model": model},
        "op_resolver.h": {"methods": _methods(info)},
        "model_settings.h": {
            "settings": settings,
            "source": source,
            "target": target,
            "types": C_TYPES,
            "tolerance": tolerance_of(target),
            "outputs": outputs,
            "unknown_scale": UNKNOWN_SCALE,
            **task_values(settings, target),
        },
        "model.h": {"reads": reads_lines(source, settings), "answers_with": output_lines(settings)},
        "model.cc": {
            "tflm_header": tflm_header,
            "num_variables": read_graph(info).num_variables,
            "input_type": f"kTfLite{source.dtype.title().replace('Uint', 'UInt')}",
            "output_counts": _counts(info),
            "output_type": f"kTfLite{target.dtype.title().replace('Uint', 'UInt')}",
        },
        "test_vectors.h": {"inputs": vectors.inputs, "answers": answers, "vectors_of": vectors.vectors_of},
        "test_vectors.c": {"inputs": _rows(vectors.inputs), "outputs": _rows(vectors.outputs), "answers": answers},
        "check_vectors.h": {},
        "check_vectors.c": {"units": units_of(vectors.outputs, info)},
        "run_vectors.h": {},
        "run_vectors.c": {"in_order": vectors.in_order},
    }
    rendered = {name: render(name, **values) for name, values in filled.items()}
    if settings.front_end is not None:
        rendered["audio_front_end.h"] = front_end_source(settings.front_end)
    return rendered


def resolver_method(op: str) -> str:
    """Return the method of TFLM's `MicroMutableOpResolver` that registers a builtin operator.

    >>> resolver_method("DEPTHWISE_CONV_2D")
    'AddDepthwiseConv2D'
    """
    words = (word if word[0].isdigit() else word.capitalize() for word in op.split("_"))
    return _METHODS.get(op, "Add" + "".join(words))


def _methods(info: ModelInfo) -> list[str]:
    return [resolver_method(name) for name in dict.fromkeys(op.name for graph in info.subgraphs for op in graph.ops)]


def _counts(info: ModelInfo) -> list[int | str]:
    """Return in C how many numbers each output has."""
    counts: list[int | str] = [tensor.num_elements for tensor in info.output_tensors]
    return counts if len(counts) > 1 else ["MODEL_OUTPUT_ELEMENTS"]


def reads_lines(source: TensorInfo, settings: Settings) -> tuple[str, ...]:
    """Return what each number of the input is."""
    value = "the values as they are" if settings.input_known else f"the values ({UNKNOWN_SCALE})"
    if settings.scale:
        value = "(value - model_mean[channel]) / model_deviation[channel]"
    if not source.scales:
        return (value,)
    return f"{value}, quantized:", "round(that / MODEL_INPUT_SCALE) + MODEL_INPUT_ZERO_POINT"


def _rows(values: np.ndarray) -> list[list[float]]:
    rows: list[list[float]] = values.reshape(len(values), -1).tolist()
    return rows
