"""Networks of several outputs, each with a task of its own: data, training, conversion, verification."""

import io
import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from kd_edge.cli import main
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.told_task import outputs_told
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions
from kd_edge.data.records import as_records
from kd_edge.data.task import Task
from kd_edge.distillation.models.model_files import load_teacher
from kd_edge.distillation.outputs.decisions import accuracy, decisions_of
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import distill, train
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.reporting.tables.verification import verify_tables
from kd_edge.verification.verifier import verify

OUTPUTS = ("gesture", "speed", "flags")
OPTIONS = SourceOptions(task="speed:regression")
RECIPE = Recipe(4, 32, 2e-2)


def arrays_of(num_samples=360):
    """Two classes by the first number, a value by the second, two labels by the third and fourth."""
    x = np.random.default_rng(0).normal(size=(num_samples, 8)).astype(np.float32)
    y = {
        "gesture": np.where(x[:, 0] > 0, "up", "down"),
        "speed": 3 * x[:, 1] + 20,
        "flags": (x[:, 2:4] > 0).astype(int),
    }
    splits = {"train": slice(0, 240), "test": slice(240, None)}
    return {f"x_{name}": x[rows] for name, rows in splits.items()} | {
        f"y_{name}_{output}": column[rows] for name, rows in splits.items() for output, column in y.items()
    }


def network(units, names=OUTPUTS, *, as_dict=False):
    inputs = keras.Input((8,))
    x = keras.layers.Dense(units, activation="relu")(inputs)
    sizes = {"gesture": 2, "speed": 1, "flags": 2}
    heads = {name: keras.layers.Dense(sizes[name], name=name)(x) for name in names}
    return keras.Model(inputs, heads if as_dict else list(heads.values()))


@pytest.fixture(scope="module")
def data():
    return dataset_of("gloves", arrays_of(), "gloves", None, 0, OPTIONS)


@pytest.fixture(scope="module")
def taught(data):
    keras.utils.set_random_seed(0)
    return train(network(32, as_dict=True), data, replace(RECIPE, epochs=8))


@pytest.fixture(scope="module")
def teacher(taught):
    return taught.model


@pytest.fixture(scope="module")
def student(data, teacher):
    """Learned from nothing but a teacher, and a trainee, whose outputs come in another order."""
    keras.utils.set_random_seed(0)
    model, recipe = network(12, ("speed", "gesture", "flags")), replace(RECIPE, epochs=8)
    distill(model, data, recipe, teacher=teacher, trainee="like_teacher", student_loss_weight=0.0)
    return model


def test_arrays_by_output_become_records_with_a_task_each(data):
    assert data.task.kind == "several"
    assert [part.kind for part in data.task.parts] == ["multiclass", "regression", "multilabel"]
    assert data.task.by_output["speed"].names == ("speed",)
    assert data.num_outputs == 5
    assert data.by_output["gesture"].class_names == ("down", "up")
    np.testing.assert_allclose(data.by_output["speed"].y_train.mean(), 0, atol=0.2)


def test_a_mapping_of_labels_is_the_same_as_an_array_for_each(data):
    given = arrays_of()
    nested = {name: given[name] for name in ("x_train", "x_test")}
    nested |= {f"y_{split}": {o: given[f"y_{split}_{o}"] for o in OUTPUTS} for split in ("train", "test")}
    assert dataset_of("gloves", nested, "gloves", None, 0, OPTIONS).sha256 == data.sha256


def test_a_dataset_takes_mappings_of_labels(data):
    labels = {f"y_{split}": {o: getattr(data, f"y_{split}")[o] for o in OUTPUTS} for split in ("train", "val", "test")}
    again = Dataset(
        "gloves",
        data.x_train,
        labels["y_train"],
        data.x_val,
        labels["y_val"],
        data.x_test,
        labels["y_test"],
        (),
        task=data.task,
    )
    assert again.digests == data.digests


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"y_test_flags": None}, OPTIONS, "same outputs in each split, received .*gesture, speed in y_test"),
        ({"y_test_flags": np.zeros((7, 2), int)}, OPTIONS, "as many rows for each output, received .*7 as 'flags'"),
        ({"class_names_gestures": ["up", "down"]}, OPTIONS, "class_names of the outputs .*, received gestures"),
        ({"class_names": ["up", "down"]}, OPTIONS, "class_names of the outputs .*, received one list"),
        ({"y_train": np.zeros(240, int)}, OPTIONS, "either y_train or an array for each of several outputs"),
        ({}, SourceOptions(), "output 'speed': expected classes as integers.*'?task = \"regression\""),
        ({"y_train_speed": np.full(240, np.nan)}, OPTIONS, "output 'speed': expected finite numbers"),
    ],
)
def test_labels_that_do_not_belong_together_are_told(change, options, message):
    arrays = {name: values for name, values in (arrays_of() | change).items() if values is not None}
    with pytest.raises(DataError, match=message):
        dataset_of("gloves", arrays, "gloves", None, 0, options)


def test_a_task_of_no_output_is_refused():
    with pytest.raises(ConfigError, match=r"expected tasks of the outputs gesture, speed, flags.*received 'pace'"):
        dataset_of("gloves", arrays_of(), "gloves", None, 0, SourceOptions(task="pace:regression"))


def test_an_output_cannot_be_a_reconstruction():
    with pytest.raises(ConfigError, match=r"bad task of one of several outputs.*received 'reconstruction'"):
        Task("several", ("a",), parts=(Task("reconstruction", ("normal", "anomaly")),))


def test_credits_are_the_mean_of_those_of_the_outputs():
    task = Task("several", ("a", "b"), parts=(Task("binary", ("no", "yes")), Task("multilabel", ("x", "y"))))
    said = as_records({"a": np.array([1, 0]), "b": np.array([[True, False], [True, True]])})
    targets = as_records({"a": np.array([1, 1]), "b": np.array([[1, 0], [1, 0]])})
    assert task.credits(said, targets).tolist() == [1.0, 0.25]


def test_a_training_is_judged_by_the_mean_of_all_outputs(taught):
    own = [taught.history[f"val_{name}"] for name in ("gesture_accuracy", "speed_skill", "flags_label_accuracy")]
    np.testing.assert_allclose(taught.history["val_score"], np.mean(own, axis=0), rtol=1e-6)
    assert taught.val_accuracy == max(taught.history["val_score"])


def test_a_student_learns_from_the_teachers_outputs_by_their_names(data, teacher, student):
    agrees = decisions_of(student, data, "test")["gesture"] == decisions_of(teacher, data, "test")["gesture"]
    assert agrees.mean() > 0.8
    assert accuracy(student, data) > 0.6


def test_a_network_with_other_outputs_is_refused(data, tmp_path):
    other = network(8, ("gesture", "speed"))
    with pytest.raises(
        ModelError, match=r"expected 'gesture' \(2\), 'speed' \(1\), 'flags' \(2\), received 'gesture' \(2\)"
    ):
        train(other, data, RECIPE)
    other.save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match=r"has other outputs than gloves"):
        load_teacher(tmp_path / "other.keras", data)


def test_a_teacher_that_answers_in_units_is_refused(data, teacher, tmp_path):
    inner = teacher(teacher.inputs[0])
    task = data.task.by_output["speed"]
    raw = keras.layers.Rescaling(task.deviation[0], task.mean[0], name="raw")(inner["speed"])
    keras.Model(teacher.inputs, {**inner, "speed": raw}).save(tmp_path / "raw.keras")
    with pytest.raises(ModelError, match=r"the output 'speed' of .* answers in the units of the values"):
        load_teacher(tmp_path / "raw.keras", data)


def test_the_file_is_verified_output_by_output(data, teacher, student, tmp_path, check_document):
    export = convert_for(student, data, ConvertConfig())
    told = outputs_told(export.content)
    assert {name: output["task"] for name, output in told.items()} == {
        "gesture": "multiclass",
        "speed": "regression",
        "flags": "multilabel",
    }
    assert told["speed"]["mean"] == [data.task.by_output["speed"].mean[0]]
    (tmp_path / "model.tflite").write_bytes(export.content)
    student.save(tmp_path / "student.keras")
    teacher.save(tmp_path / "teacher.keras")
    np.savez(tmp_path / "gloves.npz", **arrays_of())
    command = ["verify", str(tmp_path / "model.tflite"), "--data", str(tmp_path / "gloves.npz"), "--device"]
    command += ["nucleo-l4r5zi", "--student", str(tmp_path / "student.keras"), "--teacher"]
    command += [str(tmp_path / "teacher.keras"), "--max-accuracy-loss", "0.2"]
    run = CliRunner().invoke(main, [*command, "--json"])
    document = json.loads(run.stdout)
    check_document(document)
    result = document["result"]
    assert result["task"] == "several"
    scores = [result["outputs"][name]["accuracy"]["int8_litert"] for name in OUTPUTS]
    assert result["accuracy"]["int8_litert"] == pytest.approx(np.mean(scores))
    assert {"better_than_majority.gesture", "better_than_constant.speed", "accuracy_loss.flags"} <= result[
        "gates"
    ].keys()
    assert result["outputs"]["gesture"]["classification"]["classes"][1]["name"] == "up"
    said = io.StringIO()
    for part in verify_tables(result):
        Console(file=said, width=100).print(part)
    assert "speed: lost against float" in said.getvalue()
    assert "gesture: int8, LiteRT, class by class" in said.getvalue()


def test_a_file_that_does_not_name_its_outputs_is_refused(data, student):
    export = convert_for(student, data, ConvertConfig(), metadata=False)
    with pytest.raises(ModelError, match=r"expected metadata that name gesture, speed, flags.*received none"):
        verify(export.content, data, device=load_device("nucleo-l4r5zi"), budget=Budget(64_000, 32_000))
