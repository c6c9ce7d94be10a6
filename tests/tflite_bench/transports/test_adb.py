"""Phones: Debian's real adb client, against a stand-in that speaks the device's side of its protocol."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_in_phone import StandInPhone

from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.processes.program import Finished
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.discovery import list_devices
from tflite_bench.runners.registry import make_runner
from tflite_bench.runners.spec import Wishes
from tflite_bench.transports.adb import Phone, _raise_known, list_phones
from tflite_bench.transports.base import fresh_folder

pytestmark = pytest.mark.skipif(shutil.which("adb") is None, reason="adb is not installed (Debian: apt install adb)")

REPLAY = Path(__file__).parents[1] / "replay_benchmark_model.py"


@pytest.fixture(scope="module", autouse=True)
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An adb server of these tests' own, with keys of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("ANDROID_SERIAL", raising=False)
        yield
        subprocess.run(["adb", "kill-server"], capture_output=True, check=False)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., StandInPhone]]:
    """Connects a stand-in to the adb server; its programs are in a folder with a space and a quote in its name."""
    phones = []

    def make(**settings: object) -> StandInPhone:
        phone = StandInPhone(environment={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, **settings)
        phones.append(phone)
        subprocess.run(["adb", "connect", phone.serial], capture_output=True, check=True)
        return phone

    getprop = tmp_path / "bin" / "getprop"
    getprop.parent.mkdir()
    getprop.write_text('#!/bin/sh\necho "$1 of it\'s\t\033[31mphone"\n')
    getprop.chmod(0o755)
    yield make
    for phone in phones:
        subprocess.run(["adb", "disconnect", phone.serial], capture_output=True, check=False)
        phone.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the phone whose name a shell would take apart."""
    path = tmp_path / 'it\'s a "phone" $(touch pwned); `id`'
    path.mkdir()
    return path


def measure(phone: StandInPhone, folder: Path, content: bytes, **wishes: object) -> RunnerResult:
    wishes = {"binary": str(REPLAY), "device_folder": str(folder)} | wishes
    return make_runner(f"adb:{phone.serial}", Wishes(**wishes)).benchmark(content, Plan())


def test_a_model_is_pushed_measured_and_everything_cleaned_up(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    phone = connect()
    # The stand-in runs a copy of the script, which looks for the recordings beside the original.
    result = measure(phone, folder, model_bytes("residual_int8"), binary=None, device_binary=str(REPLAY), cpus=(0,))
    assert (result.runner, result.kind, result.num_runs, result.cpus) == ("adb benchmark_model", "wall time", 134, (0,))
    assert result.latency is not None
    assert result.latency.median_ms == 0.689
    assert result.memory_bytes == 2952 * 1024  # of the result file, which was pulled
    assert result.device["serial"] == phone.serial
    assert result.device["model"] == "ro.product.model of it's [31mphone"
    assert list(folder.iterdir()) == []
    assert any("taskset 1 " in command for command in phone.commands)
    assert not (folder.parent / "pwned").exists()


def test_a_program_of_this_machine_is_copied_and_can_be_run_there(
    connect: Callable[..., StandInPhone], folder: Path, tmp_path: Path, model_bytes: Callable[[str], bytes]
) -> None:
    script = tmp_path / "benchmark_model"
    script.write_text(f'#!/bin/sh\nexec {REPLAY} "$@"\n')
    script.chmod(0o755)
    result = measure(connect(), folder, model_bytes("residual_int8"), binary=str(script), profile=True)
    assert result.ops[0].latency_ms == 0.027
    assert list(folder.iterdir()) == []


def test_a_flag_that_the_program_does_not_know_is_a_failure_and_nothing_is_left(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(RunnerError, match="does not know the flag --bogus=a"):
        measure(
            connect(), folder, model_bytes("atan2"), binary=None, device_binary=str(REPLAY), flags=("--bogus=a b'c",)
        )
    assert list(folder.iterdir()) == []


def test_a_program_that_is_not_on_the_phone_is_an_error(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(RunnerError, match=r"exit status 127; it said: .*/no/such program.*not found"):
        measure(connect(), folder, model_bytes("atan2"), binary=None, device_binary="/no/such program")


def test_a_phone_that_disappears_in_the_middle_is_an_error(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    phone = connect(vanish_on="--graph=")
    gone = rf"no connection to phone {phone.serial} \(.*\); is it plugged in|phone {phone.serial} does not answer"
    with pytest.raises(RunnerError, match=gone):
        measure(phone, folder, model_bytes("atan2"), binary=None, device_binary=str(REPLAY))


def test_an_unauthorized_phone_says_what_to_do(connect: Callable[..., StandInPhone]) -> None:
    phone = connect(authorized=False)
    message = f"phone {phone.serial} has not authorized this computer; unlock it and accept its question"
    for named in (phone.serial, None):
        with pytest.raises(RunnerError, match=message):
            Phone(named).make_folder()


@pytest.mark.parametrize("state", ["unauthorized.", "still authorizing"])
def test_both_words_of_adb_for_a_phone_that_waits_for_its_user_are_understood(state: str) -> None:
    refused = Finished(1, "", f"error: device {state}\n", 10.0)
    with pytest.raises(RunnerError, match="phone R58M12 has not authorized this computer"):
        _raise_known(refused, "R58M12")


def test_a_full_disk_of_the_phone_is_named(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    phone = connect(full=True)
    with pytest.raises(RunnerError, match=f"the disk of phone {phone.serial} is full; choose another --device-folder"):
        measure(phone, folder, model_bytes("atan2"), binary=None, device_binary=str(REPLAY))
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(connect: Callable[..., StandInPhone], tmp_path: Path) -> None:
    phone = connect()
    with pytest.raises(RunnerError, match=rf"a folder in .*nowhere' on phone {phone.serial}: mkdir: .*No such file"):
        Phone(phone.serial, str(tmp_path / "nowhere")).make_folder()


@pytest.mark.parametrize("android", [7, 8])
def test_a_file_that_is_not_there_is_none(android: int, connect: Callable[..., StandInPhone], folder: Path) -> None:
    phone = Phone(connect(android=android).serial, str(folder))
    with fresh_folder(phone) as fresh:
        assert phone.pull(f"{fresh}/it's not there") is None


@pytest.mark.parametrize("android", [7, 8])
def test_a_program_that_fails_says_why(
    android: int,
    connect: Callable[..., StandInPhone],
    folder: Path,
    tmp_path: Path,
    model_bytes: Callable[[str], bytes],
) -> None:
    program = tmp_path / "failing"
    program.write_text("#!/bin/sh\necho 'ERROR: Op builtin_code out of range: 210' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RunnerError, match="exit status 1; it said: ERROR: Op builtin_code out of range: 210"):
        measure(connect(android=android), folder, model_bytes("atan2"), binary=str(program))


@pytest.mark.parametrize("android", [7, 8])
def test_a_release_that_writes_no_result_file_is_read_from_what_it_prints(
    android: int,
    connect: Callable[..., StandInPhone],
    tmp_path: Path,
    model_bytes: Callable[[str], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REPLAY", "old")
    phone = connect(android=android)
    result = measure(phone, tmp_path, model_bytes("residual_int8"), binary=None, device_binary=str(REPLAY))
    assert result.num_runs == 134


def test_a_serial_number_that_nobody_has_is_an_error(connect: Callable[..., StandInPhone]) -> None:
    connect()
    with pytest.raises(RunnerError, match=r"no connection to phone nobody \(.*device 'nobody' not found\)"):
        Phone("nobody").make_folder()


def test_the_only_phone_is_taken_and_named(
    connect: Callable[..., StandInPhone], folder: Path, model_bytes: Callable[[str], bytes]
) -> None:
    phone = connect()
    wishes = Wishes(device_binary=str(REPLAY), device_folder=str(folder))
    result = make_runner("adb", wishes).benchmark(model_bytes("residual_int8"), Plan())
    assert result.device["serial"] == phone.serial


def test_the_phone_of_the_variable_of_adb_is_taken_among_several(
    connect: Callable[..., StandInPhone], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = connect(), connect()
    monkeypatch.setenv("ANDROID_SERIAL", second.serial)
    assert Phone(folder=str(folder)).describe()["serial"] == second.serial
    assert len(second.commands) == 1


def test_no_phone_at_all_is_an_error() -> None:
    with pytest.raises(RunnerError, match="no phone is connected; plug one in, with USB debugging on"):
        Phone().make_folder()


def test_among_several_phones_one_must_be_chosen(connect: Callable[..., StandInPhone]) -> None:
    serials = {connect().serial, connect().serial}
    with pytest.raises(RunnerError, match=r"choose one with --on adb:SERIAL, among 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+"):
        Phone().make_folder()
    assert list_phones() == dict.fromkeys(serials, "device")
    ready = {device.on for device in list_devices() if device.ready}
    assert {f"adb:{serial}" for serial in serials} <= ready


def test_no_line_break_reaches_the_shell_of_a_phone(connect: Callable[..., StandInPhone]) -> None:
    phone = Phone(connect().serial)
    with pytest.raises(ConfigError, match="no name on a device may hold a line break"):
        phone.run(["true", "a\nb"], time_limit_s=10)


def test_without_the_client_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeMissingError, match="apt install adb"):
        Phone().make_folder()
