"""The command `kd-edge bundle`."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd_edge.cli.file_samples import samples_of, seed_of
from kd_edge.cli.options import (
    file_seed_option,
    json_option,
    load_profile,
    normalize_option,
    print_document,
    refuse_given,
    source_options,
)
from kd_edge.reporting.documents import make_document

if TYPE_CHECKING:
    from kd_edge.data.options import SourceOptions
    from kd_edge.reporting.bundle.results import Bundle

_TOOL_CHAINS = ("cmake", "arduino", "esp-idf", "zephyr", "platformio")


@click.command()
@click.argument("source", metavar="RUN|MODEL.tflite", type=click.Path(path_type=Path))
@click.option("--for", "tool", type=click.Choice(_TOOL_CHAINS), default="cmake", show_default=True, help="Tool chain.")
@click.option("--data", help="With MODEL: samples for the test vectors.  [default: random inputs]")
@source_options
@normalize_option
@file_seed_option
@click.option("--device", help="With MODEL: board of the arena.  [default: the most that any known board needs]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder.  [default: RUN/bundle, MODEL-bundle]")
@json_option
def bundle(source: Path, tool: str, output: Path | None, as_json: bool, **given: Any) -> None:
    """Write a firmware project of a finished RUN or a single MODEL.tflite.

    It builds, flashes, runs ten test vectors on the board and prints whether they agree. Exit code 1 when the run's
    model is broken or not proven by a check.
    """
    from kd_edge.reporting.tables.stages import bundle_tables

    is_run = os.path.isdir(source) or not (os.path.isfile(source) or source.suffix == ".tflite")
    written = _of_run(source, output, tool) if is_run else _of_file(source, output, tool, **given)
    print_document(make_document("bundle", written, {"folder": str(written.folder)}), as_json, bundle_tables)
    sys.exit(1 if written.passed is False else 0)


def _of_run(run: Path, output: Path | None, tool: str) -> "Bundle":
    from kd_edge.reporting.bundle.from_run import write_bundle

    refuse_given(("data", "data_option", "normalize", "seed", "device"), "MODEL.tflite")
    return write_bundle(run, output, tool=tool)


def _of_file(
    model: Path,
    output: Path | None,
    tool: str,
    *,
    data: str | None,
    options: "SourceOptions",
    normalize: bool | None,
    seed: int | None,
    device: str | None,
) -> "Bundle":
    from kd_edge.reporting.bundle.from_file import write_file_bundle

    if data is None:
        refuse_given(("data_option", "normalize", "seed"), "--data")
    used = 0 if data is None else seed_of(model, seed)
    return write_file_bundle(
        model,
        model.with_name(f"{model.stem}-bundle") if output is None else output,
        tool=tool,
        data=None if data is None else samples_of(model, data, normalize, used, options),
        device=None if device is None else load_profile(device, None),
        seed=used,
        command=_command(used),
    )


def _command(seed: int) -> str:
    """Return the command that makes the bundle of a file again, without where it goes."""
    given = click.get_current_context().params
    words = ["kd-edge", "bundle", str(given["source"]), "--for", given["tool"]]
    for option in ("data", "device"):
        words += [] if given[option] is None else [f"--{option}", given[option]]
    for text in given["data_option"]:
        words += ["--data-option", text]
    words += {None: [], True: ["--normalize"], False: ["--no-normalize"]}[given["normalize"]]
    return shlex.join(words + (["--seed", str(seed)] if given["data"] else []))
