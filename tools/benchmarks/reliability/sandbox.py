"""Runs a command in a forked child: its own folder, session and time limit; TensorFlow is imported once, before."""

import math
import os
import re
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

LOG = ".stderr"
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 30.0
# Lines of stderr that may stand before the one that says what is wrong.
_BESIDE = ("note: ", "warning: ", "Usage: ", "Try ")
_PROGRESS = re.compile(r"\w+ +(\d+%|done)")
_MAX_MEMORY_MB = 4096


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: Its exit status, minus the number of the signal that ended it.
        interrupted: Whether it had to be interrupted at its time limit.
        stderr: What it said.
        seconds: How long it took.
        memory_mb: The most memory that it had.
    """

    code: int
    interrupted: bool
    stderr: str
    seconds: float
    memory_mb: float

    def fault(self, *, may_work_on: bool = False) -> str | None:
        """Return what is wrong with this end, `None` where nothing is.

        Args:
            may_work_on: Whether a command that still worked at its limit, and ended at once when it was interrupted,
                did right: a mutated configuration may ask for a longer training.
        """
        if "Traceback (most recent call last)" in self.stderr:
            return "traceback"
        if self.interrupted and not (may_work_on and self.code == 130):
            return "hang"
        if self.code not in (0, 1, 2, 130):
            return "crash" if self.code < 0 else f"exit code {self.code}"
        if self.memory_mb > _MAX_MEMORY_MB:
            return "memory"
        return "not one line" if self.code == 2 and len(_lines(self.stderr)) != 1 else None


def run_forked(words: str, folder: Path, *, limit_s: float, log: Path | None = None) -> Outcome:
    """Run a command line in a folder.

    Args:
        words: Begins with `kd-edge` or `tflite-bench`.
        folder: Where it runs.
        limit_s: After this many seconds it is interrupted, and killed where that does not help.
        log: What takes its stderr; `.stderr` in the folder by default.
    """
    log = log or folder / LOG
    started, child = time.monotonic(), start_forked(words, folder, log)
    ended = wait(child, limit_s)
    interrupted = ended is None
    if ended is None:
        os.kill(child, signal.SIGINT)
        ended = wait(child, _PATIENCE_SECONDS)
    if ended is None:
        os.killpg(child, signal.SIGKILL)
        ended = wait(child, math.inf)
    assert ended is not None
    text = log.read_text(errors="replace") if log.exists() else ""
    return Outcome(ended[0], interrupted, text, time.monotonic() - started, ended[1])


def start_forked(words: str, folder: Path, log: Path) -> int:
    """Start a command line in a folder, with a file for its stderr; return the number of its process."""
    child = os.fork()
    if child == 0:
        _be_the_command(words.split(), folder, log)
    return child


def wait(child: int, limit_s: float) -> tuple[int, float] | None:
    """Return the exit status of a child and the most MB of memory that it had, `None` where it works on."""
    until = time.monotonic() + limit_s
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_SECONDS)


def _be_the_command(words: list[str], folder: Path, log: Path) -> None:
    """Run the command in this process and end it as Python would."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(XDG_CONFIG_HOME=str(folder / ".config"), XDG_DATA_HOME=str(folder / ".data"))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sink = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(sink, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = list(words)  # the workers of a search are started with it
        _command(words[0])(args=words[1:], prog_name=words[0])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _command(name: str):
    if name == "kd-edge":
        from kd_edge.cli import main
    else:
        from tflite_bench.cli import main
    return main


def _lines(stderr: str) -> list[str]:
    """Return the lines that say what is wrong, without those of a progress; a carriage return ends one, too."""
    lines = [line.strip() for line in stderr.splitlines()]
    return [line for line in lines if line and not line.startswith(_BESIDE) and not _PROGRESS.match(line)]
