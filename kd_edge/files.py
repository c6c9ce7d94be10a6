"""Files that appear whole or not at all and are read back, and folders that one process at a time works in."""

import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kd_edge.errors import ConfigError

if TYPE_CHECKING:
    import keras

# A file that is being written: where the process runs (version 0.1 did not say it), its number, what it will be called.
_PARTIAL = re.compile(r"\.partial-(?:([0-9a-f]{8})-)?(\d+)-.+")
# After so long, what a process of another machine has half-written counts as left.
_LEFT_SECONDS = 24 * 3600.0
_LOCK = ".lock"


@contextlib.contextmanager
def sole_use(folder: str | Path) -> Iterator[None]:
    """Have a folder for this process alone; the kernel gives it back when the process ends, however that happens.

    What a process that was killed left half-written in it goes; where that ran on another machine, or in another
    container, a day later. On a file system that knows no locks, nothing is refused.

    Args:
        folder: Made if missing.

    Raises:
        ConfigError: Another process works in it, or it cannot be written to.
    """
    path = Path(folder) / _LOCK
    is_new = not os.path.exists(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("ab")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another --output") from error
    with lock:
        if not _is_mine(lock, path):
            raise ConfigError(
                f"{folder} is in use: expected one process at a time in it, received a second one; wait for the first, "
                "or choose another --output"
            )
        for left in path.parent.rglob(".partial-*"):
            _remove_left(left)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                if is_new:  # and nothing was made in it
                    path.parent.rmdir()


def _is_mine(lock: IO[bytes], path: Path) -> bool:
    """Lock an open file; return whether it is this process's, and still the one that others find there."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks
        return True


def write_file(path: str | Path, write: Callable[[Path], object], *, instead: str = "choose another --output") -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in place.

    Args:
        path: The file to make or replace; missing folders are made.
        write: Called with the temporary file's path, which has the same ending.
        instead: The way out where it cannot be written.

    Returns:
        The path.

    Raises:
        ConfigError: The folder cannot be made or written to.
    """
    target = Path(path)
    partial = target.with_name(f".partial-{_place()}-{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f".partial-*-{glob.escape(target.name)}"):
            _remove_left(left)
        write(partial)
        return partial.replace(target)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}; {instead}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def refuse_reading(output: Path, *read: Path | str | None) -> None:
    """Refuse to write over a file that is read.

    Args:
        output: What will be written.
        read: What is read; `None` for what was not given.

    Raises:
        ConfigError: They are one file, or the system takes no such path.
    """
    if resolved(output) in [resolved(path) for path in read if path is not None]:
        raise ConfigError(f"bad --output: expected another file than {output}, which is read; choose another one")


def refuse_inside(output: Path, folder: Path | str, whose: str) -> None:
    """Refuse to write into a folder that is read.

    Args:
        output: The folder in which will be written.
        folder: That which is read.
        whose: What it holds.

    Raises:
        ConfigError: The one is the other, or in it, or the system takes no such path.
    """
    place = resolved(output)
    if resolved(folder) in (place, *place.parents):
        raise ConfigError(
            f"bad --output: expected a folder that is not in that of the {whose}, {folder}, received {output}; "
            "choose another one"
        )


def resolved(path: Path | str) -> Path:
    """Return a path from the root of the file system, without links.

    Raises:
        ConfigError: The system takes no such path.
    """
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"bad path: expected one that the system takes, received {str(path)!r} ({error})") from error


def check_writable(path: str | Path) -> None:
    """Refuse a file that cannot be written, before the work of hours whose result it is for.

    Args:
        path: The file to make or replace later; nothing is made.

    Raises:
        ConfigError: It is a folder, or the nearest folder that is there cannot be written to.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise ConfigError(f"cannot write {target}: expected a file, found a folder; choose another --output")
        tempfile.TemporaryFile(dir=next(folder for folder in target.absolute().parents if folder.exists())).close()
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}; choose another --output") from error


def write_bytes(path: str | Path, content: bytes, **options: str) -> Path:
    """Write bytes; see `write_file`."""
    return write_file(path, lambda partial: partial.write_bytes(content), **options)


def write_json(path: str | Path, content: object) -> Path:
    """Write plain data as indented JSON; see `write_file`."""
    return write_bytes(path, json_bytes(content))


def json_bytes(content: object) -> bytes:
    """Return plain data as indented JSON."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def read_object(path: str | Path, *, instead: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: The file.
        instead: The way out where it holds none.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a value of type {type(content).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read {path}: expected a JSON object, received {error}; {instead}") from error
    return content


def write_model(path: str | Path, model: "keras.Model") -> Path:
    """Write a Keras model in Keras' own format, not compiled, so that Keras alone reads it; see `write_file`."""
    compiled, model.compiled = model.compiled, False
    try:
        return write_file(path, model.save)
    finally:
        model.compiled = compiled


def content_digest(path: str | Path) -> str:
    """Return a hash of a file, or of all files in a folder with their names there."""
    path, digest = Path(path), hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            content = file.read_bytes()
            digest.update(f"{file.relative_to(path).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


@functools.cache
def _place() -> str:
    """Return a hash of the machine and of its process numbers, which each container has of its own."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # of Linux alone
        parts.append(os.readlink("/proc/self/ns/pid"))
        parts.append(Path("/etc/machine-id").read_text())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def _remove_left(path: Path) -> None:
    """Remove a file that is half-written, and was being written by a process that is gone."""
    found = _PARTIAL.fullmatch(path.name)
    with contextlib.suppress(OSError):  # it was finished meanwhile, or is another user's
        if found and path.is_file() and _is_left(path, found[1], int(found[2])):
            path.unlink(missing_ok=True)


def _is_left(path: Path, place: str | None, process: int) -> bool:
    if place != _place():
        with tempfile.TemporaryFile(dir=path.parent) as now:  # by the clock that has stamped the other file
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime > _LEFT_SECONDS
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it lives, and is another user's
        pass
    return False
