"""Shows how far a command is: a bar per stage."""

from types import TracebackType

import rich.progress

from kd_edge.reporting.interrupts import Interrupts
from kd_edge.reporting.tables.console import plain_console


class StageDisplay:
    """A progress bar on stderr for each stage that has begun; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = plain_console(stderr=True)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description:>9}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[message]}", markup=False),
            console=self._console,
            refresh_per_second=2,
        )
        self._tasks: dict[str, rich.progress.TaskID] = {}
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
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=1.0, message="")
        task = self._tasks[stage]
        self._bars.update(task, completed=done, message=message or self._bars.tasks[task].fields["message"])
        tenth = (stage, int(done * 10))
        if not self._console.is_terminal and tenth not in self._said:
            self._said.add(tenth)
            self._console.print(f"{stage:>9} {done:4.0%} {message}".rstrip(), soft_wrap=True)
