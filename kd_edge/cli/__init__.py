"""The command `kd-edge`: one file per command.

In: options and files. Out: a document as JSON or as tables on stdout, progress and errors on stderr, an exit code.
Imports `pipeline`, `reporting`, `stages` and what is below, inside the commands: TensorFlow loads only where needed.
"""

import sys
import traceback
import warnings
from typing import Any, NoReturn

import click

from kd_edge.cli.bundle import bundle
from kd_edge.cli.convert import convert
from kd_edge.cli.cost import cost
from kd_edge.cli.design import design
from kd_edge.cli.devices import devices
from kd_edge.cli.distill import distill
from kd_edge.cli.doctor import doctor
from kd_edge.cli.report import report
from kd_edge.cli.run import run
from kd_edge.cli.samples import samples
from kd_edge.cli.sweep import sweep
from kd_edge.cli.verify import verify
from kd_edge.errors import (
    BudgetError,
    ConfigError,
    ConversionWarning,
    DataWarning,
    KdEdgeError,
    RefusedError,
    TrainingWarning,
)
from tflite_bench.cli.options import DEBUG, debug_option
from tflite_bench.cli.output import unusable_file, usage_line
from tflite_bench.cli.streams import prepare_streams

_EXTRAS = {
    "train": ("tensorflow", "keras", "keras_tuner", "cattrs"),
    "qat": ("tf_keras", "tensorflow_model_optimization"),
    "report": ("matplotlib", "jinja2", "vl_convert"),
}


class _Group(click.Group):
    """Turns every failure of the user's making into one line and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        try:
            prepare_streams()
            return super().main(*arguments, **settings)
        except ConfigError as error:
            _fail(str(error))
        except OSError as error:
            _fail(unusable_file(error))

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **settings)
        except click.UsageError as error:
            raise _in_one_line(error) from error

    def invoke(self, context: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _say
                return super().invoke(context)
        except click.UsageError as error:
            raise _in_one_line(error) from error
        except OSError as error:
            _show_on_request(context, error)
            raise
        except KdEdgeError as error:
            _show_on_request(context, error)
            failure = _Broken if isinstance(error, RefusedError | BudgetError) else _Failure
            raise failure(" ".join(str(error).split())) from error
        except ImportError as error:
            extra = _extra_of((error.name or "").split(".")[0])
            if extra is None:
                raise
            raise _Failure(f"{error.name} is not installed: pip install 'kd-edge[{extra}]'") from error
        except KeyboardInterrupt as interrupt:
            resumes = context.invoked_subcommand in ("run", "sweep")
            later = str(interrupt) or ("the same command goes on after the last finished stage" if resumes else "")
            raise _Interrupted("; ".join(filter(None, ["interrupted", later]))) from None


def _show_on_request(context: click.Context, error: Exception) -> None:
    if context.meta.get(DEBUG):
        traceback.print_exception(error)


def _say(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Show a warning of this package without the place in its code."""
    if issubclass(category, ConversionWarning | DataWarning | TrainingWarning):
        click.echo(f"warning: {message}", err=True)
    else:
        _python_says(message, category, *where, **more)


_python_says = warnings.showwarning


class _Failure(click.ClickException):
    exit_code = 2


class _Broken(_Failure):
    exit_code = 1


class _Interrupted(_Failure):
    exit_code = 130  # as shells have it: 128 and the number of the signal


def _fail(message: str) -> NoReturn:
    failure = _Failure(message)
    failure.show()
    sys.exit(failure.exit_code)


def _in_one_line(error: click.UsageError) -> click.ClickException:
    return error if isinstance(error, click.exceptions.NoArgsIsHelpError) else _Failure(usage_line(error))


def _extra_of(package: str) -> str | None:
    return next((extra for extra, packages in _EXTRAS.items() if package in packages), None)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kd-edge")
@debug_option
def main() -> None:
    """Distil a large Keras model into a small int8 model that provably fits a device.

    Exit codes: 0 done, 1 a limit is broken or not proven to be kept, 2 wrong use or bad input, 130 interrupted.
    """


for _command in (run, sweep, devices, cost, samples, design, distill, convert, verify, bundle, report, doctor):
    main.add_command(debug_option(_command))
for _command in devices.commands.values():
    debug_option(_command)
