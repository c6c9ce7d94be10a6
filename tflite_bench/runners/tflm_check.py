"""Whether the real TFLM interpreter runs a file, and what it refuses of one that it does not, in a child process."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tflite_bench.errors import RuntimeMissingError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import Refusal, refusals_of
from tflite_bench.processes.isolation import Array, ChildError, run_child, serve
from tflite_bench.runners.tflm import MISSING_RUNTIME, is_installed, load_interpreter, plenty_bytes

_TIME_LIMIT_S = 60
_MISSING_OP = re.compile(r"Didn't find op for builtin opcode '(\w+)'")
_NODE = re.compile(r"(?:Node (\w[\w-]*) \(number (\d+)\) failed|Op#(\d+) \(([\w-]+)\) of subgraph (\d+) has dynamic)")
# Where in TFLM's sources a message comes from says nothing to who has a model.
_SOURCE = re.compile(r"^\S*tensorflow/lite/\S+?(?::\d+)? ")
_MODEL = "model"


def interpreter_refusals(model: bytes, *, time_limit_s: int = _TIME_LIMIT_S) -> tuple[Refusal, ...]:
    """Return what the installed TFLM interpreter refuses of a file: one inference is tried.

    Args:
        model: Bytes of a `.tflite` file.
        time_limit_s: Give up after this many seconds.

    Returns:
        Nothing where it runs, else the operator that it stops at; of a file that crashes it or never ends, `"model"`.

    Raises:
        ModelFileError: The bytes are no usable model.
        RuntimeMissingError: `tflite-micro` is not installed.
    """
    if not is_installed():
        raise RuntimeMissingError(MISSING_RUNTIME)
    info = read_model(model)
    status, said = _forked(lambda: _try(model, info), time_limit_s) if _may_fork() else _spawned(model, time_limit_s)
    return () if status == 0 else (_refusal(info, status, said),)


def _try(model: bytes, info: ModelInfo) -> None:
    interpreter = load_interpreter(model, plenty_bytes(info))
    for position, tensor in enumerate(info.input_tensors):
        # Integers may be indices; floats may be divided by.
        fill = np.ones if tensor.dtype.startswith("float") else np.zeros
        # The wheel takes fewer types than the interpreter; what it cannot set stays as it is.
        with contextlib.suppress(TypeError, ValueError):
            interpreter.set_input(fill(tensor.shape, tensor.dtype), position)
    interpreter.invoke()


def _may_fork() -> bool:
    """Return whether a copy of this process is safe: it has no other threads, nor a library that starts some."""
    return sys.platform == "linux" and threading.active_count() == 1 and "tensorflow" not in sys.modules


def _forked(work: Callable[[], None], time_limit_s: int) -> tuple[int, str]:
    """Run a function in a copy of this process; return its exit code, negative for a signal, and its stderr."""
    with tempfile.TemporaryFile() as said:
        process = os.fork()
        if process == 0:
            status = 1
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(time_limit_s)
                os.dup2(said.fileno(), 2)
                work()
                status = 0
            except Exception as error:
                os.write(2, f"\n{error}\n".encode())
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        said.seek(0)
        return status, said.read().decode(errors="replace")


def _spawned(model: bytes, time_limit_s: int) -> tuple[int, str]:
    try:
        run_child(__name__, {}, model=model, time_limit_s=time_limit_s)
    except ChildError as error:
        hung, crashed = "did not end within" in str(error), "crashes this runtime" in str(error)
        status = -signal.SIGALRM if hung else -signal.SIGSEGV if crashed else 1
        return status, f"{error.stderr}\n{error}"
    return 0, ""


def _refusal(info: ModelInfo, status: int, said: str) -> Refusal:
    if status == -signal.SIGALRM:
        return Refusal(_MODEL, 0, "TFLM's interpreter does not come to an end with it")
    known = refusals_of(info)
    if status < 0 and known:
        return replace(known[0], reason=f"{known[0].reason}; crashes TFLM's interpreter")
    if status < 0:
        return Refusal(_MODEL, 0, f"crashes TFLM's interpreter ({signal.Signals(-status).name})")
    if missing := _MISSING_OP.search(said):
        return _of_kind(info, missing[1], "TFLM has no kernel for it")
    if node := _NODE.search(said):
        kind, index = node[1] or node[4], int(node[2] or node[3])
        before = [line.strip() for line in said[: node.start()].splitlines() if line.strip()]
        reason = _SOURCE.sub("", before[-1]) if before and node[1] else "TFLM has no dynamic tensors"
        return Refusal(kind, index, f"TFLM says: {reason}", _subgraph_of(info, kind, index))
    if known:
        return known[0]
    last = [line.strip() for line in said.splitlines() if line.strip()]
    return Refusal(_MODEL, 0, f"TFLM says: {last[-1] if last else 'nothing'}")


def _of_kind(info: ModelInfo, kind: str, reason: str) -> Refusal:
    for number, graph in enumerate(info.subgraphs):
        for op in graph.ops:
            if op.name == kind:
                return Refusal(kind, op.index, reason, number)
    return Refusal(kind, 0, reason)


def _subgraph_of(info: ModelInfo, kind: str, index: int) -> int:
    """Return the subgraph that has an operator of a kind at a place: TFLM does not name it."""
    for number, graph in enumerate(info.subgraphs):
        if index < len(graph.ops) and graph.ops[index].name == kind:
            return number
    return 0


def _handle(request: Mapping[str, Any], model: bytes, arrays: list[Array]) -> tuple[Mapping[str, Any], list[Array]]:
    _try(model, read_model(model))
    return {}, []


if __name__ == "__main__":
    serve(_handle)
