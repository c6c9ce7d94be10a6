"""The measuring firmware as a program of this PC, around TFLM's interpreter from the `tflite-micro` wheel.

    python -m tools.boards.host [--model-memory BYTES] [--arena BYTES] [--without OP]

prints the port after `--on serial:` (a pseudo-terminal) and answers there until it is stopped. The protocol's C code is
the board's own; the interpreter, its kernels and its arena are those of a 64-bit PC.
"""

import argparse
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import tempfile
import tty
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from tflite_bench.errors import RunnerError
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tflite_bench.runners.tflm import load_interpreter

_TYPES = {"float32": 0, "int32": 2, "uint8": 3, "bool": 6, "int16": 7, "int8": 9}
_OPS = (
    b"ADD", b"AVERAGE_POOL_2D", b"CONCATENATION", b"CONV_2D", b"DEPTHWISE_CONV_2D", b"FULLY_CONNECTED", b"LOGISTIC",
    b"MAX_POOL_2D", b"MEAN", b"MUL", b"PAD", b"RELU", b"RESHAPE", b"SOFTMAX", b"STRIDED_SLICE", b"SUB", b"TANH",
)  # fmt: skip
_FIGURE = re.compile(r"^\[RecordingMicroAllocator\] Arena allocation (total|head|tail) (\d+) bytes$", re.MULTILINE)
_MISSING = re.compile(r"missing: (\d+)")
_BAD_MODEL, _MISSING_OP, _ARENA_TOO_SMALL, _INVOKE_FAILED = 11, 9, 10, 12


class Error(ctypes.Structure):
    """`model_error` of bench.h."""

    _fields_ = (("code", ctypes.c_uint8), ("number", ctypes.c_uint32), ("text", ctypes.c_char * 48))

    def set(self, code: int, number: int = 0, text: str = "") -> None:
        """Say what failed."""
        self.code, self.number, self.text = code, number, text.encode("ascii", "replace")[:47]


class Tensor(ctypes.Structure):
    """`model_tensor` of bench.h."""

    _fields_ = (("data", ctypes.c_void_p), ("num_bytes", ctypes.c_uint32), ("type", ctypes.c_uint8))


class Facts(ctypes.Structure):
    """`model_facts` of bench.h."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("num_bytes", "checksum", "arena", "persistent", "nonpersistent")),
        ("num_inputs", ctypes.c_uint8),
        ("num_outputs", ctypes.c_uint8),
    )


class Callbacks(ctypes.Structure):
    """`bench_callbacks` of model_callbacks.c."""

    _fields_ = (
        ("arena_bytes", ctypes.c_uint32),
        ("op", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
        (
            "load",
            ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.POINTER(Facts), ctypes.POINTER(Error)),
        ),
        ("tensor", ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(Tensor))),
        ("invoke", ctypes.CFUNCTYPE(None, ctypes.POINTER(Error))),
        ("profile", ctypes.c_void_p),
        ("profiled", ctypes.c_void_p),
    )


class Wheel:
    """TFLM's interpreter behind the firmware's interface."""

    def __init__(self, arena_bytes: int, ops: tuple[bytes, ...]) -> None:
        self._arena_bytes = arena_bytes
        self._ops = [ctypes.create_string_buffer(op) for op in ops]
        self._names = {op.decode() for op in ops}
        self._interpreter: Any = None
        self._buffers: dict[tuple[int, int], Any] = {}
        self._info: ModelInfo | None = None

    def callbacks(self) -> Callbacks:
        """Return what the firmware calls; the caller keeps it."""
        kinds = dict(Callbacks._fields_)
        calls = {name: kinds[name](getattr(self, name)) for name in ("op", "load", "tensor", "invoke")}
        return Callbacks(arena_bytes=self._arena_bytes, **calls)

    def op(self, index: int) -> int | None:
        """Return the name of an operator."""
        return ctypes.addressof(self._ops[index]) if index < len(self._ops) else None

    def load(self, file: int, num_bytes: int, facts: Any, error: Any) -> None:
        """Make a model ready, and say what it takes of the arena."""
        content = ctypes.string_at(file, num_bytes)
        try:
            self._info = read_model(content)
        except Exception as failure:
            error.contents.set(_BAD_MODEL, text=str(failure))
            return
        absent = [op.name for graph in self._info.subgraphs for op in graph.ops if op.name not in self._names]
        if absent:
            error.contents.set(_MISSING_OP, text=absent[0])
            return
        said = self._start(content, error)
        sizes = {part: int(size) for part, size in _FIGURE.findall(said)}
        if sizes:
            facts.contents.arena = sizes["total"]
            facts.contents.persistent, facts.contents.nonpersistent = sizes["tail"], sizes["head"]
            facts.contents.num_inputs, facts.contents.num_outputs = len(self._info.inputs), len(self._info.outputs)
            self._make_buffers()

    def tensor(self, is_output: int, index: int, tensor: Any) -> None:
        """Tell where an input or output is."""
        buffer = self._buffers[is_output, index]
        tensor.contents.data = buffer.ctypes.data
        tensor.contents.num_bytes, tensor.contents.type = buffer.nbytes, _TYPES.get(str(buffer.dtype), 255)

    def invoke(self, error: Any) -> None:
        """Run one inference."""
        assert self._info is not None
        try:
            for index in range(len(self._info.inputs)):
                self._interpreter.set_input(self._buffers[0, index], index)
            self._interpreter.invoke()
            for index in range(len(self._info.outputs)):
                self._buffers[1, index][:] = self._interpreter.get_output(index)
        except Exception as failure:
            error.contents.set(_INVOKE_FAILED, text=str(failure))

    def _start(self, content: bytes, error: Any) -> str:
        self._interpreter = None
        with _said() as read:
            try:
                self._interpreter = load_interpreter(content, self._arena_bytes)
                self._interpreter.print_allocations()
            except (RuntimeError, RunnerError):
                missing = _MISSING.findall(read())
                code = _ARENA_TOO_SMALL if missing or "Too many buffers" in read() else _BAD_MODEL
                error.contents.set(code, int(missing[-1]) if missing else 0, "AllocateTensors")
                return ""
            return read()

    def _make_buffers(self) -> None:
        assert self._info is not None
        for is_output, tensors in enumerate((self._info.input_tensors, self._info.output_tensors)):
            for index, tensor in enumerate(tensors):
                self._buffers[is_output, index] = np.zeros(tensor.shape, tensor.dtype)


@contextlib.contextmanager
def _said() -> Iterator[Callable[[], str]]:
    """Catch what TFLM says on stderr."""
    with tempfile.TemporaryFile() as log:
        before = os.dup(2)
        os.dup2(log.fileno(), 2)

        def read() -> str:
            log.seek(0)
            return log.read().decode(errors="replace").replace("\r\n", "\n")

        try:
            yield read
        finally:
            os.dup2(before, 2)
            os.close(before)


def build(folder: Path) -> Path:
    """Compile the firmware as a shared library."""
    target = folder / "firmware.so"
    with as_file(files("tflite_bench.runners.board") / "firmware") as firmware:
        sources = [str(firmware / name) for name in ("bench.c", "cycles.c", "model_callbacks.c", "ports/host.c")]
        command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{firmware}"]
        subprocess.run([*command, *sources, "-o", str(target)], check=True)
    return target


def serve(library: Path, descriptor: int, *, model_memory: int, arena_bytes: int, ops: tuple[bytes, ...]) -> None:
    """Answer on a file descriptor until it is closed; SIGUSR1 resets the board, as its button would."""
    firmware = ctypes.CDLL(str(library))
    wheel = Wheel(arena_bytes, ops)
    callbacks = wheel.callbacks()
    ctypes.memmove(
        ctypes.addressof(ctypes.c_char.in_dll(firmware, "bench_runtime")),
        ctypes.addressof(callbacks),
        ctypes.sizeof(callbacks),
    )
    for name, value in (("bench_host_in", descriptor), ("bench_host_out", descriptor)):
        ctypes.c_int.in_dll(firmware, name).value = value
    ctypes.c_uint32.in_dll(firmware, "bench_model_memory_bytes").value = model_memory
    resets: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: resets.append(number))
    firmware.bench_start()
    while not ctypes.c_int.in_dll(firmware, "bench_host_closed").value:
        firmware.bench_poll()
        if resets:
            resets.clear()
            firmware.bench_start()


def main() -> None:
    """Answer on a new pseudo-terminal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-memory", type=int, default=512 * 1024)
    parser.add_argument("--arena", type=int, default=512 * 1024)
    parser.add_argument("--without", action="append", default=[])
    wanted = parser.parse_args()
    controller, terminal = os.openpty()
    tty.setraw(terminal)
    ops = tuple(op for op in _OPS if op.decode() not in wanted.without)
    with tempfile.TemporaryDirectory() as name:
        library = build(Path(name))
        print(os.ttyname(terminal), flush=True)
        serve(library, controller, model_memory=wanted.model_memory, arena_bytes=wanted.arena, ops=ops)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
