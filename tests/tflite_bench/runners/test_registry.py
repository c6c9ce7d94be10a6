"""make_runner(): names to runners, and what a runner cannot do."""

from pathlib import Path
from typing import Any

import pytest

from tflite_bench.errors import ConfigError
from tflite_bench.runners.registry import Wishes, make_runner
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


@pytest.mark.parametrize(
    ("choice", "wishes", "message"),
    [
        ("tflm", {"num_threads": 2}, "--threads has no meaning on tflm; it belongs to --on"),
        ("tflm", {"xnnpack": False}, "--no-xnnpack has no meaning on tflm"),
        (
            "litert",
            {"profile": True},
            "--profile has no meaning on litert; it belongs to --on adb, benchmark_model, ssh",
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
