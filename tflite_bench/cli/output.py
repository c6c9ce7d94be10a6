"""How a result is printed and written."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import click

from tflite_bench.cli.streams import printing
from tflite_bench.errors import ConfigError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def show(
    document: dict[str, Any], text: str, as_json: bool, output: Path | None, *, written: Path | None = None
) -> None:
    """Print a result as JSON or as text, and write its document where a file is asked for.

    Args:
        document: The document.
        text: The same for people.
        as_json: Print the document.
        output: The document's file; None for none.
        written: Another file that the command has written.
    """
    from tflite_bench.reporting.envelope import to_json

    if output is not None:
        write(output, to_json(document))
    with printing(output or written):
        print(to_json(document) if as_json else text, flush=True)


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


def unusable_file(error: OSError) -> str:
    """Return what cannot be read or written, and why, on one line."""
    file = f"the file {error.filename}" if error.filename else "a file"
    way_out = "; is a disk full?" if error.errno in _FULL else ""
    return f"cannot use {file}: {error.strerror or error}{way_out}"
