"""Workers of a search on this machine: processes that train what keras-tuner's chief hands them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType

from kd_edge.errors import ConfigError, KdEdgeError

# How often a worker that dies is started again.
_MAX_RESTARTS = 3
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
_ADDRESS = "127.0.0.1"
# Ends the search in the main thread. Not SIGINT: what a shell runs in the background ignores that one.
_FAILED = signal.SIGUSR1
# End this process, and with it the search; what was told to ignore one, as by nohup, still does.
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


class WorkerPool:
    """Makes this process the chief of a search and keeps workers running beside it.

    A worker that dies is started again under the same name: keras-tuner then gives it the trial that it had. Use it as
    a context around the search, in the main thread; at its end, to which SIGTERM and SIGHUP lead as well, the workers
    are gone and the environment is as before.

    Args:
        command: Starts a worker, as `worker_command` does; keras-tuner's environment variables make it one.
        num_workers: How many, 1 or more.
        folder: Where each worker's output goes, `worker_0.log` and so on.

    Raises:
        ConfigError: There would be no worker.
        KdEdgeError: On leaving the context, if a worker could not be kept running; the message has its last words.
    """

    def __init__(self, command: Sequence[str], num_workers: int, folder: str | Path) -> None:
        if num_workers < 1:  # the chief would wait for ever
            raise ConfigError(f"bad number of workers: expected 1 or more, received {num_workers}")
        self._command = list(command)
        self._folder = Path(folder)
        self._names = [f"worker_{i}" for i in range(num_workers)]
        self._environment = {"KERASTUNER_ORACLE_IP": _ADDRESS, "KERASTUNER_ORACLE_PORT": str(_free_port())}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._num_starts = dict.fromkeys(self._names, 0)
        self._failure: str | None = None
        self._leaving = threading.Event()
        self._watch = threading.Thread(target=self._keep_running, daemon=True)

    def __enter__(self) -> "WorkerPool":
        self._folder.mkdir(parents=True, exist_ok=True)
        ending = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, _end_search) for number in (_FAILED, *ending)}
        os.environ.update(self._environment | {"KERASTUNER_TUNER_ID": "chief"})
        for name in self._names:
            self._start(name)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._watch.join()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)
            process.kill()
            process.wait()
        for name in _VARIABLES:
            os.environ.pop(name, None)
        if self._failure is not None:
            raise KdEdgeError(self._failure) from None

    def _start(self, name: str) -> None:
        self._num_starts[name] += 1
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command,
                env=os.environ | {"KERASTUNER_TUNER_ID": name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt is the chief's: it ends the workers itself.
                start_new_session=True,
            )

    def _keep_running(self) -> None:
        while not self._leaving.wait(_POLL_SECONDS):
            for name, process in list(self._processes.items()):
                if process.poll() in (None, 0):
                    continue
                if self._num_starts[name] > _MAX_RESTARTS:
                    log = self._folder / f"{name}.log"
                    words = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
                    self._failure = (
                        f"{name} ended {self._num_starts[name]} times, lastly with code {process.returncode}: expected "
                        f"it to run, its last words are {words[-1]!r}; see {log}"
                    )
                    os.kill(os.getpid(), _FAILED)
                    return
                self._start(name)


def is_worker() -> bool:
    """Return whether keras-tuner's environment variables make this process a worker of another one's search."""
    return "KERASTUNER_ORACLE_IP" in os.environ and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")


def worker_command(arguments: Sequence[str]) -> list[str]:
    """Return what starts `kd-edge` again as a worker that ends once this process is gone, however that ended.

    Args:
        arguments: Of the command.
    """
    code = f"from kd_edge.search.local_workers import end_with; end_with({os.getpid()}); "
    # A script's own file may have any name.
    return [sys.executable, "-c", f"{code}from kd_edge.cli import main; main()", *arguments]


def workers_beside(num_workers: int, folder: str | Path) -> contextlib.AbstractContextManager[object]:
    """Return the processes that train candidates beside this command; none where it is one of them, or asks for none.

    Args:
        num_workers: How many.
        folder: As for `WorkerPool`.
    """
    if not num_workers or is_worker():
        return contextlib.nullcontext()
    return WorkerPool(worker_command(sys.argv[1:]), num_workers, folder)


def end_with(parent: int) -> None:
    """End this process once its parent is gone.

    Args:
        parent: Its number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def refuse_workers(command: str) -> None:
    """Refuse keras-tuner's environment variables for a command that searches by itself.

    Args:
        command: Its name.

    Raises:
        ConfigError: They are set: a chief would wait for workers that never come, a worker for a chief.
    """
    given = [name for name in _VARIABLES if name in os.environ]
    if given:
        raise ConfigError(
            f"`{command}` searches in one process: expected none of keras-tuner's variables, received "
            f"{', '.join(given)}; unset them, or search on several machines with `design` or `sweep`"
        )


def _end_search(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])
