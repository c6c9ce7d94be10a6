"""The whole job for data of two outputs, a class and a value: from the arrays to the firmware."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.conversion.answer_reader import reader_of
from kd_edge.conversion.file_outputs import micro_outputs
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.pipeline import run
from kd_edge.reporting.bundle.from_file import write_file_bundle
from kd_edge.reporting.bundle.from_run import write_bundle
from kd_edge.reporting.bundle.vectors import vector_rows
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model

OPTIONS = SourceOptions(task="speed:regression")
HARNESS = """#include <stdio.h>
#include "check_vectors.h"
int main(void) {
  for (int vector = 0; vector < NUM_TEST_VECTORS; ++vector) {
    const model_output_t *output = test_outputs[vector];
    printf("%s %.9g\\n", model_gesture_names[model_gesture_class(output)], (double)model_speed_value(output, 0));
  }
  return 0;
}
"""


@pytest.fixture(scope="module")
def gloves(tmp_path_factory):
    """Two classes by the first number, a value by the second."""
    x = np.random.default_rng(0).normal(size=(360, 8)).astype(np.float32)
    y = {"gesture": np.where(x[:, 0] > 0, "up", "down"), "speed": 3 * x[:, 1] + 20}
    splits = {"train": slice(0, 240), "test": slice(240, None)}
    path = tmp_path_factory.mktemp("data") / "gloves.npz"
    columns = {f"y_{name}_{o}": column[rows] for name, rows in splits.items() for o, column in y.items()}
    np.savez(path, **{f"x_{name}": x[rows] for name, rows in splits.items()}, **columns)
    return path


@pytest.fixture(scope="module")
def config(gloves):
    return RunConfig(
        DataConfig(str(gloves), options=OPTIONS),
        BudgetConfig("nucleo-l4r5zi"),
        teacher=TeacherConfig(width=8, epochs=4, batch_size=16),
        design=DesignConfig("mlp", trials=1, epochs=2, teacher_ratio=6.0),
        distill=DistillConfig(epochs=8, batch_size=16, trainee="none"),
        convert=ConvertConfig(qat="never"),
    )


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("runs") / "gloves")


def test_a_run_has_the_figures_of_each_output(finished, check_document):
    check_document(json.loads((finished.folder / "results.json").read_text()))
    found = finished.stages["verify"]
    scores = [found["outputs"][name]["accuracy"]["int8_litert"] for name in ("gesture", "speed")]
    assert found["accuracy"]["int8_litert"] == pytest.approx(np.mean(scores))
    assert found["accuracy"]["int8_litert"] > 0.5
    assert finished.stages["teacher"]["unavailable_reason"]["information"].endswith("there are several outputs")
    assert finished.stages["design"]["blueprint"]["output_names"] == ["gesture", "speed"]


def test_its_summary_and_its_page_tell_them(finished):
    for name in ("summary.txt", "report.html"):
        text = (finished.folder / name).read_text()
        assert "peed: skill on the test samples" in text
        assert "esture: int8, LiteRT, class by class" in text
    page = (finished.folder / "report.html").read_text()
    assert "each asked 2 questions: gesture, speed" in page
    assert 'id="plot-answers-of-1"' in page
    assert 'id="plot-answers-of-2-1"' in page


def test_a_finished_run_is_read_back(finished, config):
    said = []
    again = run(config, finished.folder, progress=lambda stage, done, message="": said.append(message))
    assert set(said) == {"done before"}
    assert again.results.data.task.by_output["speed"].mean == finished.results.data.task.by_output["speed"].mean


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_its_bundle_reads_each_output_in_c(finished, gloves, tmp_path):
    write_bundle(finished.folder, tmp_path)
    assert "| speed | regression | 2 | speed | `model_speed` |" in (tmp_path / "README.md").read_text()
    (tmp_path / "main.c").write_text(HARNESS)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.c", "test_vectors.c"]
    done = subprocess.run([*command, "-o", "main"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    said = decisions_in_python(finished.folder / "model.tflite", load_data(gloves, options=OPTIONS))
    assert lines[::2] == [("down", "up")[number] for number in said["gesture"]]
    speed = finished.results.data.task.by_output["speed"]
    expected = said["speed"][:, 0] * speed.deviation[0] + speed.mean[0]
    assert np.array(lines[1::2], float) == pytest.approx(expected, rel=1e-5)


def decisions_in_python(path, data):
    """What TFLM answers for the samples that are test vectors."""
    model = path.read_bytes()
    inputs = quantize(data.x_test[vector_rows(data)], read_model(model).input_tensors[0])
    return reader_of(model, data.task).decisions(micro_outputs(model, inputs))


def test_the_bundle_of_its_file_alone_knows_the_outputs_by_the_metadata(finished, tmp_path):
    write_file_bundle(finished.folder / "model.tflite", tmp_path)
    settings = (tmp_path / "model_settings.h").read_text()
    assert "model_speed_value" in settings
    assert "+ 2; }" in settings
