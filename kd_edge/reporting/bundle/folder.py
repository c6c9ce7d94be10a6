"""Writes a bundle's folder: what belongs to it, and nothing that an earlier bundle left there."""

import contextlib
import json
from collections.abc import Mapping
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
        ConfigError: A file of the earlier bundle would go and is not as it was written, or its manifest is damaged.
            Nothing is written then.
    """
    stale = _stale(folder, contents)
    for name, content in contents.items():
        write_bytes(folder / name, content)
    for path in stale:
        path.unlink()
        _remove_empty(path.parent, folder)
    write_json(folder / MANIFEST, manifest)


def _stale(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Return the files that an earlier bundle wrote and the new one has not."""
    stale = []
    for name, known in _written(folder / MANIFEST).items():
        path = folder / name
        if name in contents or not path.is_file():
            continue
        if fingerprint(path.read_bytes())["sha256"] != known:
            raise ConfigError(
                f"cannot replace the bundle in {folder}: expected its {name} as it was written, found it changed; "
                "move it away or choose another --output"
            )
        stale.append(path)
    return stale


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
