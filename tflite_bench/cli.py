"""The command `tflite-bench`."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from tflite_bench.errors import ConfigError, TfliteBenchError

# Only click is imported at the top: `tflite-bench --help` answers at once.


class _Group(click.Group):
    """Ends with one line on stderr and exit code 2 for everything that the user can put right."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs))
        except click.ClickException as error:
            _fail(" ".join(error.format_message().split()), code=2)
        except TfliteBenchError as error:
            _fail(str(error), code=2)
        except (click.Abort, KeyboardInterrupt):
            _fail("stopped", code=130)
        except BrokenPipeError:
            # The reader of our output has left; Python would complain again when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)


def _read_share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise click.BadParameter(f"expected a share between 0% and 100%, such as 2% or 0.02, received {value!r}")
    return share


_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON object to this file."
)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kd-edge", prog_name="tflite-bench")
def main() -> None:
    """Measure and inspect .tflite models."""


@main.command()
@click.argument("model")
@click.option(
    "--on", "runner", type=click.Choice(["litert", "tflm"]), default="litert", show_default=True, help="Runtime."
)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Threads (litert only).")
@click.option(
    "--precision",
    callback=_read_share,
    default="2%",
    show_default=True,
    help="Half-width of the median's 95% interval.",
)
@click.option("--num-runs", type=click.IntRange(1), help="Measure exactly this many inferences instead.")
@click.option("--time-limit", type=click.FloatRange(0.01, 86400), default=30.0, show_default=True, help="Seconds.")
@click.option("--no-xnnpack", is_flag=True, help="Switch the XNNPACK delegate off (litert only).")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the input values.")
@_as_json
@_output
def run(
    model: str,
    runner: str,
    threads: int,
    precision: float,
    num_runs: int | None,
    time_limit: float,
    no_xnnpack: bool,
    seed: int,
    as_json: bool,
    output: Path | None,
) -> None:
    """Measure the latency of MODEL and, on tflm, its arena.

    The times on tflm are those of reference kernels on this PC. They say nothing about any microcontroller.
    """
    if runner == "tflm" and (threads != 1 or no_xnnpack):
        raise ConfigError("--threads and --no-xnnpack belong to --on litert; TFLM has neither threads nor XNNPACK")
    from tflite_bench import report
    from tflite_bench.benchmark import run_benchmark
    from tflite_bench.litert import LiteRTRunner
    from tflite_bench.tflm import TFLMRunner

    chosen = TFLMRunner() if runner == "tflm" else LiteRTRunner(num_threads=threads, xnnpack=not no_xnnpack)
    benchmark = run_benchmark(
        model, runner=chosen, precision=precision, num_runs=num_runs, time_limit_s=time_limit, seed=seed
    )
    document = report.to_json(report.benchmark_document(benchmark))
    if output is not None:
        _write(output, document)
    click.echo(document if as_json else report.benchmark_text(benchmark))


@main.command()
@click.argument("model")
@_as_json
@_output
def inspect(model: str, as_json: bool, output: Path | None) -> None:
    """Show the operators, tensors, sizes and quantization of MODEL, without running it."""
    from tflite_bench import report, tflm
    from tflite_bench.errors import RunnerError
    from tflite_bench.model import read_model

    info = read_model(model)
    missing: tuple[str, ...] | None = None
    reason = None
    try:
        missing = tflm.missing_ops(info)
    except RunnerError as error:
        reason = str(error)
    document = report.to_json(report.model_document(info, missing_ops=missing, missing_reason=reason))
    if output is not None:
        _write(output, document)
    click.echo(document if as_json else report.model_text(info, missing_ops=missing, missing_reason=reason))


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


def _fail(message: str, *, code: int) -> None:
    click.echo(f"tflite-bench: {message}", err=True)
    sys.exit(code)
