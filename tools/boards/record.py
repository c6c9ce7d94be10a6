"""Records run, calibrate and verify over a wire: a board that QEMU emulates, and the firmware around TFLM's wheel.

    python -m tools.boards.record > docs/results/boards.txt

Needs what tools/install-system installs. Takes about two minutes, most of them for the calibration.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tflite_bench.calibration.network_writer import SyntheticNetwork
from tools.boards import emulated

ROOT = Path(__file__).parents[2]
# 62 of the int8 networks of a calibration fit a board of this size.
_SMALL = ("--arena", "12000", "--model-memory", "12000")


def network() -> bytes:
    """Return a small network that both boards run."""
    made = SyntheticNetwork((12, 8, 3))
    made.conv(8, 3, stride=2)
    made.depthwise(3)
    made.conv(8, 1)
    made.pool((6, 4))
    made.dense(4)
    return made.to_bytes()


def show(folder: Path, command: str, **instead: str) -> None:
    """Run a command, and print it with what it prints and how long it took.

    Args:
        folder: Where it runs.
        command: The command.
        **instead: What is really meant by words of it, such as a port whose number means nothing.
    """
    real = command
    for word, meant in instead.items():
        real = real.replace(word, meant)
    arguments = shlex.split(real)
    program = Path(sys.executable).with_name(arguments[0])
    start = time.monotonic()
    done = subprocess.run(
        [program, *arguments[1:]], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = done.stdout + "".join(
        line for line in done.stderr.splitlines(True) if line.startswith(("tflite-bench", "kd-edge"))
    )
    for word, meant in instead.items():
        told = told.replace(meant, word)
    print(
        f"$ {command}\n{told.rstrip()}\n[exit code {done.returncode}, {time.monotonic() - start:.0f} s]\n", flush=True
    )


def main() -> None:
    """Record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(network())
        write_data(folder / "data.npz")
        print("# A Cortex-M4 that QEMU emulates; the network is compiled in, its UART is a socket\n")
        elf = emulated.build(network(), "m4", folder)
        with emulated.running(elf, "m4", folder) as board:
            show(folder, "tflite-bench run model.tflite --on serial:PORT", PORT=board.port)
            show(folder, "tflite-bench calibrate my-board.toml --on serial:PORT", PORT=board.port)
        print("# The same firmware around TFLM's interpreter on a PC, on a pseudo-terminal: models are uploaded\n")
        with_tflm(folder)


def with_tflm(folder: Path) -> None:
    """Record what needs an upload."""
    command = [sys.executable, "-m", "tools.boards.host", *_SMALL]
    board = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert board.stdout is not None
        port = {"/dev/ttyACM0": board.stdout.readline().strip()}
        show(folder, "tflite-bench run model.tflite --on serial:/dev/ttyACM0,921600", **port)
        show(folder, "tflite-bench calibrate my-board.toml --on serial:/dev/ttyACM0,921600 --int8-only", **port)
        verify = "kd-edge verify model.tflite --data data.npz --no-normalize --device ./my-board.toml"
        show(folder, f"{verify} --on serial:/dev/ttyACM0,921600", **port)
    finally:
        board.kill()


def write_data(path: Path) -> None:
    """Write samples of four classes that a network of random weights does not tell apart."""
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.normal(size=(80, 12, 8, 3)).astype("float32") for split in ("train", "val", "test")}
    np.savez(path, **arrays, **{f"y_{split}": np.arange(80) % 4 for split in ("train", "val", "test")})


if __name__ == "__main__":
    main()
