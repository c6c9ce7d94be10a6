"""The options that several commands share, and how a result is printed."""

import contextlib
import functools
import json
import math
import os
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kd_edge.config.choices import MAX_SEED
from kd_edge.errors import ConfigError
from kd_edge.silence import load_tensorflow
from kd_edge.toml import from_table
from tflite_bench.cli.streams import printing

if TYPE_CHECKING:
    import keras

    from kd_edge.cost.devices import DeviceProfile
    from kd_edge.data.dataset import Dataset
    from kd_edge.data.options import SourceOptions
    from kd_edge.distillation.targets.stored import SoftTargets
    from kd_edge.ir.graph import Graph

# Options of a source that are lists.
_LISTS = ("ignore", "image_size", "units")
# Those that are no words.
_NOT_WORDS = ("hop", "image_size", "seconds", "skip_bad", "test_share", "window")
# Where a context keeps stdout, which takes the document alone.
_STDOUT = "kd_edge.stdout"
SEED = click.IntRange(0, MAX_SEED)


def rate(text: str | None) -> float | str | None:
    """Return a learning rate: a number, the word that has it found, or `None` for the task's."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"bad --learning-rate: expected a number or 'auto', received {text!r}") from error


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, with which what others print while the command runs, such as the user's functions, is on stderr."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
    @functools.wraps(command)
    def wrapper(*, as_json: bool, **rest: Any) -> Any:
        click.get_current_context().meta[_STDOUT] = sys.stdout
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            return command(as_json=as_json, **rest)

    return wrapper


def seed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--seed`."""
    return click.option("--seed", type=SEED, default=0, show_default=True, help="Makes the result repeatable.")(command)


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workers`."""
    words = "Processes that train candidates; 0: this one."
    return click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help=words)(command)


def file_seed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--seed` of a command that reads samples for a `.tflite` file; `None` where it is not given."""
    return click.option("--seed", type=SEED, help="Draws the samples.  [default: that of MODEL's training, or 0]")(
        command
    )


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data`, `--data-option` and `--normalize`."""
    data = click.option(
        "--data",
        "source",
        required=True,
        help="'watch', a folder of images or .wav files by class, a .csv or .npz file, or module:function.",
    )
    return data(source_options(normalize_option(command)))


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-option`, and hand the command the `SourceOptions` that it gives as `options`."""

    @click.option(
        "--data-option",
        "data_option",
        multiple=True,
        metavar="NAME=VALUE",
        help="How --data is read, such as window=128 or label=activity; see docs/data.md.",
    )
    @functools.wraps(command)
    def wrapper(*, data_option: tuple[str, ...], **rest: Any) -> Any:
        return command(options=read_options(data_option), **rest)

    return wrapper


def read_options(given: Iterable[str]) -> "SourceOptions":
    """Return what `NAME=VALUE` texts say of a source; values are as in TOML, words need no quotes, a list may be `a,b`.

    Raises:
        ConfigError: A text has another form, or its name or value is wrong.
    """
    from kd_edge.data.options import SourceOptions

    table: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"bad --data-option: expected NAME=VALUE, received {text!r}")
        if name in table:
            raise ConfigError(f"bad --data-option: received {name!r} twice; give one value")
        table[name] = _option_value(name, value)
        if name in _LISTS and not isinstance(table[name], list):
            table[name] = [_option_value(name, part) for part in value.split(",")]
    return from_table(SourceOptions, table, "--data-option")


def _option_value(name: str, text: str) -> Any:
    value = _toml_value(text)
    return value if name in _NOT_WORDS or isinstance(value, str | list) else text


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def class_weight_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--class-weight`, as `with_class_weight` takes it."""
    return click.option(
        "--class-weight",
        callback=lambda context, parameter, text: None if text is None else read_class_weight(text),
        metavar="WEIGHTS",
        help="How much classes count in a training: 'balanced', or such as rare=5,noise=0.5.  [default: alike]",
    )(command)


def read_class_weight(text: str) -> str | dict[str, float]:
    """Return the word, or the weights by class of a text such as `rare=5,noise=0.5`.

    Raises:
        ConfigError: The text has another form.
    """
    if "=" not in text:
        return text
    weights = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if name in weights:
            raise ConfigError(f"bad --class-weight: received {name!r} twice; give each class one weight")
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = 0.0
        if not (name and 0 < weights[name] < math.inf):
            raise ConfigError(f"bad --class-weight: expected CLASS=WEIGHT with a weight more than 0, received {part!r}")
    return weights


def outputs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--teacher-outputs`."""
    return click.option(
        "--teacher-outputs",
        type=click.Path(path_type=Path),
        help="In place of a teacher: a file of its outputs (.npy, for several .npz), beside the samples.json of "
        "`kd-edge samples`.",
    )(command)


def read_teacher(teacher: Path | None, outputs: Path | None, data: "Dataset") -> "keras.Model | SoftTargets":
    """Return the teacher of a command: a model, or the outputs of one that lives elsewhere.

    Raises:
        ConfigError: Both are given, or none.
        ModelError: The model does not belong to the data, or is at chance on them.
    """
    if (teacher is None) == (outputs is None):
        raise ConfigError(
            f"bad teacher: expected a model or --teacher-outputs, received {'none' if teacher is None else 'both'}"
        )
    from kd_edge.config.inputs import TeacherConfig
    from kd_edge.stages.teacher import start_teacher

    if teacher is None:
        return start_teacher(TeacherConfig(outputs=str(outputs)), data)
    from kd_edge.distillation.models.given_models import check_trained

    model = start_teacher(TeacherConfig(path=str(teacher)), data)
    check_trained(model, data)
    return model


def normalize_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--normalize`, which is `None` where it is not given."""
    return click.option(
        "--normalize/--no-normalize",
        default=None,
        help="Scale --data by mean and deviation of its training samples.  [default: integers and 'watch']",
    )(command)


def refuse_given(names: Iterable[str], expected: str) -> None:
    """Refuse options of the running command that were given and would be ignored.

    Args:
        names: Their parameters.
        expected: What they have no meaning without.

    Raises:
        ConfigError: One was given.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"bad {option}: expected it with {expected}, received none; leave it out")


def budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--device`, its limits and `--runtime`."""
    for option in (
        click.option("--runtime", help="What runs the model there, such as 'x-cube-ai 10'.  [default: the profile's]"),
        click.option("--energy", help="Largest energy of one inference, such as 2mJ.  [default: no limit]"),
        click.option("--latency", help="Longest time of one inference, such as 15ms.  [default: no limit]"),
        click.option("--ram", help="Largest tensor arena, such as 24k.  [default: what the device leaves]"),
        click.option("--flash", help="Largest .tflite file, such as 64k.  [default: what the device leaves]"),
        click.option("--device", required=True, help="A name that `kd-edge devices` lists, or a TOML file."),
    ):
        command = option(command)
    return command


def battery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --every and --battery to a command; `battery_of` reads them."""
    command = click.option("--battery", help="What pays for them, such as 220mAh@3V.")(command)
    return click.option("--every", help="Time from one inference to the next, such as 1s, for --battery.")(command)


def with_budget(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the command a device and a budget instead of their options."""

    @budget_options
    @functools.wraps(command)
    def wrapper(
        *,
        device: str,
        flash: str | None,
        ram: str | None,
        latency: str | None,
        energy: str | None,
        runtime: str | None,
        **rest: Any,
    ) -> Any:
        from kd_edge.config.inputs import BudgetConfig

        profile = load_profile(device, runtime)
        limits = BudgetConfig(device, flash, ram, latency, energy=energy)
        return command(device=profile, budget=limits.budget(profile), **rest)

    return wrapper


def load_profile(device: str, runtime: str | None) -> "DeviceProfile":
    """Return a device's profile as it holds for the user's runtime, and say where it is of another one."""
    from kd_edge.cost.devices import load_device
    from kd_edge.cost.devices.runtimes import for_runtime

    profile, note = for_runtime(load_device(device), runtime)
    if note:
        click.echo(f"note: {note}", err=True)
    return profile


def load_graph(path: Path) -> "tuple[Graph, bytes | None]":
    """Return the ops and tensors of a `.tflite` file or a Keras model, and the bytes of the former."""
    if not _is_keras_model(path):
        from kd_edge.ir.tflite_reader import read_graph
        from tflite_bench.model.reader import read_file, read_model

        content = read_file(path)
        return read_graph(read_model(content, name=str(path))), content
    load_tensorflow()
    from kd_edge.distillation.models.model_files import load_model
    from kd_edge.ir.lowering import lower

    return lower(load_model(path)), None


def _is_keras_model(path: Path) -> bool:
    """Return whether a path is that of a Keras model, whatever its ending: a zip or HDF5 file, or a SavedModel."""
    if os.path.isdir(path):
        return (path / "saved_model.pb").is_file()
    if not os.path.isfile(path):
        return path.suffix in (".keras", ".h5", ".hdf5")
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"\x89HDF")


def print_document(document: dict[str, Any], as_json: bool, tables: Callable[[dict[str, Any]], Any]) -> None:
    """Print a document as JSON, or as the tables that a function makes of its result."""
    with contextlib.redirect_stdout(click.get_current_context().meta[_STDOUT]), printing():
        if as_json:
            click.echo(json.dumps(document, indent=2))
        else:
            from kd_edge.reporting.tables.console import show

            show(tables(document["result"]))
