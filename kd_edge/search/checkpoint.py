"""The folder of a search, which belongs to one teacher, one data set and one space."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.targets import hash_of
from kd_edge.errors import ConfigError
from kd_edge.files import write_json
from kd_edge.search.space.student_space import StudentSpace

_TITLE = "search_of.json"
PROJECT = "trials"
TARGETS = "targets.npy"
STUDENT = "student.keras"


def identify_search(
    teacher: keras.Model, data: Dataset, space: StudentSpace, settings: Mapping[str, object]
) -> dict[str, str]:
    """Return what a search is a search of, each part as a fingerprint.

    Args:
        teacher: Architecture and weights count.
        data: Training and validation samples count.
        space: Its choices count, and the teacher's architecture where it is derived from that.
        settings: What else changes the result, by the name that a message gives it.
    """
    samples = hashlib.sha256()
    for array in (data.x_train, data.y_train, data.x_val, data.y_val):
        samples.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    choices = repr([space.name, space.input_shape, space.num_classes, dict(space.choices)])
    parts = {"teacher": hash_of(teacher), "data": samples.hexdigest(), "space": _digest(choices)}
    return parts | {name: _digest(repr(value)) for name, value in settings.items()}


def claim_folder(folder: str | Path, identity: Mapping[str, str], *, overwrite: bool = False) -> None:
    """Make a folder the one of a search, or go on with the same search.

    Args:
        folder: Made if missing.
        identity: From `identify_search`.
        overwrite: Whether an older search in the folder is deleted.

    Raises:
        ConfigError: The folder holds another search; the message says what differs.
    """
    path = Path(folder) / _TITLE
    if overwrite:
        shutil.rmtree(Path(folder) / PROJECT, ignore_errors=True)
        for name in (_TITLE, TARGETS, STUDENT):
            (Path(folder) / name).unlink(missing_ok=True)
    if not path.is_file():
        if (Path(folder) / PROJECT).exists():
            raise ConfigError(
                f"{folder} holds a search of unknown origin: expected {_TITLE} beside it; choose another folder "
                "(--output), or start anew (--overwrite)"
            )
        write_json(path, dict(identity))
        return
    try:
        known = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ConfigError(f"cannot read {path}: {error}; choose another folder, or start anew (--overwrite)") from error
    differs = [name for name, value in identity.items() if known.get(name) != value]
    if differs:
        raise ConfigError(
            f"{folder} holds the search of another {', another '.join(differs)}: expected the same; choose another "
            "folder (--output), or start anew (--overwrite)"
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
