"""The streams of a command, which may be closed, full, or lack letters."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tflite_bench.errors import ConfigError

_STDERR = 2


class _Lenient(io.FileIO):
    """Loses what it cannot write: what is told on stderr decides nothing, the exit code says it too."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Let no stream change how a command ends: stderr may be closed or full, stdout may lack letters.

    Raises:
        ConfigError: Stdout is closed: the result would be lost.
    """
    if sys.stderr is None:  # closed before Python started
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)
    if sys.stderr is sys.__stderr__:
        file = io.BufferedWriter(_Lenient(_STDERR, "w", closefd=False))
        encoding = getattr(sys.stderr, "encoding", None)
        sys.stderr = io.TextIOWrapper(file, encoding, errors="backslashreplace", line_buffering=True)
    if sys.stdout is None:
        raise ConfigError("cannot print the result: expected a stdout that is open, received a closed one; open it")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # else a letter that its encoding lacks ends the command


@contextlib.contextmanager
def printing(written: Path | None = None) -> Iterator[None]:
    """Turn the failure of a stdout that takes nothing, such as one on a full disk, into one line.

    Args:
        written: What the command has written nevertheless.

    Raises:
        ConfigError: Stdout takes nothing.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        kept = f"; {written} is written" if written else ""
        raise ConfigError(f"cannot print the result: {error.strerror or error}{kept}") from error


def drop_stdout() -> None:
    """Print nothing more: Python would fail again when it closes a stdout that takes nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
