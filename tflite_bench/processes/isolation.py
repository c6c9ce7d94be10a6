"""Runs a model in a child process, so that a model that crashes or hangs a runtime takes nothing else down.

Parent and child talk through files in a temporary folder: `model.tflite`, `request.json`, `result.json` and `.npy`
arrays, which are read without pickle.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflite_bench.errors import RunnerError
from tflite_bench.processes.program import Finished, one_line, run_process

_PR_SET_PDEATHSIG = 1

Array = np.ndarray[Any, np.dtype[Any]]
Handler = Callable[[Mapping[str, Any], bytes, list[Array]], tuple[Mapping[str, Any], Sequence[Array]]]


class ChildError(RunnerError):
    """The child process failed.

    Attributes:
        stderr: The last 1 MiB of what it and the runtime wrote to stderr.
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
        stderr: The last 1 MiB of what it and the runtime wrote to stderr.
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
        module: Name of a module that calls `serve` when it is run, e.g. `"tflite_bench.runners.litert"`.
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
        done = _run(module, folder, time_limit_s)
        result = folder / "result.json"
        values = json.loads(result.read_text()) if result.is_file() else {}
        if "error" in values:
            raise ChildError(f"{values['error']}{_last_line(done.stderr)}", done.stderr)
        # A process that crashes after its work has worked on broken memory.
        if done.returncode != 0 or not result.is_file():
            raise ChildError(f"the runtime {_reason(done)}{_last_line(done.stderr)}", done.stderr)
        return ChildResult(values, tuple(_load_arrays(folder, "output")), done.stderr)


def serve(handler: Handler) -> None:
    """Answer the parent's request; to be called in the child process.

    Args:
        handler: Called with the request's values, the model's bytes and the arrays; returns values and arrays.
            What it raises goes to the parent as a `RunnerError`.
    """
    _die_with_parent()
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    try:
        values, arrays = handler(request, (folder / "model.tflite").read_bytes(), _load_arrays(folder, "input"))
        _save_arrays(folder, "output", arrays)
    except Exception as error:
        values = {"error": one_line(str(error)) or type(error).__name__}
    partial = folder / "result.part"
    partial.write_text(json.dumps(dict(values)))
    partial.replace(folder / "result.json")


def _die_with_parent() -> None:
    """Have Linux end this process when the one that waits for it is gone, even if that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(module: str, folder: Path, time_limit_s: float) -> Finished:
    environment = {
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "PYTHONSAFEPATH": "1",
    }
    arguments = [sys.executable, "-m", module, str(folder)]
    return run_process(arguments, time_limit_s=time_limit_s, environment=environment)


def _reason(done: Finished) -> str:
    if done.returncode is None or done.returncode >= 0:
        return done.describe_end()
    hint = "the machine may be out of memory" if done.returncode == -9 else "the model crashes this runtime"
    return f"{done.describe_end()}; {hint}"


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines()]
    told = [line for line in lines if line and not line.startswith(("INFO:", "[RecordingMicroAllocator]"))]
    return f"; it said last: {one_line(told[-1])}" if told else ""


def _save_arrays(folder: Path, name: str, arrays: Sequence[Array]) -> None:
    for position, array in enumerate(arrays):
        np.save(folder / f"{name}_{position}.npy", array, allow_pickle=False)


def _load_arrays(folder: Path, name: str) -> list[Array]:
    paths = [folder / f"{name}_{position}.npy" for position in range(len(list(folder.glob(f"{name}_*.npy"))))]
    return [np.load(path, allow_pickle=False) for path in paths]
