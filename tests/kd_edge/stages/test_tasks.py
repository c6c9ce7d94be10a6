"""The whole job for each thing that a network can be asked for besides one of several classes."""

import json

import keras
import numpy as np
import pytest

from kd_edge.config.choices import LEARNING_RATE, VALUES_LEARNING_RATE
from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.errors import ConfigError
from kd_edge.pipeline import STAGES, run
from kd_edge.reporting.bundle.from_run import write_bundle
from kd_edge.stages.context import RunContext

METRICS = {"binary": "accuracy", "multilabel": "label_accuracy", "regression": "skill", "reconstruction": "skill"}
# What the bits of a teacher's outputs beyond the label are not defined for.
WITHOUT_BITS = ("regression", "reconstruction")
# Whose student the search trains as the distillation would.
FROM_SEARCH = ("binary", "multilabel")


def arrays_of(kind):
    """Samples on a plane of 2 dimensions in 8; anomalies lie beside it."""
    rng = np.random.default_rng(1)
    plane, hidden = rng.normal(size=(2, 8)), rng.normal(size=(360, 2))
    x = (hidden @ plane).astype(np.float32)
    answers = {
        "binary": np.where(hidden[:, 0] > 0, "person", "nobody"),
        "multilabel": (hidden > 0).astype(np.int64),
        "regression": hidden * [3.0, 0.5] + 20,
    }
    if kind == "reconstruction":
        x[300::2] += rng.normal(size=(30, 8)).astype(np.float32)
        return {"x_train": x[:300], "x_test": x[300:], "y_test": np.arange(60) % 2 == 0}
    y = answers[kind]
    return {"x_train": x[:300], "y_train": y[:300], "x_test": x[300:], "y_test": y[300:]}


def config(kind, path, **distill):
    family, epochs = "autoencoder" if kind == "reconstruction" else "mlp", 5 if kind in FROM_SEARCH else 1
    return RunConfig(
        DataConfig(str(path), options=SourceOptions(task=kind)),
        BudgetConfig("nucleo-l4r5zi"),
        teacher=TeacherConfig(width=16, epochs=5, batch_size=32, learning_rate=1e-2),
        design=DesignConfig(family, trials=1, epochs=epochs, teacher_ratio=10.0),
        distill=DistillConfig(**{"epochs": 5, "batch_size": 32, "learning_rate": 2e-2, "trainee": "none"} | distill),
        convert=ConvertConfig(qat="never"),
    )


@pytest.fixture(scope="module", params=METRICS)
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    np.savez(folder / "things.npz", **arrays_of(request.param))
    return request.param, folder / "things.npz", run(config(request.param, folder / "things.npz"), folder / "run")


def test_every_stage_is_done_and_scored_by_the_metric_of_the_task(finished, check_document):
    kind, path, result = finished
    assert list(result.stages) == list(STAGES)
    task = load_data(path, options=SourceOptions(task=kind)).task
    assert (result.results.data.task, result.results.design.objective) == (task, METRICS[kind])
    for stage in ("teacher", "distill", "baseline", "choice"):
        assert result.stages[stage]["metric"] == METRICS[kind]
    assert result.results.teacher.test_accuracy > 0.5
    assert result.results.distill.from_search == (kind in FROM_SEARCH)
    check_document(json.loads((result.folder / "results.json").read_text()))


def test_the_student_answers_as_its_figures_say(finished):
    kind, path, result = finished
    data = load_data(path, options=SourceOptions(task=kind))
    student = keras.models.load_model(result.folder / "distilled.keras", compile=False)
    decisions = data.task.decisions(student.predict(data.x_val, verbose=0))
    found = data.task.credits(decisions, data.targets("val")).mean()
    assert result.results.distill.val_accuracy == pytest.approx(found, abs=2e-6)


def test_what_a_teacher_tells_beyond_labels_is_given_or_its_absence_explained(finished):
    kind, _, result = finished
    teacher = result.results.teacher
    if kind in WITHOUT_BITS:
        assert teacher.information is None
        assert "are those of classes" in teacher.unavailable_reason["information"]
    else:
        assert teacher.information.bits_beyond_label >= 0


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            "regression",
            {"trainee": "like_teacher", "rule": "agreement"},
            "'rule': expected one that needs no decisions .* 'plateau'",
        ),
        ("reconstruction", {"augment": "imu"}, "expected 'none' for a reconstruction"),
        ("multilabel", {"augment": "mixup"}, "it mixes several classes, received the task 'multilabel'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(kind, changes, message, tmp_path):
    np.savez(tmp_path / "things.npz", **arrays_of(kind))
    with pytest.raises(ConfigError, match=message):
        run(config(kind, tmp_path / "things.npz", **changes), tmp_path / "run")
    assert not (tmp_path / "run" / "teacher.keras").exists()


@pytest.mark.parametrize(
    ("kind", "rate", "rule"),
    [("multilabel", LEARNING_RATE, "agreement"), ("regression", VALUES_LEARNING_RATE, "plateau")],
)
def test_the_task_decides_on_the_rate_and_the_halting_rule_where_none_is_given(kind, rate, rule, tmp_path):
    np.savez(tmp_path / "things.npz", **arrays_of(kind))
    wanted = config(kind, tmp_path / "things.npz", learning_rate=None, trainee="like_teacher")
    context = RunContext(wanted, tmp_path / "run", lambda *_: None)
    context.check("data")
    assert (context.config.distill.learning_rate, context.config.distill.rule) == (rate, rule)


def test_the_page_and_the_firmware_are_told_the_task(finished):
    kind, _, result = finished
    title = {"binary": "Confusion matrix", "multilabel": "Labels", "regression": "Answers against true values"}
    assert f">{title.get(kind, 'Anomalies found')}</h2>" in (result.folder / "report.html").read_text()
    bundle = write_bundle(result.folder)
    header = (bundle.folder / "model_settings.h").read_text()
    told = {"multilabel": "model_label_names", "regression": "model_value(", "reconstruction": "model_anomaly_score("}
    assert told.get(kind, "model_class_names[1]") in header
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    assert manifest["task"]["kind"] == kind
    found = result.stages["verify"]["task_metrics"]
    assert manifest["anomaly_threshold"] == (found["threshold"] if kind == "reconstruction" else None)
