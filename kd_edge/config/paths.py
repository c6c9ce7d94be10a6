"""Paths in a configuration: written from its own folder, used from the working folder."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Keys that may hold a path, by their table.
_PATHS = {"data": ("source",), "teacher": ("path", "outputs"), "budget": ("device",)}


def located(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with paths from the working folder, where a folder has what they name.

    Args:
        table: With paths that begin in the folder, or in the working folder.
        folder: That of the configuration.
    """

    def change(text: str) -> str:
        return os.path.normpath(folder / text) if _is_file(folder / text) else text

    return _with_paths(table, change)


def relative_to(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables of a configuration with the paths of what there is from a folder, as `located` reads them.

    Paths from the root of the file system stay as they are.

    Args:
        table: With paths from the working folder.
        folder: Where the configuration will lie.
    """

    def change(text: str) -> str:
        there = not Path(text).is_absolute() and _is_file(Path(text))
        return os.path.relpath(text, folder) if there else text

    return _with_paths(table, change)


def _with_paths(table: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(table)
    for section, keys in _PATHS.items():
        own = changed.get(section)
        if isinstance(own, Mapping):
            known = {key: change(own[key]) for key in keys if isinstance(own.get(key), str)}
            changed[section] = {**own, **known}
    return changed


def _is_file(path: Path) -> bool:
    """Return whether a path is one of a file or folder; of `module:function` whether the module is there."""
    module, colon, _ = path.name.rpartition(":")
    return path.with_name(module.replace(".", "/") + ".py").is_file() if colon and module else path.exists()
