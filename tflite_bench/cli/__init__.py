"""The command `tflite-bench`."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tflite_bench.cli.options import (
    DEBUG,
    RunnerOption,
    check_file,
    debug_option,
    json_option,
    on_devices,
    output_option,
    read_share,
)
from tflite_bench.cli.output import copy_folder, show, unusable_file, usage_line, write
from tflite_bench.cli.streams import drop_stdout, prepare_streams, printing
from tflite_bench.errors import ConfigError, TfliteBenchError

# kd-edge takes no other name of a device, and a profile is called like its file.
_DEVICE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

# Only click is imported at the top: `tflite-bench --help` answers at once.


class _Command(click.Command):
    """Refuses to write over a file that it reads."""

    def invoke(self, ctx: click.Context) -> Any:
        output = ctx.params.get("output")
        read = [ctx.params[param.name] for param in self.params if param.name and _names_what_is_read(param)]
        if output is not None and os.path.realpath(output) in [os.path.realpath(path) for path in read if path]:
            raise ConfigError(f"bad --output: expected another file than {output}, which is read; choose another one")
        return super().invoke(ctx)


def _names_what_is_read(param: click.Parameter) -> bool:
    return isinstance(param, click.Argument) or (isinstance(param.type, click.Path) and param.name != "output")


class _Group(click.Group):
    """Ends with one line on stderr and exit code 2 for everything that the user can put right."""

    command_class = _Command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            prepare_streams()
            sys.exit(super().main(*args, **kwargs))
        except click.ClickException as error:
            _fail(usage_line(error), code=2)
        except TfliteBenchError as error:
            _fail(str(error), code=2)
        except (click.Abort, KeyboardInterrupt):
            _fail("stopped", code=130)
        except BrokenPipeError:
            drop_stdout()
            sys.exit(1)
        except OSError as error:
            _fail(unusable_file(error), code=2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TfliteBenchError, OSError) as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exception(error)
            raise


@click.group(cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kd-edge", prog_name="tflite-bench")
@debug_option
@click.pass_context
def main(context: click.Context) -> None:
    """Measure and inspect .tflite models."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


@main.command()
@click.argument("model")
@click.option("--on", "choice", cls=RunnerOption, default="litert", show_default=True, help="Where: {usages}.")
@click.option("--threads", "num_threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Threads.")
@click.option(
    "--precision",
    cls=RunnerOption,
    callback=read_share,
    default="2%",
    show_default=True,
    help="Half-width of the median's 95% interval ({knowing}).",
)
@click.option(
    "--num-runs",
    cls=RunnerOption,
    type=click.IntRange(1),
    help="Measure exactly this many inferences instead ({knowing}).",
)
@click.option("--time-limit", type=click.FloatRange(0.01, 86400), default=30.0, show_default=True, help="Seconds.")
@click.option("--no-xnnpack", is_flag=True, help="Switch the XNNPACK delegate off.")
@click.option("--profile", cls=RunnerOption, is_flag=True, help="Also measure every operator ({knowing}).")
@on_devices
@click.option("--flag", "flags", multiple=True, help="One more flag for the benchmark program, e.g. --use_gpu=true.")
@click.option(
    "--seed",
    cls=RunnerOption,
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the input values ({knowing}).",
)
@json_option
@output_option
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
    from tflite_bench.measurement.timing import Plan
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners.registry import make_runner
    from tflite_bench.runners.spec import Wishes

    plan = Plan(precision, num_runs, time_limit, seed)
    chosen = make_runner(choice, Wishes(xnnpack=not no_xnnpack, **wishes), plan)
    benchmark = run_benchmark(model, runner=chosen, **plan._asdict())
    show(documents.benchmark_document(benchmark), tables.benchmark_text(benchmark), as_json, output)


@main.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--fail-on", "rules", multiple=True, help="What fails, e.g. 'latency>5%'; default: any growth.")
@click.option("--other-model", is_flag=True, help="Accept results of two models: before and after a change of it.")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown, such as for the summary of a CI job.")
@json_option
@output_option
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
    show(documents.comparison_document(result, limits), text, as_json, output)
    sys.exit(0 if result.passed else 1)


@main.command()
@json_option
@output_option
def devices(as_json: bool, output: Path | None) -> None:
    """List what can be measured on from here, and what is missing."""
    from tflite_bench.reporting import documents, tables
    from tflite_bench.runners.discovery import list_devices

    found = list_devices()
    show(documents.devices_document(found), tables.devices_text(found), as_json, output)


@main.command()
@click.argument("profile", type=click.Path(path_type=Path), callback=check_file)
@click.option("--on", "choice", default="litert", show_default=True, help="Where; see run.")
@click.option("--int8-only", is_flag=True, help="Leave the float networks out, and their costs.")
@on_devices
@json_option
@output_option
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
    write(profile, profile_toml(result).rstrip("\n"))
    if store is not None:
        store.remove()
    document, text = documents.calibration_document(result), tables.calibration_text(result)
    show(document, text, as_json, output, written=profile)


@main.command()
@click.argument("series", type=click.Path(path_type=Path))
@click.option("--voltage", type=click.FloatRange(0.1, 1000), help="Volts, for a series without a column of them.")
@click.option("--inferences", "num_inferences", type=click.IntRange(1), help="How many inferences it holds.")
@click.option("--idle", "idle_mw", type=click.FloatRange(0), default=0.0, help="Milliwatts that are not theirs.")
@json_option
@output_option
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
    show(documents.energy_document(found), tables.energy_text(found), as_json, output)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def firmware(folder: Path) -> None:
    """Write the sources of the measuring firmware into FOLDER, which must not exist; docs/boards.md builds it."""
    from importlib.resources import as_file, files

    with as_file(files("tflite_bench.runners.board") / "firmware") as sources:
        copy_folder(sources, folder)
    with printing(folder):
        click.echo(f"{folder}: bench.c, cycles.c and model_tflm.cc, beside two functions of your board (bench.h)")


@main.command()
@click.argument("model")
@json_option
@output_option
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
    show(document, tables.model_text(info, missing_ops=missing, missing_reason=reason), as_json, output)


for _command in main.commands.values():
    debug_option(_command)


def _fail(message: str, *, code: int) -> None:
    printable = "".join(letter if letter.isprintable() else " " for letter in message)
    click.echo(f"tflite-bench: {' '.join(printable.split())}", err=True)
    sys.exit(code)
