"""Writes files that appear whole or not at all."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kd_edge.errors import ConfigError

if TYPE_CHECKING:
    import keras


def write_file(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in place.

    Args:
        path: The file to make or replace; missing folders are made.
        write: Called with the temporary file's path, which has the same ending.

    Returns:
        The path.

    Raises:
        ConfigError: The folder cannot be made or written to.
    """
    target = Path(path)
    partial = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        return partial.replace(target)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}; choose another --output") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write bytes; see `write_file`."""
    return write_file(path, lambda partial: partial.write_bytes(content))


def write_json(path: str | Path, content: object) -> Path:
    """Write plain data as indented JSON; see `write_file`."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return write_bytes(path, text.encode())


def write_model(path: str | Path, model: "keras.Model") -> Path:
    """Write a Keras model in Keras' own format; see `write_file`."""
    return write_file(path, model.save)
