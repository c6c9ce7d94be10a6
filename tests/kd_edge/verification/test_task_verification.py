"""Verification of every task with real small networks, in LiteRT and TFLM."""

import io
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from kd_edge.cli import main
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.answer_reader import anomaly_threshold
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.gate import HOLDS
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.reporting.page.answer_charts import answer_charts
from kd_edge.reporting.sentences.answers import answers_text
from kd_edge.reporting.tables.verification import verify_tables
from kd_edge.stages.serialization import from_plain, to_plain
from kd_edge.verification.results import Verification
from kd_edge.verification.verifier import verify
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert

BOARD, ROOMY = load_device("nucleo-l4r5zi"), Budget(64_000, 32_000)
SPLITS = ("train", "val", "test")
TASKS = {
    "binary": Task("binary", ("no", "yes")),
    "multilabel": Task("multilabel", ("rain", "wind", "hail")),
    "regression": Task("regression", ("weight", "depth"), units=("g", "mm")),
    "reconstruction": Task("reconstruction", ("normal", "anomaly")),
}
OPTIONS = {
    "binary": SourceOptions(task="binary"),
    "multilabel": SourceOptions(),
    "regression": SourceOptions(task="regression", units=["g", "mm"]),
    "reconstruction": SourceOptions(task="reconstruction"),
}
# One network ends in a logit, one in probabilities.
ENDINGS = {"multilabel": "sigmoid"}


@dataclass(frozen=True)
class Case:
    """A trained network, its int8 file, and what a verification says of it."""

    data: Dataset
    student: Any
    content: bytes
    checked: Verification
    document: Any

    def outputs(self):
        """What the file answers, in real numbers."""
        info = read_model(self.content)
        raw = litert.run_outputs(
            self.content, quantize(self.data.x_test, info.input_tensors[0]), reference_kernels=True
        )
        return dequantize(raw, info.output_tensors[0])


def targets(kind, x):
    """What a network is asked of samples whose numbers mix four sources."""
    if kind == "binary":
        return (x[:, 0] + x[:, 1] > 0.5).astype(np.int64)
    if kind == "multilabel":
        return (x[:, :3] > np.array([0.0, 0.6, 0.3])).astype(np.int64)
    if kind == "regression":
        return np.stack([50 + 10 * x[:, 0], 2 + 0.5 * (x[:, 1] - x[:, 2])], axis=1)
    return np.zeros(len(x), np.int64)


def dataset(kind):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 8))
    arrays = {}
    for split, count in (("train", 400), ("val", 50), ("test", 150)):
        x = (rng.normal(size=(count, 3)) @ mixing + 0.1 * rng.normal(size=(count, 8))).astype("f4")
        arrays |= {f"x_{split}": x, f"y_{split}": targets(kind, x)}
    if kind == "reconstruction":
        arrays["y_test"][:50] = 1
        arrays["x_test"][:50] = rng.permuted(arrays["x_test"][:50], axis=1)
    return Dataset(kind, **arrays, class_names=(), task=TASKS[kind])


def trained(data):
    """A network whose last layer is the best one by ridge regression behind a random one: quicker than many steps."""
    keras.utils.set_random_seed(0)
    kind, wanted = data.task.kind, data.targets("train").reshape(len(data.x_train), -1).astype("f4")
    hidden = keras.layers.Dense(64, activation="relu", bias_initializer="random_normal")
    closing = keras.layers.Dense(data.num_outputs, activation=ENDINGS.get(kind))
    student = keras.Sequential([keras.Input((8,)), hidden, closing], name="student")
    features = np.asarray(hidden(data.x_train))
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    wanted = 8 * wanted - 4 if kind in ("binary", "multilabel") else wanted
    kernel = np.linalg.solve(features.T @ features + 3 * np.eye(features.shape[1]), features.T @ wanted)
    closing.set_weights([kernel[:-1], kernel[-1]])
    return student


@pytest.fixture(scope="module", params=TASKS)
def case(request, tmp_path_factory):
    """What the command says of a file that tells its task, its samples given as an .npz file in their own units."""
    folder, raw = tmp_path_factory.mktemp(request.param), dataset(request.param)
    arrays = {f"x_{split}": getattr(raw, f"x_{split}") for split in SPLITS}
    arrays |= {f"y_{split}": getattr(raw, f"y_{split}") for split in SPLITS}
    if request.param != "reconstruction":
        arrays["class_names"] = np.array(raw.task.names)
    np.savez(folder / "data.npz", **arrays)
    data = load_data(folder / "data.npz", options=OPTIONS[request.param])
    student = trained(data)
    content = convert_for(student, data, ConvertConfig(qat="never")).content
    (folder / "model.tflite").write_bytes(content)
    command = ["verify", folder / "model.tflite", "--data", folder / "data.npz", "--device", BOARD.name, "--json"]
    command += ["--flash", "64000", "--ram", "32000"]
    # Each network beside the file costs time in a process of its own: one task stands for all.
    if request.param == "multilabel":
        student.save(folder / "student.keras")
        command += ["--student", folder / "student.keras", "--max-accuracy-loss", "0.15"]
    done = CliRunner().invoke(main, list(map(str, command)))
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    found = {name: value for name, value in document["result"].items() if name not in ("device", "budget")}
    return Case(data, student, content, from_plain(Verification, found), document)


def test_a_trained_network_of_every_task_holds_all_checks_and_both_runtimes_agree(case):
    assert {name: gate.verdict for name, gate in case.checked.gates.items() if gate.verdict not in (HOLDS, None)} == {}
    assert case.checked.passed
    assert case.checked.accuracy.metric == case.data.task.metric
    values = case.checked.accuracy
    for value in (values.int8_litert, values.int8_tflm):
        assert value > {"accuracy": 0.9, "label_accuracy": 0.9, "skill": 0.6}[values.metric]
    if case.data.task.kind == "multilabel":
        assert values.float_keras == pytest.approx(values.float_tflite)
        assert abs(values.float_keras - values.int8_litert) < 0.02


def test_the_metric_is_that_of_the_files_real_numbers(case):
    outputs, y = case.outputs(), case.data.y_test
    rows = {
        "binary": lambda: (outputs[:, 0] > 0) == y,
        "multilabel": lambda: (outputs > 0.5) == (y > 0),
        "regression": lambda: 1 - np.abs(outputs - y) / np.abs(y - np.median(y, axis=0)).mean(axis=0),
        "reconstruction": lambda: _skills(outputs[y == 0], case.data.x_test[y == 0]),
    }
    worth = rows[case.data.task.kind]()
    assert case.checked.accuracy.int8_litert == pytest.approx(worth.mean())


def _skills(outputs, samples):
    return 1 - np.square(outputs - samples).mean(axis=1) / np.square(samples - samples.mean(axis=0)).mean()


def test_classes_are_judged_class_by_class_and_other_tasks_by_their_own_metrics(case):
    checked, kind = case.checked, case.data.task.kind
    assert checked.task == kind
    if kind == "binary":
        assert [row.name for row in checked.classification.classes] == ["no", "yes"]
        assert "task_metrics" in checked.unavailable_reason
        return
    assert (checked.classification, checked.confusion) == (None, None)
    assert checked.unavailable_reason["classification"] == f"the task {kind!r} has no classes"
    found = checked.task_metrics
    if kind == "multilabel":
        assert [label.name for label in found.labels] == ["rain", "wind", "hail"]
        assert set(checked.task_metrics_ci95) == {"macro_f1", "exact_match"}
    elif kind == "regression":
        weight, depth = found.values
        assert (weight.unit, depth.unit) == ("g", "mm")
        errors = np.abs(case.outputs() - case.data.y_test).mean(axis=0) * case.data.task.deviation
        assert (weight.mae, depth.mae) == pytest.approx(tuple(errors))
        interval = checked.task_metrics_ci95["mae.weight"]
        assert interval.ci95_low < weight.mae < interval.ci95_high
    else:
        assert (found.num_normal, found.num_anomalies) == (100, 50)
        assert found.auc > 0.9
        assert checked.gates["better_than_chance"].limit == 0.5
        interval = checked.task_metrics_ci95["auc"]
        assert interval.ci95_low < found.auc <= interval.ci95_high


def test_what_an_int8_input_cannot_hold_makes_no_sample_an_anomaly():
    rng, zeros = np.random.default_rng(0), np.zeros(60, np.int64)
    x = rng.uniform(-1, 1, (60, 8)).astype("f4")
    x[:, 0] = 1
    shocked = x.copy()
    shocked[:, 0] = 40
    test, labels = np.concatenate([x, shocked]), np.repeat([0, 1], 60)
    data = Dataset("shocks", x, zeros, x, zeros, test, labels, (), task=TASKS["reconstruction"])
    student = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)], name="student")
    student.set_weights([np.eye(8), np.zeros(8)])
    content = convert(student, data.x_train)
    # The largest value that the input holds is 1, so that a sample and the same one with a shock are equal to it.
    found = verify(content, data, device=BOARD, budget=ROOMY)
    assert (found.task_metrics.auc, found.gates["better_than_chance"].measured) == (0.5, 0.5)
    assert found.task_metrics.recall == found.task_metrics.false_positive_rate
    assert found.verdict != HOLDS
    assert anomaly_threshold(content, replace(data, x_train=shocked)) == anomaly_threshold(content, data)
    # Of floats the file's input holds all.
    floats = convert(student, quantize="none")
    assert verify(floats, data, device=BOARD, budget=ROOMY).task_metrics.auc == 0.5
    student.set_weights([np.eye(8) * 0.5, np.zeros(8)])
    halves = convert(student, quantize="none")
    assert verify(halves, data, device=BOARD, budget=ROOMY).task_metrics.auc == 1


def test_each_network_is_judged_on_the_scale_in_which_it_answers():
    raw = dataset("regression")
    task = replace(TASKS["regression"], mean=(50.0, 2.0), deviation=(10.0, 0.5))
    scaled = {f"y_{split}": (getattr(raw, f"y_{split}") - [50, 2]) / [10, 0.5] for split in SPLITS}
    data = replace(raw, task=task, **{name: values.astype("f4") for name, values in scaled.items()})
    in_units, standardized = trained(raw), trained(data)
    skills = [replace(data).task.credits(standardized.predict(data.x_test, verbose=0), data.y_test).mean()]
    skills.append(raw.task.credits(in_units.predict(raw.x_test, verbose=0), raw.y_test).mean())
    assert min(skills) > 0.5
    for student, teacher, own, other in (
        (in_units, standardized, skills[1], skills[0]),
        (standardized, in_units, skills[0], skills[1]),
    ):
        content = convert(student, data.x_train)  # which tells no task
        found = verify(content, data, device=BOARD, budget=ROOMY, student=student, teacher=teacher).accuracy
        assert (found.float_keras, found.teacher) == (pytest.approx(own, abs=1e-4), pytest.approx(other, abs=1e-4))
        assert found.int8_litert == pytest.approx(own, abs=0.1)


def test_a_file_with_another_number_of_outputs_is_refused(case):
    other = replace(case.data, y_test=case.data.y_test, task=Task("multilabel", tuple("abcde")))
    with pytest.raises(ModelError, match=r"outputs per sample .* has the task 'multilabel', which needs 5"):
        verify(case.content, other, device=BOARD, budget=ROOMY)
    assert asdict(case.checked)["task"] == case.data.task.kind


def test_the_tables_and_the_document_tell_what_the_task_has(case, check_document):
    parts = list(verify_tables({**to_plain(case.checked), "device": BOARD.name, "budget": to_plain(ROOMY)}))
    console = Console(width=120, record=True, file=io.StringIO())
    for part in parts:
        console.print(part)
    text = " ".join(console.export_text().split())
    words = {
        "binary": ("share right", "balanced accuracy", "class by class", "yes", "same class in"),
        "multilabel": ("labels right", "samples with all labels right", "label by label", "hail", "same labels in"),
        "regression": ("skill on the test samples", "value by value", "weight", "mm", "RMS error"),
        "reconstruction": ("skill on the test", "AUC", "90 % of the training's", "anomalies above it, of 50"),
    }[case.data.task.kind]
    assert [word for word in words if word not in text] == []
    assert ("class" in text) == (case.data.task.kind == "binary")
    check_document(case.document)
    assert json.dumps(case.document, allow_nan=False)


def test_the_chart_of_the_answers_is_that_of_the_task(case):
    plain = to_plain(case.checked)
    charts = list(answer_charts(plain, case.data.class_names))
    assert len(charts) == (len(plain["task_metrics"]["values"]) if case.data.task.kind == "regression" else 1)
    titles = {"binary": "Confusion matrix", "multilabel": "Labels", "regression": "Answers against true values"}
    assert answers_text(plain).title == titles.get(case.data.task.kind, "Anomalies found")
