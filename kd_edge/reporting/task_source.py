"""What firmware has to know to read a model's output, as C: names, thresholds, units, and how an answer is computed."""

import math

import numpy as np

from kd_edge.data.task import Task
from kd_edge.reporting.c_literals import c_float, c_string
from tflite_bench.model.reader import TensorInfo


def task_lines(
    task: Task, source: TensorInfo, target: TensorInfo, *, probabilities: bool, anomaly_threshold: float | None
) -> list[str]:
    """Return the lines of `model_settings.h` that say what the output means.

    Args:
        task: What the model was asked.
        source: Its input.
        target: Its output.
        probabilities: Whether outputs are probabilities, not logits.
        anomaly_threshold: Of a reconstruction, the score above which a sample is an anomaly.
    """
    if task.kind == "multiclass":
        return _names("class", "MODEL_NUM_CLASSES", task.names)
    if task.kind == "binary":
        return [
            *_names("class", "MODEL_NUM_CLASSES", task.names),
            "",
            "#define MODEL_NUM_ANSWERS 1",
            *_threshold(task, target, probabilities, "model_class_names[1]"),
        ]
    if task.kind == "multilabel":
        return [
            *_names("label", "MODEL_NUM_LABELS", task.names),
            "",
            "#define MODEL_NUM_ANSWERS MODEL_NUM_LABELS",
            *_threshold(task, target, probabilities, "model_label_names[number]"),
        ]
    if task.kind == "regression":
        return _values(task, target)
    assert anomaly_threshold is not None
    return _score(source, target, anomaly_threshold)


def raw_threshold(task: Task, target: TensorInfo, *, probabilities: bool) -> str:
    """Return as C the raw output above which a binary network says yes, or a label counts.

    Of a quantized output it is the largest whole number whose real number does not exceed the limit.

    Args:
        task: Its threshold is a probability.
        target: The output.
        probabilities: Whether outputs are probabilities, not logits.
    """
    limit = task.threshold if probabilities else math.log(task.threshold / (1 - task.threshold))
    if not target.scales:
        return c_float(limit)
    return f"({math.floor(limit / target.scales[0] + target.zero_points[0])})"


def _names(what: str, count: str, names: tuple[str, ...]) -> list[str]:
    return [
        f"#define {count} {len(names)}",
        f"static const char *const model_{what}_names[{count}] = {{",
        *(f"    {c_string(name)}," for name in names),
        "};",
    ]


def _threshold(task: Task, target: TensorInfo, probabilities: bool, what: str) -> list[str]:
    kind = "probability" if probabilities else "logit"
    return [
        f"/* An output is the {kind} of {what}, which holds where it exceeds this; the limit is",
        f"   a probability of {task.threshold:g}. */",
        f"#define MODEL_OUTPUT_THRESHOLD {raw_threshold(task, target, probabilities=probabilities)}",
        f"/* Returns 1 where {what} holds, else 0. */",
        "static inline int model_holds(const model_output_t *output, int number) {",
        "  return output[number] > MODEL_OUTPUT_THRESHOLD;",
        "}",
    ]


def _values(task: Task, target: TensorInfo) -> list[str]:
    units = task.units or ("",) * len(task.names)
    mean, deviation = task.mean or (0.0,) * len(task.names), task.deviation or (1.0,) * len(task.names)
    return [
        *_names("value", "MODEL_NUM_VALUES", task.names),
        "static const char *const model_value_units[MODEL_NUM_VALUES] = {",
        *(f"    {c_string(unit)}," for unit in units),
        "};",
        f"static const float model_value_mean[MODEL_NUM_VALUES] = {{{', '.join(map(c_float, mean))}}};",
        f"static const float model_value_deviation[MODEL_NUM_VALUES] = {{{', '.join(map(c_float, deviation))}}};",
        "",
        "#define MODEL_NUM_ANSWERS MODEL_NUM_VALUES",
        "/* Returns the value of model_value_names[number] in its unit. */",
        "static inline float model_value(const model_output_t *output, int number) {",
        f"  const float answer = {_real('output', 'number', target)};",
        "  return answer * model_value_deviation[number] + model_value_mean[number];",
        "}",
    ]


def _score(source: TensorInfo, target: TensorInfo, threshold: float) -> list[str]:
    return [
        "#define MODEL_NUM_ANSWERS 1",
        "/* A sample is an anomaly where its score exceeds this. */",
        f"#define MODEL_ANOMALY_THRESHOLD {c_float(threshold)}",
        "/* Returns how badly the model reconstructs its input: the mean square difference of the real numbers. */",
        "static inline float model_anomaly_score(const model_input_t *input, const model_output_t *output) {",
        "  float sum = 0.0f;",
        "  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {",
        f"    const float difference = {_real('output', 'i', target)} - {_real('input', 'i', source)};",
        "    sum += difference * difference;",
        "  }",
        "  return sum / (float)MODEL_OUTPUT_ELEMENTS;",
        "}",
    ]


def _real(name: str, index: str, tensor: TensorInfo) -> str:
    if not tensor.scales:
        return f"(float){name}[{index}]"
    return f"MODEL_{name.upper()}_SCALE * (float)({name}[{index}] - MODEL_{name.upper()}_ZERO_POINT)"


def answers_source(answers: np.ndarray) -> str:
    """Return the C array of what the test vectors' outputs say.

    Args:
        answers: Shape `(vectors, answers)`.
    """
    rows = ",\n".join(f"    {{{', '.join(map(c_float, row))}}}" for row in answers.tolist())
    return f"const float test_answers[NUM_TEST_VECTORS][MODEL_NUM_ANSWERS] = {{\n{rows}\n}};\n"
