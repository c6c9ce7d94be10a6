"""What firmware gets for each task: C that computes from raw outputs what Python says they mean."""

import shutil
import subprocess
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.conversion.output_meaning import file_answers_probabilities
from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.model_sources import render_sources
from kd_edge.reporting.bundle.sources.task_source import raw_threshold
from kd_edge.reporting.bundle.vectors import NUM_VECTORS, Vectors, vector_answers, vector_rows
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
HARNESS = """#include <stdio.h>
#include "check_vectors.h"
int main(void) {
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    for (int number = 0; number < MODEL_NUM_ANSWERS; ++number) {
      const model_output_t *output = test_outputs[vector];
      printf("%.17g %.17g\\n", (double)(SAID), (double)test_answers[vector][number]);
    }
  }
  return 0;
}
"""
NAMES = ("it's \\ ??/", "größer", "c")
TASKS = {
    "binary": (Task("binary", NAMES[:2], threshold=0.8), "model_holds(output, number)"),
    "multilabel": (Task("multilabel", NAMES), "model_holds(output, number)"),
    "regression": (
        Task("regression", NAMES[:2], units=("°C", "g"), mean=(20.0, 5.0), deviation=(3.0, 0.5)),
        "model_value(output, number)",
    ),
    "reconstruction": (
        Task("reconstruction", ("normal", "anomaly")),
        "model_anomaly_score(test_inputs[vector], output)",
    ),
}


def dataset(task):
    x = np.random.default_rng(0).normal(size=(60, 5)).astype("f4")
    y = {
        "binary": (x[:, 0] > 0).astype(int),
        "multilabel": (x[:, :3] > 0).astype(int),
        "regression": x[:, :2],
        "reconstruction": (np.arange(60) % 3 == 0).astype(int),
    }[task.kind]
    return Dataset(task.kind, x, y, x, y, x, y, (), task=task)


def rendered(task, *, activation=None, quantize_to="int8", anomaly_threshold=0.25):
    """The sources of a network of one layer that answers rightly, and what Python makes of its outputs."""
    data = dataset(task)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(data.num_outputs, activation=activation)])
    model.set_weights([np.eye(5, data.num_outputs) * 9, np.zeros(data.num_outputs)])
    content = convert(model, data.x_train, quantize=quantize_to)
    info = read_model(content)
    inputs = quantize(data.x_test[vector_rows(data)], info.input_tensors[0])
    outputs = litert.run_outputs(content, inputs, reference_kernels=True)
    probabilities = file_answers_probabilities(info)
    real = dequantize(inputs, info.input_tensors[0]), dequantize(outputs, info.output_tensors[0])
    answers = vector_answers(task, *real, probabilities=probabilities)
    settings = Settings(1024, "Given.", task, None, probabilities, anomaly_threshold)
    return render_sources(content, info, settings, Vectors(inputs, outputs, answers)), answers


def printed(sources, answer, folder):
    """What the C program says of each vector, and what the sources expect it to say."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    (folder / "main.c").write_text(HARNESS.replace("SAID", answer))
    command = ["gcc", *WARNINGS, "main.c", "test_vectors.c", "check_vectors.c", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout.split()
    return np.array(lines, float).reshape(-1, 2).T


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("kind", TASKS)
def test_the_functions_in_c_say_what_python_says_of_the_same_outputs(kind, tmp_path):
    task, answer = TASKS[kind]
    sources, answers = rendered(task)
    said, expected = printed(sources, answer, tmp_path)
    assert answers.shape[0] == NUM_VECTORS
    assert said == pytest.approx(answers.reshape(-1), rel=1e-5, abs=1e-6)
    assert expected == pytest.approx(answers.reshape(-1), rel=1e-5, abs=1e-6)
    if kind in ("binary", "multilabel"):
        assert set(said) == {0, 1}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(("activation", "quantize_to"), [("sigmoid", "int8"), ("sigmoid", "none"), (None, "none")])
def test_probabilities_and_floats_have_thresholds_of_their_own(activation, quantize_to, tmp_path):
    task, answer = TASKS["binary"]
    sources, answers = rendered(task, activation=activation, quantize_to=quantize_to)
    said, _ = printed(sources, answer, tmp_path)
    assert said.tolist() == answers.reshape(-1).tolist()
    kind = "probability" if activation else "logit"
    assert f"/* An output is the {kind} of model_class_names[1]" in sources["model_settings.h"]


def test_the_raw_threshold_is_the_largest_output_that_does_not_exceed_the_limit():
    def output(scale, zero_point):
        return TensorInfo(0, "", (1, 1), (1, 1), "int8", scales=(scale,), zero_points=(zero_point,))

    half = Task("binary", ("no", "yes"))
    # A logit of 0 is the zero point itself.
    assert raw_threshold(half, output(0.1, 7), probabilities=False) == "(7)"
    assert raw_threshold(half, output(1 / 256, -128), probabilities=True) == "(0)"
    # log(0.8 / 0.2) = 1.386 lies between 13 and 14 steps of 0.1.
    assert raw_threshold(TASKS["binary"][0], output(0.1, -20), probabilities=False) == "(-7)"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize(
    ("threshold", "activation", "quantize_to", "said"),
    [
        (1e-12, None, "int8", "Every int8 output exceeds it: the answer is always yes."),
        (1 - 1e-12, None, "int8", "No int8 output exceeds it: the answer is always no."),
        (1 - 1e-12, "sigmoid", "none", "No float32 output exceeds it: the answer is always no."),
    ],
)
def test_a_threshold_out_of_reach_is_said_and_compiles(threshold, activation, quantize_to, said, tmp_path):
    task, answer = replace(TASKS["binary"][0], threshold=threshold), TASKS["binary"][1]
    sources, answers = rendered(task, activation=activation, quantize_to=quantize_to)
    assert f"/* {said} */" in sources["model_settings.h"]
    assert f"a probability of {threshold!r}. */" in sources["model_settings.h"]
    assert printed(sources, answer, tmp_path)[0].tolist() == answers.reshape(-1).tolist()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_values_of_a_mean_that_32_bits_round_are_told_apart(tmp_path):
    # A step of 32 bits is 128 there.
    task = replace(TASKS["regression"][0], mean=(1.7e9, 5.0), deviation=(10.0, 0.5))
    sources, answers = rendered(task)
    said, expected = printed(sources, TASKS["regression"][1], tmp_path)
    assert np.ptp(answers[:, 0]) > 10
    assert said == pytest.approx(answers.reshape(-1), rel=0, abs=1e-4)
    assert expected.tolist() == answers.reshape(-1).tolist()


def test_names_are_those_of_classes_labels_or_values_and_the_threshold_of_anomalies_is_given():
    header = {kind: rendered(task)[0]["model_settings.h"] for kind, (task, _) in TASKS.items()}
    assert "model_class_names[MODEL_NUM_CLASSES]" in header["binary"]
    for kind in ("multilabel", "regression", "reconstruction"):
        assert "model_class_names" not in header[kind]
    assert "model_label_names[MODEL_NUM_LABELS]" in header["multilabel"]
    assert '    "\\302\\260C",' in header["regression"]
    assert "#define MODEL_ANOMALY_THRESHOLD 0.25f" in header["reconstruction"]


def test_vectors_are_of_every_set_of_labels_in_turn_and_of_small_and_large_values():
    labels = dataset(TASKS["multilabel"][0])
    assert len(np.unique(labels.y_test[vector_rows(labels)], axis=0)) == 8
    values = dataset(TASKS["regression"][0])
    first = values.y_test[vector_rows(values), 0]
    assert (first[0], first[-1]) == (values.y_test[:, 0].min(), values.y_test[:, 0].max())
    sounds = dataset(TASKS["reconstruction"][0])
    assert sounds.y_test[vector_rows(sounds)].tolist() == [0, 1] * 5
