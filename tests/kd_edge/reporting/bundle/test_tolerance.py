"""What the check on the board passes: answers within the tolerance, and no memory that nothing was written to."""

import shutil
import subprocess

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kd_edge.data.task import Task
from kd_edge.reporting.bundle.settings import Settings
from kd_edge.reporting.bundle.sources.model_sources import render_sources
from kd_edge.reporting.bundle.tolerance import one_answer_passes
from kd_edge.reporting.bundle.vectors import Vectors, random_vectors
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
HARNESS = """#include "check_vectors.h"
static int run(const model_input_t *input, model_output_t *output) {
  const model_output_t *expected = test_outputs[(int)input[0]];
  (void)expected;
  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {
    ACTION;
  }
  return 0;
}
int main(void) { return check_vectors(run); }
"""


def settings(count):
    return Settings(1024, "Given.", Task("regression", tuple(f"output {place}" for place in range(count))), None)


def network(kind, count=2):
    """The file of a layer with answers of a type."""
    made = SyntheticNetwork((4,), dtype="float32" if kind == "float32" else "int8")
    made.dense(count)
    model = unpack(made.to_bytes())
    model.subgraphs[0].tensors[-1].type = getattr(schema.TensorType, kind.upper())
    return pack(model)


def num_failed(model, outputs, action, folder):
    """How many vectors fail where `action` is what firmware does to number `i` of its output."""
    info = read_model(model)
    inputs = np.zeros((len(outputs), 4), info.input_tensors[0].dtype)
    inputs[:, 0] = range(len(outputs))
    for name, text in render_sources(model, info, settings(outputs.shape[1]), Vectors(inputs, outputs)).items():
        (folder / name).write_text(text)
    (folder / "main.c").write_text(HARNESS.replace("ACTION", action))
    command = ["gcc", "-std=c99", *WARNINGS, "main.c", "check_vectors.c", "test_vectors.c", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return subprocess.run([folder / "main"]).returncode


needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
TIMES = "output[i] = (model_output_t)({} * (double)expected[i])"
STEPS = "output[i] = (model_output_t)(expected[i] + {})"


@needs_gcc
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        *(("float32", [0, 0]), ("float32", [1e-4, -1e-4]), ("float32", [1e6, -1e6]), ("float32", [3.4e38, 0])),
        *(("int8", [0, 0]), ("int8", [127, -128]), ("uint8", [0, 255]), ("uint8", [3, 4]), ("int16", [-32768, 32767])),
    ],
)
def test_firmware_that_writes_nothing_passes_no_vector(kind, values, tmp_path):
    outputs = np.array([values, values, values], kind)
    assert num_failed(network(kind), outputs, "(void)output", tmp_path) == 3


@needs_gcc
@pytest.mark.parametrize(
    ("kind", "values", "action", "fail"),
    [
        ("float32", [1e-4, -1e-4], TIMES.format(1.0005), 0),
        ("float32", [1e-4, -1e-4], TIMES.format(1.002), 2),
        ("float32", [1e6, -1e6], TIMES.format(1.0005), 0),
        ("float32", [1e6, -1e6], TIMES.format(1.002), 2),
        ("int8", [5, -5], STEPS.format(1), 0),
        ("int8", [5, -5], STEPS.format(2), 2),
    ],
)
def test_the_tolerance_of_real_numbers_is_a_part_of_the_largest_and_that_of_others_a_step(
    kind, values, action, fail, tmp_path
):
    assert num_failed(network(kind), np.array([values, values], kind), action, tmp_path) == fail


@needs_gcc
@pytest.mark.parametrize(("off", "fail"), [(("500.0f", "0.0005f"), 0), (("2000.0f", "0.0f"), 1), (("0.0f", "0.5f"), 1)])
def test_each_of_several_outputs_has_the_tolerance_of_its_own_numbers(off, fail, tmp_path):
    made = SyntheticNetwork((4,), dtype="float32")
    first = made.dense(2)
    made.dense(1)
    model = unpack(made.to_bytes())
    model.subgraphs[0].outputs = [first, made.last]
    action = f"output[i] = expected[i] + (i < 2 ? {off[0]} : {off[1]})"
    assert num_failed(pack(model), np.array([[1e6, -1e6, 1.0]], "f4"), action, tmp_path) == fail


@pytest.mark.parametrize(
    ("kind", "outputs", "passes"),
    [
        ("int8", [[1, 5], [3, 5]], True),
        ("int8", [[1, 5], [4, 5]], False),
        ("float32", [[0, 0], [0, 0]], True),
        ("float32", [[1000, 0], [1001, 0]], True),
        ("float32", [[1e-6, 0], [2e-6, 0]], False),
    ],
)
def test_whether_one_answer_passes_all_vectors_is_known(kind, outputs, passes):
    assert one_answer_passes(np.array(outputs, kind), read_model(network(kind))) == passes


def test_vectors_that_one_answer_passes_are_said_to_prove_little():
    made = SyntheticNetwork((4,), dtype="float32")
    zero = made.constant(np.zeros(1, np.float32))
    made.add_op("MUL", schema.MulOptionsT(), [made.last, zero], made.activation((1, 4)))
    assert random_vectors(made.to_bytes(), settings(4)).vectors_of == (
        "10 random inputs; one answer passes for all, so that the check proves little: take samples of other answers "
        "by --data"
    )
