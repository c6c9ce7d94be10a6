"""The command `tflite-bench`."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tflite_bench.errors import ConfigError, TfliteBenchError

_LAST_CPU = 1023
# kd-edge takes no other name of a device, and a profile is called like its file.
_DEVICE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

# Where a context keeps whether `--debug` was given.
_DEBUG = "tflite_bench.debug"

# Only click is imported at the top: `tflite-bench --help` answers at once.


class _Command(click.Command):
    """Refuses to write over a file that it reads."""

    def invoke(self, ctx: click.Context) -> Any:
        output = ctx.params.get("output")
        read = [ctx.params[param.name] for param in self.params if isinstance(param, click.Argument) and param.name]
        if output is not None and output.resolve() in [Path(path).resolve() for path in read]:
            raise ConfigError(f"bad --output: expected another file than {output}, which is read; choose another one")
        return super().invoke(ctx)


class _Group(click.Group):
    """Ends with one line on stderr and exit code 2 for everything that the user can put right."""

    command_class = _Command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.ClickException as error:
            _fail(error.format_message(), code=2)
        except TfliteBenchError as error:
            _fail(str(error), code=2)
        except (click.Abort, KeyboardInterrupt):
            _fail("stopped", code=130)
        except BrokenPipeError:
            _drop_stdout()
            sys.exit(1)
        except OSError as error:
            file = f"the file {error.filename}" if error.filename else "a file"
            _fail(f"cannot use {file}: {error.strerror or error}; is a disk full?", code=2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TfliteBenchError, OSError) as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exception(error)
            raise


def _debug_option(command: Any) -> Any:
    """Add `--debug`, which is kept in the context's `meta`."""

    def keep(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given:
            context.meta[_DEBUG] = True

    shows = "Show the traceback of an error."
    return click.option("--debug", is_flag=True, expose_value=False, callback=keep, help=shows)(command)


def _read_share(ctx: click.Context, param: click.Parameter, value: str) -> float:
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


def _check_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a file that cannot be written before anything is measured for it."""
    if value is not None:
        replaceable = value.is_file() or not value.exists()
        if not (replaceable and value.parent.is_dir() and os.access(value.parent, os.W_OK)):
            raise click.BadParameter(
                f"cannot write {value}: expected a file in a folder that exists; choose another {param.opts[-1]}"
            )
    return value


class _RunnerOption(click.Option):
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


def _on_devices(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of whatever measures on a device."""
    for option in reversed(_ON_DEVICES):
        command = option(command)
    return command


_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
_output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    callback=_check_file,
    help="Also write the JSON object to this file.",
)


@click.group(cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kd-edge", prog_name="tflite-bench")
@_debug_option
@click.pass_context
def main(context: click.Context) -> None:
    """Measure and inspect .tflite models."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


@main.command()
@click.argument("model")
@click.option("--on", "choice", cls=_RunnerOption, default="litert", show_default=True, help="Where: {usages}.")
@click.option("--threads", "num_threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Threads.")
@click.option(
    "--precision",
    callback=_read_share,
    default="2%",
    show_default=True,
    help="Half-width of the median's 95% interval.",
)
@click.option("--num-runs", type=click.IntRange(1), help="Measure exactly this many inferences instead.")
@click.option("--time-limit", type=click.FloatRange(0.01, 86400), default=30.0, show_default=True, help="Seconds.")
@click.option("--no-xnnpack", is_flag=True, help="Switch the XNNPACK delegate off.")
@click.option("--profile", cls=_RunnerOption, is_flag=True, help="Also measure every operator ({knowing}).")
@_on_devices
@click.option("--flag", "flags", multiple=True, help="One more flag for the benchmark program, e.g. --use_gpu=true.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the input values.")
@_as_json
@_output
def run(
    model: str,
    choice: str,
    precision: float,
    num_runs: int | None,
    time_limit: float,
    no_xnnpack: bool,
    seed: int,
    as_json: bool,
    output: Path | None,
    **wishes: Any,
) -> None:
    """Measure MODEL, a .tflite file.

    Every result names its kind: wall time, instructions or a compiler's estimate. Wall times are those of the machine
    or device that is measured. The times on tflm are those of reference kernels on this PC and say nothing about any
    microcontroller.
    """
    from tflite_bench.benchmark import run_benchmark
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners.registry import make_runner
    from tflite_bench.runners.spec import Wishes

    chosen = make_runner(choice, Wishes(xnnpack=not no_xnnpack, **wishes))
    benchmark = run_benchmark(
        model, runner=chosen, precision=precision, num_runs=num_runs, time_limit_s=time_limit, seed=seed
    )
    _show(documents.benchmark_document(benchmark), tables.benchmark_text(benchmark), as_json, output)


@main.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--fail-on", "rules", multiple=True, help="What fails, e.g. 'latency>5%'; default: any growth.")
@click.option("--other-model", is_flag=True, help="Accept results of two models: before and after a change of it.")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown, such as for the summary of a CI job.")
@_as_json
@_output
def compare(
    before: Path,
    after: Path,
    rules: tuple[str, ...],
    other_model: bool,
    markdown: bool,
    as_json: bool,
    output: Path | None,
) -> None:
    """Compare two results of `run --json`; exit with 1 if the second is worse beyond the noise."""
    from tflite_bench import comparison
    from tflite_bench.reporting import documents, tables

    limits = [comparison.read_rule(rule) for rule in rules]
    if markdown and as_json:
        raise ConfigError("bad --markdown: expected it without --json; leave one of them out")
    results = comparison.read_document(before), comparison.read_document(after)
    result = comparison.compare(*results, limits, other_model=other_model)
    text = tables.comparison_markdown(result) if markdown else tables.comparison_text(result)
    _show(documents.comparison_document(result, limits), text, as_json, output)
    sys.exit(0 if result.passed else 1)


@main.command()
@_as_json
@_output
def devices(as_json: bool, output: Path | None) -> None:
    """List what can be measured on from here, and what is missing."""
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners.discovery import list_devices

    found = list_devices()
    _show(documents.devices_document(found), tables.devices_text(found), as_json, output)


@main.command()
@click.argument("profile", type=click.Path(path_type=Path), callback=_check_file)
@click.option("--on", "choice", default="litert", show_default=True, help="Where; see run.")
@click.option("--int8-only", is_flag=True, help="Leave the float networks out, and their costs.")
@_on_devices
@_as_json
@_output
def calibrate(profile: Path, choice: str, int8_only: bool, as_json: bool, output: Path | None, **wishes: Any) -> None:
    """Measure generated networks and write PROFILE, a .toml file that kd-edge --device takes.

    Takes about ten minutes on a PC, five with --int8-only. The profile states how far its predictions may be off.
    On a board behind a serial port, what was measured is kept beside PROFILE until all is: one that was broken off goes
    on.
    """
    if profile.suffix != ".toml":
        raise ConfigError(f"expected the path of a .toml file to write, received {str(profile)!r}")
    if not _DEVICE_NAME.fullmatch(profile.stem):
        raise ConfigError(
            "bad file name: it becomes the device's name, expected small letters, digits and '._-' before .toml, "
            f"received {profile.stem!r}"
        )
    from tflite_bench.calibration import calibrate
    from tflite_bench.calibration.profile import profile_toml
    from tflite_bench.calibration.store import MeasurementStore
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners.registry import make_runner
    from tflite_bench.runners.spec import Wishes

    runner = make_runner(choice, Wishes(**wishes))
    describe = getattr(runner, "describe", None)
    store = None if describe is None else MeasurementStore(profile.with_suffix(".measured"), describe())
    result = calibrate.calibrate(
        runner,
        dtypes=("int8",) if int8_only else calibrate.DTYPES,
        progress=lambda name: click.echo(f"\r{name:50}", nl=False, err=True) if sys.stderr.isatty() else None,
        store=store,
    )
    _write(profile, profile_toml(result).rstrip("\n"))
    if store is not None:
        store.remove()
    _show(documents.calibration_document(result), tables.calibration_text(result), as_json, output)


@main.command()
@click.argument("series", type=click.Path(path_type=Path))
@click.option("--voltage", type=click.FloatRange(0.1, 1000), help="Volts, for a series without a column of them.")
@click.option("--inferences", "num_inferences", type=click.IntRange(1), help="How many inferences it holds.")
@click.option("--idle", "idle_mw", type=click.FloatRange(0), default=0.0, help="Milliwatts that are not theirs.")
@_as_json
@_output
def energy(
    series: Path,
    voltage: float | None,
    num_inferences: int | None,
    idle_mw: float,
    as_json: bool,
    output: Path | None,
) -> None:
    """Compute the energy in SERIES, a CSV file of time and current as power profilers export it."""
    from tflite_bench.measurement.power_series import read_energy
    from tflite_bench.reporting import documents, tables

    found = read_energy(series, voltage=voltage, num_inferences=num_inferences, idle_mw=idle_mw)
    _show(documents.energy_document(found), tables.energy_text(found), as_json, output)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def firmware(folder: Path) -> None:
    """Write the sources of the measuring firmware into FOLDER, which must not exist; docs/boards.md builds it."""
    import shutil
    from importlib.resources import as_file, files

    try:
        with as_file(files("tflite_bench.runners.board") / "firmware") as sources:
            shutil.copytree(sources, folder)
    except FileExistsError:
        raise ConfigError(f"cannot write the firmware: {folder} exists; choose another folder") from None
    click.echo(f"{folder}: bench.c, cycles.c and model_tflm.cc, beside two functions of your board (bench.h)")


@main.command()
@click.argument("model")
@_as_json
@_output
def inspect(model: str, as_json: bool, output: Path | None) -> None:
    """Show the operators, tensors, sizes and quantization of MODEL, without running it."""
    from tflite_bench.errors import RunnerError
    from tflite_bench.model.reader import read_model
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners import tflm

    info = read_model(model)
    missing: tuple[str, ...] | None = None
    reason = None
    try:
        missing = tflm.missing_ops(info)
    except RunnerError as error:
        reason = str(error)
    document = documents.model_document(info, missing_ops=missing, missing_reason=reason)
    _show(document, tables.model_text(info, missing_ops=missing, missing_reason=reason), as_json, output)


for _command in main.commands.values():
    _debug_option(_command)


def _show(document: dict[str, Any], text: str, as_json: bool, output: Path | None) -> None:
    from tflite_bench.reporting.envelope import to_json

    if output is not None:
        _write(output, to_json(document))
    try:
        click.echo(to_json(document) if as_json else text)
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_stdout()
        raise ConfigError(f"cannot print the result: {error.strerror or error}") from error


def _write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another --output") from error
    finally:
        partial.unlink(missing_ok=True)


def _drop_stdout() -> None:
    """Print nothing more: Python would fail again when it closes a stdout that takes nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, *, code: int) -> None:
    printable = "".join(letter if letter.isprintable() else " " for letter in message)
    click.echo(f"tflite-bench: {' '.join(printable.split())}", err=True)
    sys.exit(code)
