"""Checkpoints of a run: what each stage left, and whether that still is what it left."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from kd_edge.files import write_json
from kd_edge.stages.serialization import from_plain, to_plain

T = TypeVar("T")
# In the folder of a sweep, whose stages are not those of a run.
SWEEP_OF = "sweep_of.json"
# What names and numbers the process gave that made a Keras model: another writing of the same model has others.
_RUNNING = re.compile(rb'"shared_object_id": \d+|(?<=[a-z0-9])_\d+(?=")')


@dataclass(frozen=True)
class Kept(Generic[T]):
    """What a stage left.

    Attributes:
        result: What it found.
        digest: Hash of what shaped the stage and of the files that it left, for the key of the next stage.
    """

    result: T
    digest: str


class StageStore:
    """The folder of a run: `stages/NAME.json` beside the files that the stages write.

    A stage is done if its JSON was made from the same key and every file that it left is there unchanged.

    Args:
        folder: The run's folder; made when something is saved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def load(self, name: str, key: str, cls: type[T]) -> Kept[T] | None:
        """Return what a stage left, `None` where it has to be made (again).

        Args:
            name: The stage.
            key: Hash of all that shapes it; see `stage_key`.
            cls: Class of its result.
        """
        record = self._read(name)
        if record is None or record.get("key") != key:
            return None
        try:
            files = record["files"]
            if any(_sha256(self.folder / name) != file["sha256"] for name, file in files.items()):
                return None
            return Kept(from_plain(cls, record["result"]), _digest(key, files))
        except Exception:  # a record of another version, or damaged: the stage is made again
            return None

    def save(self, name: str, key: str, result: T, files: Iterable[str] = ()) -> Kept[T]:
        """Keep a stage's result and the hashes of the files that it has left in the folder.

        Args:
            name: The stage.
            key: As for `load`.
            result: A frozen value; see `to_plain`.
            files: Their names within the folder.
        """
        paths = {file: self.folder / file for file in files}
        hashes = {file: {"sha256": _sha256(path), "content": content_of(path)} for file, path in paths.items()}
        write_json(self._path(name), {"key": key, "files": hashes, "result": to_plain(result)})
        return Kept(result, _digest(key, hashes))

    def _path(self, name: str) -> Path:
        return self.folder / "stages" / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            record = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None


def stage_key(previous: str, name: str, *shaped_by: object) -> str:
    """Return the hash of all that shapes a stage.

    Args:
        previous: Digest of the stage before; of the data for the first one.
        name: The stage.
        *shaped_by: Values whose `repr` says all of them.
    """
    return hashlib.sha256(f"{previous} {name} {shaped_by!r}".encode()).hexdigest()


def _digest(key: str, files: Mapping[str, Mapping[str, str | None]]) -> str:
    contents = sorted((name, file["content"]) for name, file in files.items())
    return hashlib.sha256(f"{key} {contents!r}".encode()).hexdigest()


def _sha256(path: Path) -> str | None:
    """Return the hash of a file, `None` where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def content_of(path: Path) -> str | None:
    """Return a hash of what a file says; two files of one Keras model have the same, whenever they were written."""
    if path.suffix != ".keras":
        return _sha256(path)
    with zipfile.ZipFile(path) as archive:
        digest = hashlib.sha256(_RUNNING.sub(b"", archive.read("config.json")))
        weights = archive.read("model.weights.h5")
    import h5py

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name} {item.shape} {item.dtype} ".encode() + item[()].tobytes())

    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(add)
    return digest.hexdigest()
