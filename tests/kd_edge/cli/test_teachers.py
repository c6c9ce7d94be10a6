"""Teachers on the command line: models of any file, or the answers of one that lives elsewhere."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main

BOARD = ("--device", "nrf52840")


def kd_edge(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("teachers")
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=40)
    x = (rng.normal(size=(40, 6)) + 3 * y[:, None]).astype("float32")
    np.savez(path / "d.npz", x_train=x, y_train=y, x_val=x + 0.01, y_val=y, x_test=x - 0.01, y_test=y)
    asked = kd_edge("samples", "--data", path / "d.npz", "-o", path, "--json")
    (path / "samples.out").write_text(asked.output)
    np.save(path / "logits.npy", np.load(path / "samples.npy").mean(axis=1, keepdims=True) * [[-1, 1]] + [[3, 0]])
    return path


def test_the_samples_for_a_teacher_are_a_document(folder, check_document):
    document = json.loads((folder / "samples.out").read_text())
    check_document(document)
    assert document["result"]["num_samples"] == 40
    assert len(json.loads((folder / "samples.json").read_text())["hashes"]) == 40


def test_a_search_takes_the_answers_of_a_teacher_in_place_of_one(folder):
    options = ("--family", "mlp", "--trials", 1, "--epochs", 1, "--teacher-ratio", 20, "-o", folder / "design")
    found = kd_edge("design", "--teacher-outputs", folder / "logits.npy", "--data", folder / "d.npz", *BOARD, *options)
    assert found.exit_code == 0, found.output
    assert (folder / "design" / "student.keras").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected a model or --teacher-outputs, received none"),
        (("t.keras", "--teacher-outputs", "logits.npy"), "expected a model or --teacher-outputs, received both"),
        (("--teacher-outputs", "nothing.npy"), "no teacher outputs: expected an .npy file, found nothing"),
    ],
)
def test_a_search_wants_a_teacher_or_its_answers(folder, arguments, message):
    found = kd_edge("design", *arguments, "--data", folder / "d.npz", *BOARD, "--family", "mlp")
    assert found.exit_code == 2
    assert message in " ".join(found.output.split())


def test_the_answers_of_a_teacher_are_no_network_to_shrink(folder):
    found = kd_edge("design", "--teacher-outputs", folder / "logits.npy", "--data", folder / "d.npz", *BOARD)
    assert found.exit_code == 2
    assert "bad family 'from_teacher': expected a teacher's network" in " ".join(found.output.split())


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_a_cost_is_computed_of_a_keras_model_of_either_kind_of_file(tmp_path, name):
    import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="gelu")])
    model.save(tmp_path / name)
    found = kd_edge("cost", tmp_path / name, *BOARD, "--json")
    assert json.loads(found.output)["result"]["macs"] == 8 * 4
