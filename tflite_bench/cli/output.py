"""How a result is printed and written."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from tflite_bench.errors import ConfigError


def show(document: dict[str, Any], text: str, as_json: bool, output: Path | None) -> None:
    """Print a result as JSON or as text, and write its document where a file is asked for."""
    from tflite_bench.reporting.envelope import to_json

    if output is not None:
        write(output, to_json(document))
    if sys.stdout is None:  # closed before Python started
        raise ConfigError("cannot print the result: expected a stdout that is open, received a closed one; open it")
    try:
        click.echo(to_json(document) if as_json else text)
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise ConfigError(f"cannot print the result: {error.strerror or error}") from error


def write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    partial = path.with_name(f".{os.getpid()}")  # short: the name of the file itself may be as long as names can be
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another --output") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def copy_folder(source: Path, folder: Path) -> None:
    """Copy a folder to one that does not exist, which appears whole or not at all.

    Raises:
        ConfigError: It exists, or cannot be written.
    """
    if os.path.lexists(folder):
        raise ConfigError(
            f"cannot write {folder}: expected a new folder, received one that exists; choose another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent, ignore_cleanup_errors=True) as name:
            partial = Path(name, "partial")
            partial.mkdir()
            for path in sorted(source.rglob("*")):
                copy = partial / path.relative_to(source)
                copy.mkdir() if path.is_dir() else copy.write_bytes(path.read_bytes())
            partial.rename(folder)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror or error}; choose another folder") from error


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
