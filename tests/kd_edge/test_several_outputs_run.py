"""The whole job for data of two outputs, a class and a value: from the arrays to the page."""

import json

import numpy as np
import pytest

from kd_edge.config import (
    BudgetConfig,
    ConvertConfig,
    DataConfig,
    DesignConfig,
    DistillConfig,
    RunConfig,
    TeacherConfig,
)
from kd_edge.data.options import SourceOptions
from kd_edge.pipeline import run

OPTIONS = SourceOptions(task="speed:regression")


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
        design=DesignConfig("mlp", trials=1, epochs=2, teacher_ratio=1.0),
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
