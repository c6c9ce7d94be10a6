"""Paths in a configuration: written from its own folder, used from the working folder."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kd_edge.data.options import WATCH
from kd_edge.files import refuse_inside, refuse_reading

# Keys that may hold a path, by their table.
_PATHS = {"data": ("source",), "teacher": ("path", "outputs"), "budget": ("device",)}


def located(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with paths from the working folder, where a folder has what they name.

    Args:
        table: With paths that begin in the folder, or in the working folder.
        folder: That of the configuration.
    """

    def change(text: str, key: str) -> str:
        return _short(folder / text) if text != WATCH and _is_path(folder / text, key) else text

    return _with_paths(table, change)


def relative_to(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with the paths of what there is from a folder, as `located` reads them.

    Paths from the root of the file system stay as they are.

    Args:
        table: With paths from the working folder.
        folder: Where the configuration will lie.
    """

    def change(text: str, key: str) -> str:
        there = text != WATCH and not Path(text).is_absolute() and _is_path(Path(text), key)
        # Where the folder is a link, `..` leads out of what it points to.
        return os.path.relpath(_real(Path(text)), os.path.realpath(folder)) if there else text

    return _with_paths(table, change)


def absolute(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a configuration with the paths of what there is from the root of the file system.

    Args:
        table: With paths from the working folder.
    """

    def change(text: str, key: str) -> str:
        return str(_real(Path(text))) if text != WATCH and _is_path(Path(text), key) else text

    return _with_paths(table, change)


def refuse_overwriting(table: Mapping[str, Any], folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder in which something would be written over what a configuration names, or into it.

    Args:
        table: The configuration, its paths from the working folder.
        folder: Where will be written.
        names: Of the files that will be.

    Raises:
        ConfigError: The two are one file, the folder is in that of a teacher or of samples by class, or the system
            takes no such path.
    """
    read = [table[section][key] for section, keys in _PATHS.items() for key in keys if table[section].get(key)]
    for name in names:
        refuse_reading(folder / name, *read)
    for whose, path in (("teacher", table["teacher"].get("path")), ("data", table["data"].get("source"))):
        if path not in (None, WATCH) and (whose == "teacher" or _has_classes(Path(path))):
            refuse_inside(folder, path, whose)


def _has_classes(folder: Path) -> bool:
    """Return whether each folder in a folder may be a class: none is of a split, and there are no arrays."""
    return os.path.isdir(folder) and not (folder / "train").is_dir() and not any(folder.glob("*.npy"))


def _with_paths(table: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    changed = dict(table)
    for section, keys in _PATHS.items():
        own = changed.get(section)
        if isinstance(own, Mapping):
            known = {key: change(own[key], key) for key in keys if own.get(key) and isinstance(own[key], str)}
            changed[section] = {**own, **known}
    return changed


def _is_path(path: Path, key: str) -> bool:
    """Return whether a path is one of a file or folder; of `module:function` whether the module is there.

    A device's is one of a file of its own: a folder may be called like the board.
    """
    module, colon, _ = path.name.rpartition(":")
    if colon and module:
        place = path.parent.joinpath(*module.split("."))
        return os.path.isfile(place.with_suffix(".py")) or os.path.isfile(place / "__init__.py")
    return os.path.isfile(path) if key == "device" else os.path.exists(path)


def _short(path: Path) -> str:
    """Return a path without `..` where it names the same without them."""
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else str(path)


def _real(path: Path) -> Path:
    """Return a path, or that of a function's module, without links in its folder."""
    return Path(os.path.realpath(path.parent), path.name)
