"""A file verified on a board: the measuring firmware around TFLM's wheel, on a pseudo-terminal."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from kd_edge.cli import main
from kd_edge.cost.devices import load_device
from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.errors import ConfigError, DataError
from kd_edge.reporting.documents import make_document
from kd_edge.reporting.rows.board import board_rows
from kd_edge.reporting.tables.console import drawn
from kd_edge.verification.board_run import check_samples, make_board, run_on_board
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import DoesNotFitError
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import tflm

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")


@pytest.fixture(scope="module")
def port():
    yield from served()


@pytest.fixture
def small_port():
    """A board whose arena has room for nothing."""
    yield from served("--arena", "600")


def served(*arguments):
    command = [sys.executable, "-m", "tools.boards.host", *arguments]
    board = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield board.stdout.readline().strip()
    board.kill()
    board.wait()


def test_a_board_adds_its_accuracy_parity_latency_and_arena(port):
    network = SyntheticNetwork((12, 8, 3))
    network.conv(8, 3, stride=2)
    network.pool()
    network.dense(4)
    model = network.to_bytes()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 12, 8, 3)).astype("float32"), np.arange(40) % 4
    data = Dataset("random", x, y, x, y, x, y, tuple("abcd"))

    found = run_on_board(make_board(f"serial:{port}"), model, data, num_samples=30)
    arena = tflm.measure_arena(model, minimum=False)
    assert (found.num_samples, found.num_identical, found.max_difference) == (30, 30, 0)
    assert found.arena_bytes == arena.arena_bytes
    assert abs(found.arena_error_percent) < 10
    assert found.latency_low_ms <= found.latency_ms <= found.latency_high_ms
    assert found.instructions is None
    assert (found.energy_mj, "expected a profile" in found.unavailable_reason["energy_mj"]) == (None, True)
    powered = load_device("nucleo-l4r5zi-tflm")
    energetic = run_on_board(make_board(f"serial:{port}"), model, data, num_samples=1, device=powered)
    assert energetic.energy_mj == pytest.approx(energetic.latency_ms * powered.power.active_mw / 1e3)
    assert energetic.energy_low_mj < energetic.energy_mj < energetic.energy_high_mj

    document = make_document("verify", {"board": found})
    assert document["provenance"]["board.latency_ms"] == "measured"
    assert document["provenance"]["board.predicted_arena_bytes"] == "computed"
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(drawn(board_rows(document["result"]["board"])))
    assert "30 of 30" in console.export_text()


def test_a_board_is_judged_by_the_task_and_not_by_the_largest_number(port):
    network = SyntheticNetwork((12,))
    network.dense(1)
    model, x = network.to_bytes(), np.random.default_rng(0).normal(size=(40, 12)).astype("float32")
    info = read_model(model)
    logits = dequantize(tflm.run_outputs(model, quantize(x, info.input_tensors[0])), info.output_tensors[0])
    y = (logits.reshape(-1) > 0).astype(np.int64)
    assert 0 < y.sum() < 40
    data = Dataset("signs", x, y, x, y, x, y, (), task=Task("binary", ("no", "yes")))
    found = run_on_board(make_board(f"serial:{port}"), model, data, num_samples=40)
    assert (found.accuracy, found.metric) == (1.0, "accuracy")
    values = replace(data, y_test=logits.reshape(-1, 1) + 0.5, task=Task("regression", ("v",)))
    board = run_on_board(make_board(f"serial:{port}"), model, values, num_samples=40)
    spread = np.abs(logits - np.median(logits)).mean()
    assert (board.accuracy, board.metric) == (pytest.approx(1 - 0.5 / spread), "skill")
    assert board_rows(make_document("verify", {"board": board})["result"]["board"]).rows[0][0] == "skill"


def test_samples_that_no_board_can_be_judged_by_are_refused_before_anything_is_run():
    x, kinds = np.zeros((4, 2), "f4"), np.array([0, 1, 1, 1])
    several = Task("several", ("a", "b"), parts=(Task("binary", ("no", "yes")),) * 2)
    both = {"a": kinds, "b": kinds}
    with pytest.raises(DataError, match="a run on a board knows one output"):
        check_samples(Dataset("two", x, both, x, both, x, both, (), task=several), 4)
    normal = np.zeros(4, int)
    task = Task("reconstruction", ("normal", "anomaly"))
    fans = Dataset("fans", x, normal, x, normal, x, kinds, (), task=task)
    check_samples(fans, 4)
    assert np.random.default_rng(0).permutation(4)[0] != 0  # the first one to run is an anomaly
    with pytest.raises(DataError, match=r"expected normal samples, with 0 in y_test, .* received 1 anomalies"):
        check_samples(fans, 1)


def test_what_is_no_board_is_refused():
    with pytest.raises(ConfigError, match="bad --on: expected a board such as serial:/dev/ttyACM0,921600"):
        make_board("litert")


@pytest.mark.shared
def test_a_stream_is_refused_before_a_board_is_asked(shared_path, tmp_path):
    model, rng = shared_path / "models_found" / "microwakeword_vad.tflite", np.random.default_rng(0)
    x, y = rng.uniform(0, 20, (20, 12, 40)).astype("f4"), np.arange(20) % 2
    np.savez(tmp_path / "heard.npz", x_train=x, y_train=y, x_test=x + 1, y_test=y)
    arguments = ["verify", model, "--data", tmp_path / "heard.npz", "--data-option", "task=binary", "--device", "host"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--on", "serial:/dev/ttyNOWHERE"])
    assert done.exit_code == 2
    assert "without resource variables" in done.stderr
    assert "received a stream; leave out --on serial" in done.stderr
    with pytest.raises(DoesNotFitError, match="received a stream"):
        make_board("serial:/dev/ttyNOWHERE").outputs(model.read_bytes(), x.astype("i1"))


def test_what_was_verified_is_told_where_the_board_fails_then(small_port, waves_npz, tmp_path):
    network = SyntheticNetwork((32, 3))
    network.dense(4)
    (tmp_path / "m.tflite").write_bytes(network.to_bytes())
    arguments = ["verify", tmp_path / "m.tflite", "--data", waves_npz, "--device", "host", "--json"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--on", f"serial:{small_port}"])
    assert done.exit_code == 2
    assert "is too small" in done.stderr
    assert "board" not in json.loads(done.stdout)["result"]
    assert json.loads(done.stdout)["result"]["accuracy"]["int8_litert"] > 0


def test_a_board_that_is_not_there_is_one_line_before_anything_is_run(waves_npz, tmp_path):
    model = ROOT / "tests" / "data" / "residual_int8.tflite"
    arguments = ["verify", model, "--data", waves_npz, "--device", "host", "--on", "serial:/dev/ttyNOWHERE"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 2
    assert "there is no serial port /dev/ttyNOWHERE" in done.stderr
