"""C and C++ sources that put a `.tflite` file into firmware."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.reporting.c_literals import c_float
from kd_edge.reporting.task_source import answers_source, task_lines
from tflite_bench.model.reader import ModelInfo, TensorInfo

_C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "float32": "float"}
# Methods of TFLM's MicroMutableOpResolver that are not the operator's name in camel case.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
_PER_LINE = 16
# The expected outputs are those of reference kernels; optimised ones may round one step differently.
_TOLERANCE_STEPS = 1
_TOLERANCE_FLOAT = 1e-3


@dataclass(frozen=True, slots=True)
class Settings:
    """What firmware has to know about a model beside its bytes.

    Attributes:
        arena_bytes: Size of the tensor arena.
        arena_source: How that was found, a sentence.
        task: What the model was asked.
        scale: Mean and standard deviation per channel to be applied to the raw values, `None` where none are.
        probabilities: Whether outputs are probabilities, not logits.
        anomaly_threshold: Of a reconstruction, the score above which a sample is an anomaly.
    """

    arena_bytes: int
    arena_source: str
    task: Task
    scale: tuple[tuple[float, ...], tuple[float, ...]] | None
    probabilities: bool = False
    anomaly_threshold: float | None = None


def render_sources(
    model: bytes,
    info: ModelInfo,
    settings: Settings,
    inputs: np.ndarray,
    outputs: np.ndarray,
    answers: np.ndarray | None = None,
) -> dict[str, str]:
    """Return the text of every source by its file's name.

    Args:
        model: Bytes of the `.tflite` file.
        info: The same, read; one input, one output.
        settings: Arena, task, scale.
        inputs: Test vectors in the type of the model's input, shape `(vectors, ...)`.
        outputs: What the model answers, raw.
        answers: What these say where they are no scores of classes, shape `(vectors, answers)`.

    Raises:
        ModelError: The file has custom operators, or an input or output of a type that the sources do not know.
    """
    return {
        "model_data.h": _MODEL_DATA_H,
        "model_data.cc": _model_data(model),
        "op_resolver.h": _op_resolver(info),
        "model_settings.h": _model_settings(info, settings),
        "test_vectors.h": _test_vectors_h(len(inputs), has_answers=answers is not None),
        "test_vectors.c": _test_vectors(inputs, outputs) + ("" if answers is None else "\n" + answers_source(answers)),
        "check_vectors.h": _CHECK_VECTORS_H,
        "check_vectors.c": _CHECK_VECTORS_C,
    }


def resolver_method(op: str) -> str:
    """Return the method of TFLM's `MicroMutableOpResolver` that registers a builtin operator.

    >>> resolver_method("DEPTHWISE_CONV_2D")
    'AddDepthwiseConv2D'
    """
    words = (word if word[0].isdigit() else word.capitalize() for word in op.split("_"))
    return _METHODS.get(op, "Add" + "".join(words))


def _op_resolver(info: ModelInfo) -> str:
    custom = sorted({op.name for op in info.ops if op.custom})
    if custom:
        raise ModelError(f"cannot bundle: expected builtin operators, received the custom {', '.join(custom)}")
    methods = [resolver_method(name) for name in dict.fromkeys(op.name for op in info.ops)]
    calls = "\n".join(f"  if (resolver.{method}() != kTfLiteOk) return kTfLiteError;" for method in methods)
    return _OP_RESOLVER_H.replace("NUM_OPS", str(len(methods))).replace("CALLS", calls)


def _model_data(model: bytes) -> str:
    return (
        '#include "model_data.h"\n\n'
        f"alignas(16) const unsigned char g_model_data[] = {{\n{_rows(map(hex, model))}\n}};\n"
        f"const unsigned int g_model_data_size = {len(model)}u;\n"
    )


def _model_settings(info: ModelInfo, settings: Settings) -> str:
    source, target = info.input_tensors[0], info.output_tensors[0]
    lines = [
        *_comment(f"Tensor arena. {settings.arena_source}"),
        f"#define MODEL_ARENA_BYTES {settings.arena_bytes}",
        "",
        *_tensor_lines("INPUT", source),
        "",
        *_tensor_lines("OUTPUT", target),
        "",
        "/* How far an output may be from the expected one. */",
        f"#define MODEL_TOLERANCE {_TOLERANCE_FLOAT if target.dtype == 'float32' else _TOLERANCE_STEPS}",
        "",
        *_scale_lines(settings.scale),
        *task_lines(
            settings.task,
            source,
            target,
            probabilities=settings.probabilities,
            anomaly_threshold=settings.anomaly_threshold,
        ),
    ]
    return _guarded("MODEL_SETTINGS_H_", "#include <stdint.h>\n\n" + "\n".join(lines))


def _tensor_lines(name: str, tensor: TensorInfo) -> list[str]:
    if tensor.dtype not in _C_TYPES:
        raise ModelError(f"cannot bundle: expected {', '.join(_C_TYPES)} as {name.lower()}, received {tensor.dtype}")
    lines = [
        f"/* {name.capitalize()} of shape {tensor.shape}, real = scale * (raw - zero point). */",
        f"typedef {_C_TYPES[tensor.dtype]} model_{name.lower()}_t;",
        f"#define MODEL_{name}_ELEMENTS {tensor.num_elements}",
    ]
    if tensor.scales:
        lines.append(f"#define MODEL_{name}_SCALE {c_float(tensor.scales[0])}")
        lines.append(f"#define MODEL_{name}_ZERO_POINT ({tensor.zero_points[0]})")
    return lines


def _scale_lines(scale: tuple[tuple[float, ...], tuple[float, ...]] | None) -> list[str]:
    if scale is None:
        return ["/* The model reads the values as they are. */", ""]
    lines = [
        "/* The model reads (value - mean) / deviation, per channel. */",
        f"#define MODEL_NUM_CHANNELS {len(scale[0])}",
    ]
    for name, values in zip(("mean", "deviation"), scale, strict=True):
        numbers = ", ".join(map(c_float, values))
        lines.append(f"static const float model_{name}[MODEL_NUM_CHANNELS] = {{{numbers}}};")
    return [*lines, ""]


def _test_vectors_h(count: int, *, has_answers: bool) -> str:
    text = _TEST_VECTORS_H.replace("NUM_VECTORS", str(count))
    return text.replace(_LAST_VECTORS, _LAST_VECTORS + _ANSWERS) if has_answers else text


def _test_vectors(inputs: np.ndarray, outputs: np.ndarray) -> str:
    parts = ['#include "test_vectors.h"\n']
    for name, length, values in (
        ("inputs", "INPUT", inputs.reshape(len(inputs), -1)),
        ("outputs", "OUTPUT", outputs.reshape(len(outputs), -1)),
    ):
        rows = ",\n".join(f"{{\n{_rows(map(_number, row.tolist()))}\n}}" for row in values)
        kind = f"model_{name[:-1]}_t"
        parts.append(f"const {kind} test_{name}[NUM_TEST_VECTORS][MODEL_{length}_ELEMENTS] = {{\n{rows}\n}};\n")
    return "\n".join(parts)


def _number(value: float) -> str:
    return c_float(value) if isinstance(value, float) else str(value)


def _rows(items: Iterable[str]) -> str:
    texts = list(items)
    return "\n".join(
        "    " + " ".join(f"{text}," for text in texts[start : start + _PER_LINE])
        for start in range(0, len(texts), _PER_LINE)
    )


def _comment(text: str) -> list[str]:
    return textwrap.wrap(f"/* {text.replace('*/', '* /')} */", 100, subsequent_indent="   ")


def _guarded(name: str, body: str) -> str:
    return f"#ifndef {name}\n#define {name}\n\n{body}\n\n#endif /* {name} */\n"


_MODEL_DATA_H = _guarded(
    "MODEL_DATA_H_",
    """#ifdef __cplusplus
extern "C" {
#endif

/* The .tflite file, aligned to 16 bytes. */
extern const unsigned char g_model_data[];
extern const unsigned int g_model_data_size;

#ifdef __cplusplus
}
#endif""",
)

_OP_RESOLVER_H = _guarded(
    "OP_RESOLVER_H_",
    """#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

// Exactly the operators of the model.
constexpr unsigned int kNumModelOps = NUM_OPS;
using ModelOpResolver = tflite::MicroMutableOpResolver<kNumModelOps>;

inline TfLiteStatus RegisterModelOps(ModelOpResolver& resolver) {
CALLS
  return kTfLiteOk;
}""",
)

_TEST_VECTORS_H = _guarded(
    "TEST_VECTORS_H_",
    """#include "model_settings.h"

#define NUM_TEST_VECTORS NUM_VECTORS

#ifdef __cplusplus
extern "C" {
#endif

/* Test samples as the model reads them, and what it has to answer. */
extern const model_input_t test_inputs[NUM_TEST_VECTORS][MODEL_INPUT_ELEMENTS];
extern const model_output_t test_outputs[NUM_TEST_VECTORS][MODEL_OUTPUT_ELEMENTS];

#ifdef __cplusplus
}
#endif""",
)

_LAST_VECTORS = "extern const model_output_t test_outputs[NUM_TEST_VECTORS][MODEL_OUTPUT_ELEMENTS];\n"
_ANSWERS = """/* What these outputs say, as the functions in model_settings.h compute it. */
extern const float test_answers[NUM_TEST_VECTORS][MODEL_NUM_ANSWERS];
"""

_CHECK_VECTORS_H = _guarded(
    "CHECK_VECTORS_H_",
    """#include "test_vectors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the model once: reads MODEL_INPUT_ELEMENTS values, writes MODEL_OUTPUT_ELEMENTS. Not 0 is a failure. */
typedef int (*model_run_t)(const model_input_t *input, model_output_t *output);

/* Returns how many test vectors fail: `run` fails, or an output is more than MODEL_TOLERANCE off. */
int check_vectors(model_run_t run);

#ifdef __cplusplus
}
#endif""",
)

_CHECK_VECTORS_C = """#include "check_vectors.h"

static int differs(const model_output_t *output, const model_output_t *expected) {
  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {
    const double difference = (double)output[i] - (double)expected[i];
    if (!(difference <= MODEL_TOLERANCE && difference >= -MODEL_TOLERANCE)) return 1;
  }
  return 0;
}

int check_vectors(model_run_t run) {
  static model_output_t output[MODEL_OUTPUT_ELEMENTS];
  int num_failed = 0;
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) output[i] = 0;
    if (run(test_inputs[vector], output) != 0 || differs(output, test_outputs[vector])) ++num_failed;
  }
  return num_failed;
}
"""
