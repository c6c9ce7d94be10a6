"""The measuring firmware on an emulated Cortex-M: a network that bakenn has translated is compiled in.

    python -m tools.boards.emulated MODEL.tflite [m4|m7|m55]

prints the port after `--on serial:` and runs until it is stopped.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from tflite_bench.runners.qemu.firmware import CORES, compile_program, translate
from tflite_bench.runners.qemu.runner import EMULATOR

_UARTS = {"m4": (0x40004000, 25_000_000), "m7": (0x40004000, 25_000_000), "m55": (0x49303000, 32_000_000)}
_WARNINGS = ("-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class EmulatedBoard:
    """A running emulator.

    Attributes:
        port: What pyserial opens.
        process: The emulator.
        control: Path of the socket that takes its commands.
    """

    port: str
    process: "subprocess.Popen[bytes]"
    control: str

    def reset(self) -> None:
        """Press the reset button."""
        self._command("system_reset")

    def stop(self) -> None:
        """Stop the processor's clock."""
        self._command("stop")

    def go_on(self) -> None:
        """Let it run again."""
        self._command("cont")

    def _command(self, name: str) -> None:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.control)
            stream = control.makefile("rwb")
            stream.readline()
            for command in ("qmp_capabilities", name):
                stream.write(json.dumps({"execute": command}).encode() + b"\n")
                stream.flush()
                while "return" not in json.loads(stream.readline()):
                    pass


def build(model: bytes, core: str, folder: Path) -> Path:
    """Compile the firmware with a network; return the ELF file."""
    made = translate(model, folder)
    uart, clock_hz = _UARTS[core]
    machine = CORES[core]
    flags = (
        f"-DBENCH_UART={uart}u", f"-DBENCH_CLOCK_HZ={clock_hz}u", f'-DBENCH_CORE="{machine.name}"',
        f'-DBENCH_MACHINE="{machine.machine}"', f"-DBENCH_MODEL_BYTES={len(model)}u",
        f"-DBENCH_MODEL_CHECKSUM={zlib.crc32(model)}u", f'-DBENCH_MODEL_BUILD="bakenn {version("bakenn")}"',
    )  # fmt: skip
    with as_file(files("tflite_bench.runners.board") / "firmware") as firmware:
        own = [str(firmware / name) for name in ("bench.c", "model_bakenn.c", "ports/qemu_mps2.c")]
        include = (str(firmware), *made["include_dirs"])
        objects = [_compile_own(source, include, machine.compiler_cpu, flags, folder) for source in own]
        return compile_program((*objects, *made["sources"]), include, machine, folder, flags=flags)


def _compile_own(source: str, include: tuple[str, ...], cpu: str, flags: tuple[str, ...], folder: Path) -> str:
    """Compile one of our own files, where a warning is an error."""
    target = str(folder / Path(source).with_suffix(".o").name)
    command = ["arm-none-eabi-gcc", f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=soft", "-std=c11", "-O2", *_WARNINGS]
    headers = [part for path in include for part in ("-I", path)]
    subprocess.run([*command, *flags, *headers, "-c", source, "-o", target], check=True)
    return target


@contextlib.contextmanager
def running(elf: Path, core: str, folder: Path) -> Iterator[EmulatedBoard]:
    """Run a firmware; its UART is a socket on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    control = str(folder / "control")
    command = [
        EMULATOR, "-machine", CORES[core].machine, "-nographic", "-monitor", "none", "-nodefaults", "-net", "none",
        "-icount", "shift=6,sleep=off", "-serial", f"tcp:127.0.0.1:{number},server=on,wait=off,nodelay=on",
        "-qmp", f"unix:{control},server=on,wait=off", "-kernel", str(elf),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        board = EmulatedBoard(f"socket://127.0.0.1:{number}", process, control)
        _await(board)
        yield board
    finally:
        process.kill()
        process.wait()


def _await(board: EmulatedBoard) -> None:
    """Wait until the emulator answers a command: then it listens on its other socket, too."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            board.go_on()
            return
        if board.process.poll() is not None:
            raise RuntimeError(f"{EMULATOR} ended with exit status {board.process.returncode}")
        time.sleep(0.05)
    raise RuntimeError(f"{EMULATOR} did not start within 10 s")


def main() -> None:
    """Run a model's firmware until it is stopped."""
    model, core = Path(sys.argv[1]).read_bytes(), (sys.argv[2:] or ["m4"])[0]
    with tempfile.TemporaryDirectory() as name:
        elf = build(model, core, Path(name))
        with running(elf, core, Path(name)) as board:
            print(f"--on serial:{board.port}", flush=True)
            board.process.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
