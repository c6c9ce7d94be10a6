"""How a result is printed and written."""

import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from tflite_bench.errors import ConfigError


def show(document: dict[str, Any], text: str, as_json: bool, output: Path | None) -> None:
    """Print a result as JSON or as text, and write its document where a file is asked for."""
    from tflite_bench.reporting.envelope import to_json

    if output is not None:
        write(output, to_json(document))
    try:
        click.echo(to_json(document) if as_json else text)
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise ConfigError(f"cannot print the result: {error.strerror or error}") from error


def write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another --output") from error
    finally:
        partial.unlink(missing_ok=True)


def usage_line(error: click.ClickException) -> str:
    """Return what is wrong with a command's options and where they are explained, on one line."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    return message if context is None else f"{message.rstrip('.')} (see {context.command_path} --help)"


def replace_unprintable() -> None:
    """Print `?` for what the encoding of stdout lacks, such as the lines of tables; as it is, Python would fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def drop_stdout() -> None:
    """Print nothing more: Python would fail again when it closes a stdout that takes nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
