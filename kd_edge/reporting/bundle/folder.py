"""Writes a bundle's folder: what belongs to it, and nothing that an earlier bundle left there."""

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kd_edge.errors import ConfigError, found_instead
from kd_edge.files import check_writable, json_bytes, refuse_reading, write_bytes
from kd_edge.reporting.bundle.results import TOOL, fingerprint

MANIFEST = "manifest.json"


def write_folder(
    folder: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any], *, read: Collection[str | Path]
) -> None:
    """Write files and their manifest, and remove what the manifest of an earlier bundle names beside them.

    Args:
        folder: Made if missing.
        contents: Bytes of each file by its name.
        manifest: Written last.
        read: The files that the bundle was made from.

    Raises:
        ConfigError: A file would go or be replaced that is read, or not as an earlier bundle wrote it, a file cannot be
            written, or the manifest of the earlier bundle is damaged. Nothing is written then.
    """
    described, written = json_bytes(manifest), _written(folder / MANIFEST)
    for name in (*contents, *written):
        refuse_reading(folder / name, *read)
        _check_unchanged(folder, name, {written.get(name), fingerprint(contents.get(name, b""))["sha256"]})
    for name in (*contents, MANIFEST):
        check_writable(folder / name)
    stale = [folder / name for name in written if name not in contents and os.path.isfile(folder / name)]
    for name, content in contents.items():
        write_bytes(folder / name, content)
    for path in stale:
        path.unlink()
        _remove_empty(path.parent, folder)
    write_bytes(folder / MANIFEST, described)


def _check_unchanged(folder: Path, name: str, known: Collection[str | None]) -> None:
    """Refuse to lose a file of another's making: one with none of the known SHA-256."""
    path = folder / name
    if not os.path.isfile(path):
        return
    try:
        if fingerprint(path.read_bytes())["sha256"] in known:
            return
        found = "found it changed"
    except OSError as error:
        found = found_instead(error)
    raise ConfigError(
        f"cannot replace the bundle in {folder}: expected its {name} as it was written, {found}; "
        "move it away or choose another --output"
    )


def _written(manifest: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a manifest names inside its folder."""
    if not os.path.isfile(manifest):
        return {}
    try:
        found = json.loads(manifest.read_bytes())
        files = {name: file["sha256"] for name, file in found["files"].items() if _is_inside(name)}
        if found["tool"] != TOOL or not all(isinstance(known, str) for known in files.values()):
            raise ValueError("not of a bundle")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"cannot replace the bundle in {manifest.parent}: expected a manifest of `kd-edge bundle`, found it "
            "damaged or of another program; choose another --output"
        ) from error
    return files


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _remove_empty(folder: Path, top: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
