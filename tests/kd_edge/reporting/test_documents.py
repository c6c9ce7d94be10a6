"""Documents: for each figure how it was had."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.cost.devices import load_device
from kd_edge.reporting.documents import least_known

MODEL = Path(__file__).parents[2] / "data" / "residual_int8.tflite"


@pytest.mark.parametrize(
    ("device", "path", "kind"),
    [
        ("esp32", "latency_ms", "calibrated"),
        ("bluepill", "latency_ms", "computed"),
        ("esp32,bluepill", "devices[].latency_ms", "computed"),
        ("nrf52840,esp32", "devices[].latency_ms", "calibrated"),
    ],
)
def test_times_are_called_calibrated_only_where_somebody_measured_every_board(device, path, kind):
    boards = [load_device(name) for name in device.split(",")]
    assert all(board.measured for board in boards) == (kind == "calibrated")
    assert least_known(boards).measured == (kind == "calibrated")
    done = CliRunner().invoke(main, ["cost", str(MODEL), "--device", device, "--json"])
    assert json.loads(done.stdout)["provenance"][path] == kind


@pytest.mark.parametrize(("device", "kind"), [("esp32", "calibrated"), ("bluepill", "computed")])
def test_the_table_of_a_cost_calls_times_what_its_document_calls_them(device, kind):
    done = CliRunner().invoke(main, ["cost", str(MODEL), "--device", device])
    (latency,) = (line for line in done.stdout.splitlines() if "latency" in line)
    assert f"), {kind} " in latency
    assert ("times calibrated" in done.stdout) == (kind == "calibrated")


def test_limits_and_excesses_too_small_for_two_decimals_keep_their_digits():
    done = CliRunner().invoke(main, ["cost", str(MODEL), "--device", "nucleo-l4r5zi", "--latency", "4us"])
    assert " 0.004 ms " in done.stdout
    assert "0.00 ms" not in done.stdout


def test_times_of_a_runtime_that_nobody_measured_are_not_called_those_of_it():
    done = CliRunner().invoke(main, ["cost", str(MODEL), "--device", "nucleo-l4r5zi", "--runtime", "hale"])
    assert "times under hale there: not measured" in done.stdout
    assert "times are those of" not in done.stdout
