"""The options that several commands share."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_LAST_CPU = 1023
# Where a context keeps whether `--debug` was given.
DEBUG = "tflite_bench.debug"


def debug_option(command: Any) -> Any:
    """Add `--debug`, which is kept in the context's `meta`."""

    def keep(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given:
            context.meta[DEBUG] = True

    shows = "Show the traceback of an error."
    return click.option("--debug", is_flag=True, expose_value=False, callback=keep, help=shows)(command)


def read_share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return the share that `2%` or `0.02` is."""
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise click.BadParameter(f"expected a share between 0% and 100%, such as 2% or 0.02, received {value!r}")
    return share


def _read_cpus(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    cpus: set[int] = set()
    for part in () if value is None else value.split(","):
        first, dash, last = part.partition("-")
        numbers = (first, last) if dash else (first, first)
        if not all(map(str.isdecimal, numbers)) or not int(numbers[0]) <= int(numbers[1]) <= _LAST_CPU:
            raise click.BadParameter(f"expected cores such as 0, 2,3 or 4-7, received {value!r}")
        cpus.update(range(int(numbers[0]), int(numbers[1]) + 1))
    return tuple(sorted(cpus))


def check_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a file that cannot be written before anything is measured for it."""
    if value is not None and not _can_be_written(value):
        raise click.BadParameter(
            f"cannot write {value}: expected a file in a folder that exists; choose another {param.opts[-1]}"
        )
    return value


def _can_be_written(path: Path) -> bool:
    """Return whether a file can be made in the folder: permissions do not tell that it was removed."""
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError:
        return False
    return path.is_file() or not path.exists()


class RunnerOption(click.Option):
    """An option whose help names runners, which are imported only to show it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from tflite_bench.runners.registry import runner_specs, runners_knowing

        usages = ", ".join(spec.usage for spec in runner_specs())
        template = self.help or ""
        self.help = template.format(usages=usages, knowing=", ".join(runners_knowing(self.name or "")))
        try:
            return super().get_help_record(ctx)
        finally:
            self.help = template


_ON_DEVICES = (
    click.option("--cpus", callback=_read_cpus, help="Bind to these cores, e.g. 0 or 4-7."),
    click.option("--binary", type=click.Path(), help="Path of benchmark_model; it is copied to a device."),
    click.option("--device-binary", help="Path of the program that a device has already."),
    click.option("--device-folder", help="Folder on a device to write to."),
    click.option("--ssh-config", type=click.Path(), help="Another configuration file for ssh."),
)


def on_devices(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of whatever measures on a device."""
    for option in reversed(_ON_DEVICES):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=check_file,
    help="Also write the JSON object to this file.",
)
