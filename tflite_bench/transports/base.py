"""Where a benchmark program runs: this machine, or a device that files are copied to."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tflite_bench.errors import RunnerError
from tflite_bench.processes.program import Finished, run_process


class Target(Protocol):
    """A machine that a benchmark program can be started on.

    Paths on it are plain strings; whatever a path or an argument holds, it reaches the program there as it is.
    """

    @property
    def name(self) -> str:
        """How results name it, e.g. `"adb"`; empty for this machine."""

    def describe(self) -> Mapping[str, str]:
        """Return what is known of the machine; empty for this one."""

    def make_folder(self) -> str:
        """Make a fresh folder for one measurement and return its path."""

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the machine; it is executable there if it is here."""

    def run(self, arguments: Sequence[str], *, time_limit_s: float) -> Finished:
        """Run a program there and wait for it."""

    def pull(self, remote: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder that `make_folder` made, with all it holds."""


@contextmanager
def fresh_folder(target: Target) -> Iterator[str]:
    """Give a folder on the target that is gone afterwards, also after a failure.

    Raises:
        RunnerError: It cannot be made; or, unless something else has failed before, not be removed.
    """
    folder = target.make_folder()
    try:
        yield folder
    except BaseException:
        with suppress(RunnerError):
            target.remove_folder(folder)
        raise
    target.remove_folder(folder)


def folder_name() -> str:
    """Return a name that no folder has yet, of plain letters and digits."""
    return f"tflite-bench-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Here:
    """This machine."""

    name: str = ""

    def describe(self) -> Mapping[str, str]:
        """Return nothing: every result describes this machine."""
        return {}

    def make_folder(self) -> str:
        """Make a temporary folder."""
        return tempfile.mkdtemp(prefix="tflite-bench-")

    def push(self, local: Path, remote: str) -> None:
        """Copy a file."""
        try:
            shutil.copy(local, remote)
        except OSError as error:
            raise RunnerError(f"cannot copy {local} to {remote}: {error.strerror or error}") from error

    def run(self, arguments: Sequence[str], *, time_limit_s: float) -> Finished:
        """Run a program; see `run_process`."""
        return run_process(arguments, time_limit_s=time_limit_s)

    def pull(self, remote: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""
        path = Path(remote)
        return path.read_bytes() if path.is_file() else None

    def remove_folder(self, folder: str) -> None:
        """Remove a temporary folder."""
        shutil.rmtree(folder, ignore_errors=True)
