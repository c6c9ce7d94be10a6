"""A file against the one that it replaces, and the summary for a CI job."""

import contextlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.metadata import add_metadata
from kd_edge.conversion.told_task import as_answered
from kd_edge.cost.devices import load_device
from kd_edge.cost.gate import BROKEN, HOLDS
from kd_edge.cost.model import CostModel
from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.data.metrics.named_class import named_classes
from kd_edge.data.options import SourceOptions
from kd_edge.data.task import Task
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import lower
from kd_edge.reporting.tables.markdown import against_rows
from kd_edge.verification.against import check_base, compare_files
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert

ROOT = Path(__file__).parents[3]


BOARD = load_device("esp32-s3")


def network(units):
    made = SyntheticNetwork((12,))
    made.dense(units, relu=True)
    made.dense(4)
    return made.to_bytes()


@pytest.fixture(scope="module")
def data():
    """Samples whose labels are what the smaller network says."""
    x = np.random.default_rng(0).normal(size=(120, 12)).astype("float32")
    model = network(8)
    outputs, _ = litert.run_reference(model, quantize(x, read_model(model).input_tensors[0]))
    y = named_classes(outputs)
    return Dataset("said", x, y, x, y, x, y, tuple("abcd"))


def test_the_same_file_loses_nothing(data):
    # 120 samples on which they never differ prove a loss of at most 1.96 / 122.
    found = compare_files(network(8), network(8), data, device=BOARD, max_loss=0.017, name="base.tflite")
    assert (found.accuracy_base, found.accuracy, found.loss.measured, found.loss.verdict) == (1.0, 1.0, 0.0, HOLDS)
    assert (found.flash_bytes, found.arena_bytes) == (found.flash_bytes_base, found.arena_bytes_base)
    assert found.arena_bytes == CostModel(BOARD).estimate(lower(network(8))).arena_bytes
    assert found.loss.passed


def test_a_file_that_names_other_classes_is_broken(data):
    found = compare_files(network(8), network(40), data, device=BOARD, max_loss=0.01, name="base.tflite")
    assert found.accuracy < 0.9
    assert found.loss.measured == pytest.approx(1.0 - found.accuracy)
    assert found.loss.verdict == BROKEN
    assert found.flash_bytes > found.flash_bytes_base


def linear(weights):
    """A float network that answers the product of its input and a matrix."""
    model = keras.Sequential([keras.Input((len(weights),)), keras.layers.Dense(len(weights[0]), use_bias=False)])
    model.set_weights([np.array(weights)])
    return model


def asked(task, y):
    x = np.linspace(-1, 1, 200, dtype="float32")[:, None]
    return Dataset("asked", x, y(x), x, y(x), x, y(x), (), task=task)


@pytest.mark.parametrize(
    ("task", "y", "lost", "title"),
    [
        # All right, then all wrong.
        (Task("binary", ("no", "yes")), lambda x: (x[:, 0] > 0).astype(int), 1.0, "share right"),
        (Task("multilabel", ("a",)), lambda x: (x > 0).astype(int), 1.0, "labels right"),
        # The error of -x is twice that of the best constant, 0.
        (Task("regression", ("v",)), lambda x: x, 2.0, "skill"),
    ],
)
def test_files_of_one_number_are_judged_by_what_their_task_is(task, y, lost, title):
    data = asked(task, y)
    base, change = (convert(linear([[weight]]), quantize="none") for weight in (1, -1))
    same = compare_files(base, base, data, device=BOARD, max_loss=0.01, name="base.tflite")
    assert (same.loss.measured, same.loss.verdict) == (0.0, HOLDS)
    found = compare_files(base, change, data, device=BOARD, max_loss=0.01, name="base.tflite")
    assert found.loss.measured == pytest.approx(lost)
    assert (found.loss.verdict, found.loss.passed) == (BROKEN, False)
    assert against_rows(json.loads(json.dumps(asdict(found)))).rows[0][0] == title


def test_of_several_outputs_the_loss_is_that_of_their_mean_score():
    x = np.random.default_rng(0).normal(size=(200, 1)).astype("float32")
    tasks = Task("several", ("sign", "other"), parts=(Task("binary", ("no", "yes")), Task("binary", ("no", "yes"))))
    y = {"sign": (x[:, 0] > 0).astype(int), "other": (x[:, 0] < 0).astype(int)}
    data = Dataset("both", x, y, x, y, x, y, (), task=tasks)

    def file(sign, other):
        inputs = keras.Input((1,))
        heads = {name: keras.layers.Dense(1, name=name, use_bias=False) for name in ("sign", "other")}
        model = keras.Model(inputs, {name: head(inputs) for name, head in heads.items()})
        heads["sign"].set_weights([np.array([[sign]])])
        heads["other"].set_weights([np.array([[other]])])
        return convert_for(model, data, ConvertConfig(quantize="none")).content

    found = compare_files(file(1, -1), file(1, 1), data, device=BOARD, max_loss=0.01, name="base.tflite")
    assert (found.metric, found.accuracy_base, found.accuracy, found.loss.verdict) == ("score", 1.0, 0.5, BROKEN)


def test_each_file_reads_the_samples_as_it_says_itself(tmp_path):
    drawn = np.random.default_rng(0).permutation(200 * 200)[:500]
    x = np.stack([drawn // 200, drawn % 200], axis=1).astype(np.uint8)
    y = 100 + 50 * x[:, 0].astype(float)
    np.savez(tmp_path / "d.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    asked = {"options": SourceOptions(task="regression")}
    raw, scaled = load_data(tmp_path / "d.npz", normalize=False, **asked), load_data(tmp_path / "d.npz", **asked)
    floats = ConvertConfig(quantize="none")
    # Standardized values of standardized samples are these samples; in units the slope of raw samples is 50.
    for name, model, data in (("new", affine(50.0, 100.0), raw), ("old", affine(1.0, 0.0), scaled)):
        known = as_answered(model.predict(data.x_train, verbose=0), data)
        (tmp_path / f"{name}.tflite").write_bytes(convert_for(model, known, floats).content)
    (tmp_path / "unknown.tflite").write_bytes(convert(affine(1.0, 0.0), quantize="none"))
    command = ["verify", "new.tflite", "--data", "d.npz", "--data-option", "task=regression", "--device", "host"]
    with contextlib.chdir(tmp_path):
        done = [
            CliRunner().invoke(main, [*command, "--against", name, "--json"])
            for name in ("old.tflite", "unknown.tflite")
        ]
    found = [json.loads(one.stdout)["result"]["against"] for one in done]
    assert [one["accuracy"] for one in found] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert [one["accuracy_base"] for one in found] == pytest.approx([1.0, 1.0], abs=1e-3)


def affine(slope, offset):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[slope], [0.0]]), np.array([offset])])
    return model


def test_a_base_of_another_task_is_refused_before_anything_is_run():
    data = asked(Task("binary", ("no", "yes")), lambda x: (x[:, 0] > 0).astype(int))
    with pytest.raises(ModelError, match=r"bad --against old\.tflite: the model has 2 outputs .*'binary'"):
        check_base(convert(linear([[-1, 1]]), quantize="none"), data, name="old.tflite")
    other = replace(data, task=Task("regression", ("v",)))
    with pytest.raises(ModelError, match=r"expected a file of the task 'binary', received 'regression'"):
        check_base(convert(linear([[1]]), quantize="none"), data, base_data=other, name="old.tflite")
    named = add_metadata(convert(linear([[1]]), quantize="none"), {"class_names": ["no", "yes"]})
    with pytest.raises(ModelError, match=r"expected a file of the task 'binary', received one that tells 'multiclass'"):
        check_base(named, data, name="old.tflite")
    with pytest.raises(ModelError, match=r"bad --against old\.tflite: the model reads samples of shape \(2,\)"):
        check_base(convert(linear([[1], [1]]), quantize="none"), data, name="old.tflite")


def test_the_command_fails_a_job_and_prints_its_summary(tmp_path, data, check_document):
    for name, units in (("base", 8), ("change", 40)):
        (tmp_path / f"{name}.tflite").write_bytes(network(units))
    arrays = {f"x_{split}": data.x_test + moved for split, moved in (("train", 0.02), ("val", 0.01), ("test", 0.0))}
    arrays |= {f"y_{split}": data.y_test for split in ("train", "val", "test")}
    np.savez(tmp_path / "data.npz", **arrays)
    change, base = tmp_path / "change.tflite", tmp_path / "base.tflite"
    options = ["--data", tmp_path / "data.npz", "--no-normalize", "--device", "nucleo-l4r5zi", "--against", base]
    done = CliRunner().invoke(main, [*map(str, ("verify", change, *options)), "--markdown"])
    assert done.exit_code == 1
    tables = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len({line.count(" | ") for line in tables[:1] + tables[2:5]}) == 1
    assert "### nucleo-l4r5zi: broken" in done.stdout
    assert "share of samples lost against the file that it replaces" in done.stdout
    assert re.search(r"\| share right \| 1\.000 \| 0\.\d+ \| lost .*: broken \|", done.stdout)
    json_out = CliRunner().invoke(main, [*map(str, ("verify", base, *options)), "--json"])
    document = json.loads(json_out.stdout)
    check_document(document)
    assert document["result"]["against"]["loss"]["verdict"] == HOLDS
    assert document["result"]["gates"]["against_loss"] == document["result"]["against"]["loss"]
    lone = CliRunner().invoke(main, [*map(str, ("verify", base, *options[:-2])), "--max-against-loss", "0.1"])
    assert (lone.exit_code, "expected it with --against" in lone.stderr) == (2, True)


def test_the_action_of_the_examples_uses_options_that_exist():
    from tflite_bench.cli import main as bench

    text = (ROOT / "examples" / "ci" / "model.yml").read_text()
    calls = re.findall(r"(kd-edge|tflite-bench) (\w+) ([^\n>]*)", text)
    assert {command for _, command, _ in calls} == {"run", "compare", "verify"}
    for tool, command, rest in calls:
        known = {
            name
            for option in {"kd-edge": main, "tflite-bench": bench}[tool].commands[command].params
            for name in option.opts
        }
        assert [word for word in re.findall(r"(?<!\S)--?[a-z-]+", rest) if word not in known] == []
