"""Runs a model in a child process, so that a model that crashes or hangs a runtime takes nothing else down.

Parent and child talk through files in a temporary folder: `model.tflite`, `request.json`, `result.json`, `stderr.txt`
and `.npy` arrays, which are read without pickle.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflite_bench.errors import RunnerError

Array = np.ndarray[Any, np.dtype[Any]]
Handler = Callable[[Mapping[str, Any], bytes, list[Array]], tuple[Mapping[str, Any], Sequence[Array]]]

_MAX_MESSAGE = 300
_STDERR_BYTES = 256 * 1024


class ChildError(RunnerError):
    """The child process failed.

    Attributes:
        stderr: The last 256 kB of what it and the runtime wrote to stderr.
    """

    def __init__(self, message: str, stderr: str) -> None:
        super().__init__(message)
        self.stderr = stderr


@dataclass(frozen=True)
class ChildResult:
    """What a child process handed back.

    Attributes:
        values: Plain values.
        arrays: Arrays.
        stderr: The last 256 kB of what it and the runtime wrote to stderr.
    """

    values: Mapping[str, Any]
    arrays: tuple[Array, ...]
    stderr: str


def run_child(
    module: str,
    request: Mapping[str, Any],
    *,
    model: bytes,
    arrays: Sequence[Array] = (),
    time_limit_s: float,
) -> ChildResult:
    """Run a module of this package in a fresh Python process and wait for its result.

    Args:
        module: Name of a module that calls `serve` when it is run, e.g. `"tflite_bench.litert"`.
        request: Plain values for its handler.
        model: Bytes of the `.tflite` file.
        arrays: Arrays for its handler.
        time_limit_s: The process is killed after this many seconds.

    Raises:
        ChildError: The process reported an error, crashed, or did not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="tflite-bench-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        (folder / "request.json").write_text(json.dumps(dict(request)))
        _save_arrays(folder, "input", arrays)
        returncode = _run(module, folder, time_limit_s)
        stderr = _tail(folder / "stderr.txt")
        result = folder / "result.json"
        values = json.loads(result.read_text()) if result.is_file() else {}
        if "error" in values:
            raise ChildError(f"{values['error']}{_last_line(stderr)}", stderr)
        # A process that crashes after its work has worked on broken memory.
        if returncode != 0 or not result.is_file():
            raise ChildError(f"the runtime {_reason(returncode, time_limit_s)}{_last_line(stderr)}", stderr)
        return ChildResult(values, tuple(_load_arrays(folder, "output")), stderr)


def serve(handler: Handler) -> None:
    """Answer the parent's request; to be called in the child process.

    Args:
        handler: Called with the request's values, the model's bytes and the arrays; returns values and arrays.
            What it raises goes to the parent as a `RunnerError`.
    """
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    try:
        values, arrays = handler(request, (folder / "model.tflite").read_bytes(), _load_arrays(folder, "input"))
        _save_arrays(folder, "output", arrays)
    except Exception as error:
        values = {"error": _one_line(str(error)) or type(error).__name__}
    partial = folder / "result.part"
    partial.write_text(json.dumps(dict(values)))
    partial.replace(folder / "result.json")


def _run(module: str, folder: Path, time_limit_s: float) -> int | None:
    """Return the exit status, or None if the process had to be killed."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "PYTHONSAFEPATH": "1",
    }
    with (folder / "stderr.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=time_limit_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None
        except BaseException:
            _kill(process)
            raise


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those that it has started."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(returncode: int | None, time_limit_s: float) -> str:
    if returncode is None:
        return f"did not end within {time_limit_s:g} s and was stopped"
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else f"signal {-returncode}"
    hint = "; the machine may be out of memory" if name == "SIGKILL" else "; the model crashes this runtime"
    return f"was ended by {name}{hint}"


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines()]
    told = [line for line in lines if line and not line.startswith(("INFO:", "[RecordingMicroAllocator]"))]
    return f"; it said last: {_one_line(told[-1])}" if told else ""


def _one_line(text: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.shorten(line, _MAX_MESSAGE, placeholder=" ...")


def _tail(path: Path) -> str:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _STDERR_BYTES))
        return log.read().decode("utf-8", errors="replace").replace("\r\n", "\n")


def _save_arrays(folder: Path, name: str, arrays: Sequence[Array]) -> None:
    for position, array in enumerate(arrays):
        np.save(folder / f"{name}_{position}.npy", array, allow_pickle=False)


def _load_arrays(folder: Path, name: str) -> list[Array]:
    paths = [folder / f"{name}_{position}.npy" for position in range(len(list(folder.glob(f"{name}_*.npy"))))]
    return [np.load(path, allow_pickle=False) for path in paths]
