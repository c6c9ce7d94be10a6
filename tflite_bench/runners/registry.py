"""Turns what a user asked for, such as `"ssh:pi@board"`, into a runner."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tflite_bench.errors import ConfigError
from tflite_bench.runners.base import Runner
from tflite_bench.runners.ethos_u import ACCELERATORS, EthosURunner
from tflite_bench.runners.litert import LiteRTRunner
from tflite_bench.runners.qemu.firmware import CORES
from tflite_bench.runners.qemu.runner import QemuRunner
from tflite_bench.runners.tflm import TFLMRunner
from tflite_bench.runners.vendor.programs import BenchmarkModel, LiteRTBenchmark, Program, Settings
from tflite_bench.runners.vendor.runner import BinaryRunner, local_runner
from tflite_bench.transports.adb import FOLDER, Phone
from tflite_bench.transports.base import Target
from tflite_bench.transports.ssh import Board

KINDS = ("litert", "tflm", "litert-benchmark", "benchmark_model", "adb", "ssh:user@host", "qemu:m4", "ethos-u")


@dataclass(frozen=True)
class Wishes:
    """How a runner is to work; what it cannot do is refused.

    Attributes:
        num_threads: Threads of the kernels.
        xnnpack: False to switch the XNNPACK delegate off.
        cpus: Cores to bind the runtime to.
        profile: Also measure every operator.
        binary: A `benchmark_model` on this machine, which is copied to a device.
        device_binary: The program on a device instead.
        device_folder: Folder on a device that measurements may write to.
        flags: More flags for the benchmark program.
        ssh_config: Another configuration file for ssh.
    """

    num_threads: int = 1
    xnnpack: bool = True
    cpus: tuple[int, ...] = ()
    profile: bool = False
    binary: str | None = None
    device_binary: str | None = None
    device_folder: str | None = None
    flags: tuple[str, ...] = ()
    ssh_config: str | None = None


# Whether something may follow the name after a colon.
_REST = {"adb": {False, True}, "ssh": {True}, "qemu": {True}, "ethos-u": {False, True}}
# Option: (field of Wishes, the kinds that know it).
_OPTIONS = {
    "--threads": ("num_threads", {"litert", "litert-benchmark", "benchmark_model", "adb", "ssh"}),
    "--no-xnnpack": ("xnnpack", {"litert", "benchmark_model", "adb", "ssh"}),
    "--cpus": ("cpus", {"litert", "litert-benchmark", "benchmark_model", "adb", "ssh"}),
    "--profile": ("profile", {"benchmark_model", "adb", "ssh"}),
    "--binary": ("binary", {"benchmark_model", "adb", "ssh"}),
    "--device-binary": ("device_binary", {"adb", "ssh"}),
    "--device-folder": ("device_folder", {"adb", "ssh"}),
    "--flag": ("flags", {"litert-benchmark", "benchmark_model", "adb", "ssh"}),
    "--ssh-config": ("ssh_config", {"ssh"}),
}


def make_runner(choice: str, wishes: Wishes | None = None) -> Runner:
    """Return the runner of a name.

    Args:
        choice: One of `KINDS`; `"adb:SERIAL"` chooses among several phones, `"qemu:m7"` and `"qemu:m55"` are other
            processors, `"ethos-u:ethos-u65-256"` another accelerator.
        wishes: How it is to work.

    Raises:
        ConfigError: There is no such runner, or it cannot work in this way.
        RuntimeMissingError: Its program is not installed.
    """
    wishes = wishes or Wishes()
    kind, colon, rest = choice.partition(":")
    expected = _REST.get(kind, {False})
    if (
        kind not in {name.partition(":")[0] for name in KINDS}
        or bool(colon) not in expected
        or bool(colon) != bool(rest)
    ):
        raise ConfigError(f"unknown runner {choice!r}: expected one of {', '.join(KINDS)}")
    _refuse_strangers(kind, wishes)
    if kind == "litert":
        return LiteRTRunner(num_threads=wishes.num_threads, xnnpack=wishes.xnnpack, cpus=wishes.cpus)
    if kind == "tflm":
        return TFLMRunner()
    if kind in ("qemu", "ethos-u"):
        return _virtual_runner(kind, rest)
    settings = Settings(wishes.num_threads, wishes.xnnpack, wishes.flags)
    if kind in ("litert-benchmark", "benchmark_model"):
        return local_runner(kind, binary=wishes.binary, settings=settings, cpus=wishes.cpus, profile=wishes.profile)
    if kind == "adb":
        phone = Phone(rest or None, wishes.device_folder or FOLDER)
        return _remote_runner(phone, wishes, settings, f"{FOLDER}/benchmark_model")
    board = Board(rest, wishes.device_folder or "/tmp", wishes.ssh_config)
    return _remote_runner(board, wishes, settings, "benchmark_model")


def _refuse_strangers(kind: str, wishes: Wishes) -> None:
    default = Wishes()
    for option, (field, kinds) in _OPTIONS.items():
        if kind not in kinds and getattr(wishes, field) != getattr(default, field):
            raise ConfigError(f"{option} has no meaning on {kind}; it belongs to --on {', '.join(sorted(kinds))}")


def _virtual_runner(kind: str, rest: str) -> Runner:
    known = tuple(CORES) if kind == "qemu" else ACCELERATORS
    chosen = rest or "ethos-u55-128"
    if chosen not in known:
        raise ConfigError(f"unknown runner '{kind}:{rest}': expected after the colon one of {', '.join(known)}")
    return QemuRunner(chosen) if kind == "qemu" else EthosURunner(chosen)


def _remote_runner(target: Target, wishes: Wishes, settings: Settings, command: str) -> BinaryRunner:
    command = wishes.device_binary or command
    program: Program = BenchmarkModel()
    if PurePosixPath(command).name.startswith("litert-benchmark"):
        program = LiteRTBenchmark()
    upload = Path(wishes.binary) if wishes.binary else None
    if upload is not None and (wishes.device_binary or not upload.is_file()):
        raise ConfigError(f"expected --binary to be a program here, without --device-binary; received {upload}")
    return BinaryRunner(program, (command,), upload, target, settings, wishes.cpus, wishes.profile)
