"""The vendors' benchmark programs on a device: a phone over adb, a board over ssh."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tflite_bench.errors import ConfigError
from tflite_bench.runners.base import Runner
from tflite_bench.runners.spec import Device, RunnerSpec, Wishes
from tflite_bench.runners.vendor.programs import PLAN, BenchmarkModel, LiteRTBenchmark, Program, Settings
from tflite_bench.runners.vendor.runner import BinaryRunner
from tflite_bench.transports.adb import FOLDER, Phone, list_phones
from tflite_bench.transports.base import Target
from tflite_bench.transports.ssh import Board, find_ssh, list_hosts

_OPTIONS = frozenset({"num_threads", "xnnpack", "cpus", "profile", "binary", "device_binary", "device_folder", "flags"})


def _make_on_phone(rest: str, wishes: Wishes) -> Runner:
    return _make(Phone(rest or None, wishes.device_folder or FOLDER), wishes, f"{FOLDER}/benchmark_model")


def _make_on_board(rest: str, wishes: Wishes) -> Runner:
    return _make(Board(rest, wishes.device_folder or "/tmp", wishes.ssh_config), wishes, "benchmark_model")


def _make(target: Target, wishes: Wishes, command: str) -> Runner:
    command = wishes.device_binary or command
    program: Program = BenchmarkModel()
    if PurePosixPath(command).name.startswith("litert-benchmark"):
        program = LiteRTBenchmark()
    upload = Path(wishes.binary) if wishes.binary else None
    if upload is not None and (wishes.device_binary or not upload.is_file()):
        raise ConfigError(f"expected --binary to be a program here, without --device-binary; received {upload}")
    return BinaryRunner(program, (command,), upload, target, Settings.of(wishes), wishes.cpus, wishes.profile)


def _discover_phones() -> Iterator[Device]:
    phones = list_phones()
    if not phones:
        yield Device("adb", False, "no phone is connected")
    for serial, state in phones.items():
        yield Device(f"adb:{serial}", state == "device", f"a phone, {state}")


def _discover_boards() -> Iterator[Device]:
    find_ssh()
    hosts = ", ".join(f"ssh:{host}" for host in list_hosts())
    known = f"not contacted, from ~/.ssh/config: {hosts}" if hosts else "~/.ssh/config names no host"
    yield Device("ssh:user@host", True, f"any board with a known host key and a key of yours; {known}")


SPECS = (
    RunnerSpec("adb[:SERIAL]", make=_make_on_phone, discover=_discover_phones, options=_OPTIONS, plan=PLAN),
    RunnerSpec(
        "ssh:user@host",
        make=_make_on_board,
        discover=_discover_boards,
        options=_OPTIONS | {"ssh_config"},
        plan=PLAN,
    ),
)
