"""make_runner(): names to runners, what a runner cannot do, and runners of other packages."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.cli import main
from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.runners import registry
from tflite_bench.runners.discovery import list_devices
from tflite_bench.runners.registry import make_runner, register_runner
from tflite_bench.runners.spec import Device, RunnerSpec, Wishes
from tflite_bench.runners.vendor.runner import BinaryRunner
from tflite_bench.transports.adb import Phone
from tflite_bench.transports.ssh import Board

REPLAY = str(Path(__file__).parents[1] / "replay_benchmark_model.py")


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("litert", "litert"),
        ("tflm", "tflm"),
        ("litert-benchmark", "litert-benchmark"),
        ("adb", "adb benchmark_model"),
        ("adb:R58M12", "adb benchmark_model"),
        ("ssh:pi@board", "ssh benchmark_model"),
    ],
)
def test_a_runner_bears_the_name_that_results_give_it(choice: str, name: str) -> None:
    assert make_runner(choice).name == name


def test_devices_are_chosen_by_serial_number_and_host() -> None:
    phone, board = make_runner("adb:127.0.0.1:5555"), make_runner("ssh:pi@10.0.0.7", Wishes(device_folder="/mnt/x"))
    assert isinstance(phone, BinaryRunner)
    assert isinstance(board, BinaryRunner)
    assert phone.target == Phone("127.0.0.1:5555")
    assert board.target == Board("pi@10.0.0.7", "/mnt/x")


@pytest.mark.parametrize("choice", ["", "gpu", "ssh", "ssh:", "adb:", "litert:x", "tflm:y", "LiteRT"])
def test_a_name_that_is_none_lists_the_known_ones(choice: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown runner '.*': expected one of litert, tflm, litert-benchmark"):
        make_runner(choice)


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected the name of a runner, such as 'litert', received NoneType"):
        make_runner(None)


@pytest.mark.parametrize(
    ("choice", "wishes", "message"),
    [
        ("tflm", {"num_threads": 2}, "--threads has no meaning on tflm; it belongs to --on"),
        ("tflm", {"xnnpack": False}, "--no-xnnpack has no meaning on tflm"),
        (
            "litert",
            {"profile": True},
            "--profile has no meaning on litert; it belongs to --on adb, benchmark_model, serial, ssh",
        ),
        ("litert-benchmark", {"binary": "x"}, "--binary has no meaning on litert-benchmark"),
        ("benchmark_model", {"device_folder": "x", "binary": REPLAY}, "--device-folder has no meaning on"),
        ("adb", {"ssh_config": "x"}, "--ssh-config has no meaning on adb"),
        ("adb", {"binary": "/nowhere"}, "expected --binary to be a program here"),
        ("adb", {"binary": REPLAY, "device_binary": "x"}, "without --device-binary"),
    ],
)
def test_what_a_runner_cannot_do_is_refused(choice: str, wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_runner(choice, Wishes(**wishes))


@pytest.mark.parametrize(
    ("choice", "plan", "message"),
    [
        ("qemu:m4", Plan(precision=0.1), "--precision has no meaning on qemu; it belongs to --on litert, serial, tflm"),
        ("ethos-u", Plan(num_runs=10), "--num-runs has no meaning on ethos-u; it belongs to --on adb, benchmark_model"),
        ("adb", Plan(seed=1), "--seed has no meaning on adb; it belongs to --on litert, qemu, serial, tflm"),
        ("litert-benchmark", Plan(precision=0.1), "--precision has no meaning on litert-benchmark"),
    ],
)
def test_a_plan_that_a_runner_cannot_keep_is_refused(choice: str, plan: Plan, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_runner(choice, plan=plan)
    assert make_runner(choice, plan=Plan(time_limit_s=5.0)).name


def test_a_plan_that_a_runner_cannot_keep_is_refused_from_python_too(model_path: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="--num-runs has no meaning on qemu"):
        run_benchmark(model_path("residual_int8"), runner="qemu:m4", num_runs=1000)


class Constant:
    """A runner of another package."""

    name = "constant"

    def __init__(self, latency_ms: float, num_threads: int) -> None:
        self.latency_ms, self.num_threads = latency_ms, num_threads

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        stats = LatencyStats.from_samples([self.latency_ms])
        return RunnerResult("constant", "wall time", 1, stats, num_threads=self.num_threads)


def _discover() -> Iterator[Device]:
    yield Device("constant:1", True, "always 1 ms")
    raise RunnerError("no other constants here")


CONSTANT = RunnerSpec(
    "constant[:MS]",
    make=lambda rest, wishes: Constant(float(rest or 1), wishes.num_threads),
    discover=_discover,
    options=frozenset({"num_threads"}),
)


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the runner for one test."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    register_runner(CONSTANT)


@pytest.mark.usefixtures("registered")
def test_a_runner_of_another_package_is_made_and_measures_by_its_name(model_path: Callable[[str], Path]) -> None:
    assert run_benchmark(model_path("atan2"), runner="constant").result.latency == LatencyStats.from_samples([1.0])
    done = run_command("run", model_path("atan2"), "--on", "constant:2.5", "--threads", 3, "--json")
    result = json.loads(done.stdout)["result"]
    assert (done.exit_code, result["latency"]["median_ms"], result["num_threads"]) == (0, 2.5, 3)


@pytest.mark.usefixtures("registered")
def test_the_command_line_names_a_runner_of_another_package_where_it_names_the_others(
    model_path: Callable[[str], Path],
) -> None:
    assert "ethos-u[:NAME], constant[:MS]" in " ".join(run_command("run", "--help").stdout.split())
    wrong = run_command("run", model_path("atan2"), "--on", "constant", "--profile")
    assert "--profile has no meaning on constant; it belongs to --on adb, benchmark_model, serial, ssh" in wrong.stderr
    assert "it belongs to --on adb, benchmark_model, constant, litert" in (
        run_command("run", model_path("atan2"), "--on", "tflm", "--threads", 2).stderr
    )
    with pytest.raises(ConfigError, match=r"unknown runner 'constant:'.*, ethos-u\[:NAME\], constant\[:MS\]"):
        make_runner("constant:")


@pytest.mark.usefixtures("registered")
def test_what_a_runner_finds_and_why_it_finds_no_more_are_both_listed() -> None:
    assert list_devices()[-2:] == (
        Device("constant:1", True, "always 1 ms"),
        Device("constant", False, "no other constants here"),
    )


@pytest.mark.usefixtures("registered")
def test_a_runner_whose_library_is_missing_leaves_the_others_as_they_are() -> None:
    def fails(*unused: object) -> Any:
        import no_such_library  # noqa: F401

    register_runner(RunnerSpec("lacking", make=fails, discover=fails))
    devices = {device.on: device for device in list_devices()}
    assert devices["litert"].ready
    assert devices["lacking"] == Device("lacking", False, "No module named 'no_such_library'")
    assert make_runner("constant").name == "constant"
    with pytest.raises(RuntimeMissingError, match="cannot run on lacking: No module named 'no_such_library'; install"):
        make_runner("lacking")


@pytest.mark.usefixtures("registered")
def test_a_name_that_is_taken_is_refused_for_another_runner() -> None:
    register_runner(CONSTANT)
    with pytest.raises(ConfigError, match="cannot register the runner 'constant': expected a new name, received one"):
        register_runner(dataclasses.replace(CONSTANT, options=frozenset()))


def test_an_option_that_does_not_exist_is_refused_in_a_description() -> None:
    with pytest.raises(ConfigError, match=r"bad runner 'constant\[:MS\]': expected options that Wishes has, received"):
        dataclasses.replace(CONSTANT, options=frozenset({"threads"}))
    with pytest.raises(ConfigError, match=r"bad runner 'constant\[:MS\]': expected parts of a plan that Plan has"):
        dataclasses.replace(CONSTANT, plan=frozenset({"runs"}))


@pytest.mark.parametrize(("choice", "allowed"), [("qemu:m3", "m4, m7, m55"), ("ethos-u:x", "ethos-u55-32, ethos-u55")])
def test_what_may_follow_the_colon_is_listed(choice: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown runner '{choice}': expected after the colon one of {allowed}"):
        make_runner(choice)
