"""Writes a bundle's folder: what belongs to it, and nothing that an earlier bundle left there."""

import contextlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kd_edge.errors import ConfigError
from kd_edge.files import write_bytes, write_json
from kd_edge.reporting.bundle.results import fingerprint

MANIFEST = "manifest.json"


def write_folder(folder: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Write files and their manifest, and remove what the manifest of an earlier bundle names beside them.

    Args:
        folder: Made if missing.
        contents: Bytes of each file by its name.
        manifest: Written last.

    Raises:
        ConfigError: A file would go or be replaced that is not as an earlier bundle wrote it, or the manifest of that
            one is damaged. Nothing is written then.
    """
    written = _written(folder / MANIFEST)
    for name in (*contents, *written):
        _check_unchanged(folder, name, {written.get(name), fingerprint(contents.get(name, b""))["sha256"]})
    stale = [folder / name for name in written if name not in contents and (folder / name).is_file()]
    for name, content in contents.items():
        write_bytes(folder / name, content)
    for path in stale:
        path.unlink()
        _remove_empty(path.parent, folder)
    write_json(folder / MANIFEST, manifest)


def _check_unchanged(folder: Path, name: str, known: Collection[str | None]) -> None:
    """Refuse to lose a file of another's making: one with none of the known SHA-256."""
    path = folder / name
    if path.is_file() and fingerprint(path.read_bytes())["sha256"] not in known:
        raise ConfigError(
            f"cannot replace the bundle in {folder}: expected its {name} as it was written, found it changed; "
            "move it away or choose another --output"
        )


def _written(manifest: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a manifest names inside its folder."""
    if not manifest.is_file():
        return {}
    try:
        files = json.loads(manifest.read_bytes())["files"]
        return {name: file["sha256"] for name, file in files.items() if _is_inside(name)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"cannot replace the bundle in {manifest.parent}: expected a manifest of `kd-edge bundle`, found it "
            "damaged; choose another --output"
        ) from error


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _remove_empty(folder: Path, top: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
