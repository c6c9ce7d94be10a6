"""Calibration of a board over a serial port: what fits, what is kept, and the profile."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_edge.cost.devices import load_device
from tflite_bench.calibration import calibrate as calibrating
from tflite_bench.calibration.calibrate import Calibration, Cost, Network, calibrate
from tflite_bench.calibration.networks import networks
from tflite_bench.calibration.profile import profile_toml
from tflite_bench.calibration.store import MeasurementStore
from tflite_bench.errors import RunnerError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.operators.spec import KERNEL_CLASSES, Blocks
from tflite_bench.runners import tflm
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.board.runner import BoardRunner

ROOT = Path(__file__).parents[3]
FEW = Plan(num_runs=3, time_limit_s=0.1)

pytestmark = pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    """A board whose arena is too small for some of the networks."""
    command = [sys.executable, "-m", "tools.boards.host", "--arena", "60000", "--model-memory", "60000"]
    board = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert board.stdout is not None
    yield board.stdout.readline().strip()
    board.kill()
    board.wait()


@pytest.fixture
def general_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the networks of single kinds of operators."""
    monkeypatch.setattr(calibrating, "op_networks", lambda dtype: ())


class Counting(BoardRunner):
    """Counts what is measured, and breaks off after some of it."""

    left = 10**6
    done = 0

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        if self.done == self.left:
            raise RunnerError("the board on the desk is gone")
        result = super().benchmark(model, plan)
        self.done += 1
        return result


@pytest.mark.usefixtures("general_networks")
def test_the_networks_that_fit_make_a_profile_and_a_break_loses_nothing(port: str, tmp_path: Path) -> None:
    runner = Counting(port)
    path = tmp_path / "my-board.measured"
    runner.left = 30
    with pytest.raises(RunnerError, match="is gone"):
        calibrate(runner, dtypes=("int8",), plan=FEW, store=MeasurementStore(path, runner.describe()))
    assert len(path.read_text().splitlines()) == 31  # and an empty one
    path.write_text(path.read_text()[:-20])  # the last was cut off

    runner.left = 10**6
    store = MeasurementStore(path, runner.describe())
    result = calibrate(runner, dtypes=("int8",), plan=FEW, store=store)
    everything = len(dict(networks("int8")))
    assert 40 <= len(result.networks) < everything  # larger ones do not fit
    assert runner.done == 2 * len(result.networks) + 1  # that one again, and no other
    again = calibrate(runner, dtypes=("int8",), plan=FEW, store=MeasurementStore(path, runner.describe()))
    assert again.device["core"] == "host"
    assert [row.measured_ms for row in again.networks] == [row.measured_ms for row in result.networks]
    assert runner.done == 2 * len(result.networks) + 1
    runner.close()

    profile = tmp_path / "my-board.toml"
    profile.write_text(profile_toml(result))
    device = load_device(str(profile))
    assert (device.core, device.runtime, device.clock_mhz, device.quality) == ("host", "tflm", 1000.0, "measured")
    assert (device.ram_bytes, device.flash_bytes, device.pointer_bytes) == (60_000, 60_000, 8)
    assert f"{len(result.networks)} generated networks" in device.source


@pytest.mark.parametrize(
    ("build", "release"), [("tflm esp-nn 1.1.2, 13.2.0", "esp-nn 1.1.2"), ("tflm unknown, 13.2.0", ""), ("fuzz", "")]
)
def test_the_release_that_a_firmware_states_is_that_of_its_profile(build: str, release: str, tmp_path: Path) -> None:
    board = {"board": "mine", "core": "esp32-s3", "clock_mhz": "240", "runtime": "tflm+esp-nn", "build": build}
    costs = dict.fromkeys(KERNEL_CLASSES, Cost(5.0, 5.0, 1.0, 500.0))
    memories = {"model_memory_bytes": "90000", "arena_memory_bytes": "90000"}
    of_each = ({"int8": costs}, {"int8": 1000.0}, {"int8": Blocks()})
    made = Calibration("serial", board | memories, *of_each, (Network("a", "int8", 1.0, 1.0),), 0.1, 20.0)
    path = tmp_path / "mine.toml"
    path.write_text(profile_toml(made))
    assert (load_device(path).runtime_version, load_device(path).core) == (release, "xtensa-lx7")


def test_what_another_board_was_measured_with_does_not_count(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path / "x.measured", {"board": "a"})
    store.add(0, b"network", 1.5)
    assert MeasurementStore(store.path, {"board": "a"}).get(0, b"network") == 1.5
    assert MeasurementStore(store.path, {"board": "a"}).get(1, b"network") is None
    assert MeasurementStore(store.path, {"board": "b"}).get(0, b"network") is None


@pytest.mark.parametrize(
    "damaged",
    [
        '{"board": {}, "key": ["a"], "time_ms": 1.0}',
        '{"board": {}, "key": "a", "time_ms": Infinity}',
        '{"board": {}, "key": "a", "time_ms": true}',
        '{"board": {}, "key": "a", "time_ms": 0}',
        "[" * 100_000,
    ],
)
def test_damaged_lines_count_as_not_there(damaged: str, tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path / "x.measured", {})
    store.add(0, b"network", 1.5)
    whole = store.path.read_text()
    store.path.write_text(f"{damaged}\n{whole}\n{whole.replace('1.5', '2')}\n{damaged}")
    read = MeasurementStore(store.path, {})
    assert read.get(0, b"network") == 2.0
    assert len(read._times) == 1


@pytest.mark.usefixtures("general_networks")
def test_a_board_that_too_little_fits_on_gets_no_profile(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    dense = [(name, content) for name, content in networks("int8") if name.startswith("dense")]
    monkeypatch.setattr(calibrating, "networks", lambda dtype: dense)
    runner = BoardRunner(port)
    with pytest.raises(RunnerError, match=r"only \d of the int8 networks fit the board, and none with conv or "):
        calibrate(runner, dtypes=("int8",), plan=FEW)
    runner.close()
