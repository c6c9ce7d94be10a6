"""Runs a program with a time limit, and keeps what it prints."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tflite_bench.errors import RuntimeMissingError

_OUTPUT_BYTES = 1024 * 1024
_MAX_MESSAGE = 300


@dataclass(frozen=True)
class Finished:
    """A program that has ended.

    Attributes:
        returncode: Its exit status, minus the number of the signal that ended it; None if it had to be stopped.
        stdout: The last 1 MiB that it printed.
        stderr: The last 1 MiB of its messages.
        time_limit_s: The limit it had.
    """

    returncode: int | None
    stdout: str
    stderr: str
    time_limit_s: float

    def describe_end(self) -> str:
        """Return how the program ended, e.g. `"was ended by SIGSEGV"`."""
        if self.returncode is None:
            return f"did not end within {self.time_limit_s:g} s and was stopped"
        if self.returncode >= 0:
            return f"ended with exit status {self.returncode}"
        number = -self.returncode
        return f"was ended by {signal.Signals(number).name if number in set(signal.Signals) else f'signal {number}'}"


def run_process(
    arguments: Sequence[str | Path],
    *,
    time_limit_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: Path | None = None,
    stdout: Path | None = None,
) -> Finished:
    """Run a program, without a shell, until it ends; stop it and all that it has started at the time limit.

    Args:
        arguments: The program and its arguments.
        time_limit_s: Longest time that it may take, in seconds.
        environment: Variables added to this process's own.
        folder: Where it runs; None for here.
        stdin: File that it reads; None for none.
        stdout: File that takes what it prints; `Finished.stdout` is empty then.

    Raises:
        RuntimeMissingError: There is no such program, or it is none for this machine.
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as printed:
        with open(stdin or os.devnull, "rb") as source, _sink(stdout, printed) as sink:
            process = _start(arguments, source, sink, log, environment, folder)
            returncode = _wait(process, time_limit_s)
        return Finished(returncode, _tail(printed), _tail(log), time_limit_s)


def one_line(text: str) -> str:
    """Return foreign text as one printable line of at most 300 letters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.shorten(line, _MAX_MESSAGE, placeholder=" ...")


def _sink(path: Path | None, printed: IO[bytes]) -> IO[bytes]:
    return os.fdopen(os.dup(printed.fileno()), "wb") if path is None else path.open("wb")


def _start(
    arguments: Sequence[str | Path],
    source: IO[bytes],
    sink: IO[bytes],
    log: IO[bytes],
    environment: Mapping[str, str] | None,
    folder: Path | None,
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            list(arguments),
            stdin=source,
            stdout=sink,
            stderr=log,
            env=os.environ | (environment or {}),
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise RuntimeMissingError(f"cannot start {arguments[0]}: {error.strerror or error}") from error


def _wait(process: "subprocess.Popen[bytes]", time_limit_s: float) -> int | None:
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


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _OUTPUT_BYTES))
    return file.read().decode("utf-8", errors="replace").replace("\r\n", "\n")
