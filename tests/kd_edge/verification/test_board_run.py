"""A file verified on a board: the measuring firmware around TFLM's wheel, on a pseudo-terminal."""

import io
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
from kd_edge.errors import ConfigError
from kd_edge.reporting.documents import make_document
from kd_edge.reporting.rows.board import board_rows
from kd_edge.reporting.tables.console import drawn
from kd_edge.verification.board_run import make_board, run_on_board
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import tflm

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")


@pytest.fixture(scope="module")
def port():
    command = [sys.executable, "-m", "tools.boards.host"]
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


def test_what_is_no_board_is_refused():
    with pytest.raises(ConfigError, match="bad --on: expected a board such as serial:/dev/ttyACM0,921600"):
        make_board("litert")


def test_a_board_that_is_not_there_is_one_line_before_anything_is_run(waves_npz, tmp_path):
    model = ROOT / "tests" / "data" / "residual_int8.tflite"
    arguments = ["verify", model, "--data", waves_npz, "--device", "host", "--on", "serial:/dev/ttyNOWHERE"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 2
    assert "there is no serial port /dev/ttyNOWHERE" in done.stderr
