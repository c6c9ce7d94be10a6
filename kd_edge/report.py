"""Puts results before people: tables, files of a run, progress."""

import io
from collections.abc import Iterable
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any

import rich.progress
from rich.console import Console

from kd_edge.devices import load_device
from kd_edge.document import make_document
from kd_edge.files import write_bytes, write_json
from kd_edge.interrupts import Interrupts
from kd_edge.settings import to_toml
from kd_edge.tables import run_tables

if TYPE_CHECKING:
    from kd_edge.pipeline import RunResult

_WIDTH = 110


def show(parts: Iterable[Any]) -> None:
    """Print tables and lines on stdout, 110 columns wide where that is no terminal."""
    console = Console(highlight=False)
    _print(console if console.is_terminal else Console(highlight=False, width=_WIDTH), parts)


def write_run(result: "RunResult") -> dict[str, Any]:
    """Write `results.json`, `config.json`, `config.toml` and `summary.txt` into a run's folder; return the document."""
    stages, folder = result.stages, result.folder
    content = {**stages, "halting": stages["distill"]["halting"]}
    run = make_document("run", content, seed=result.config.seed, device=load_device(result.config.budget.device))
    text = io.StringIO()
    _print(Console(file=text, width=_WIDTH, highlight=False), run_tables(run["result"]))
    write_json(folder / "config.json", asdict(result.config))
    write_bytes(folder / "config.toml", to_toml(asdict(result.config)).encode())
    write_bytes(folder / "summary.txt", text.getvalue().encode())
    write_json(folder / "results.json", run)
    return run


def _print(console: Console, parts: Iterable[Any]) -> None:
    for part in parts:
        console.print(part, markup=False) if isinstance(part, str) else console.print(part)


class StageDisplay:
    """A progress bar per stage on stderr; plain lines where stderr is no terminal.

    Args:
        stages: Names of the stages in their order.
    """

    def __init__(self, stages: Iterable[str]) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:>9}"),
            rich.progress.BarColumn(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[message]}"),
            console=self._console,
        )
        self._tasks = {name: self._bars.add_task(name, total=1.0, start=False, message="") for name in stages}
        self._said: set[tuple[str, int]] = set()
        self._interrupts = Interrupts()

    def __enter__(self) -> "StageDisplay":
        self._interrupts.__enter__()
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._interrupts.__exit__(kind, error, traceback)
        if self._console.is_terminal:
            self._bars.stop()

    def __call__(self, stage: str, done: float, message: str = "") -> None:
        """Show that a share `done` of a stage is finished; raise an interrupt that was dropped before."""
        self._interrupts.check()
        task = self._tasks[stage]
        if done == 0.0 or not self._bars.tasks[task].started:
            self._bars.start_task(task)
        self._bars.update(task, completed=done, message=message or self._bars.tasks[task].fields["message"])
        tenth = (stage, int(done * 10))
        if not self._console.is_terminal and tenth not in self._said:
            self._said.add(tenth)
            self._console.print(f"{stage:>9} {done:4.0%} {message}", markup=False)
