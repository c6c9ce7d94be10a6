"""Checkpoint of a search: its folder, which belongs to one teacher, one data set and one space."""

import hashlib
import json
import math
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import HaltingReport, Recipe
from kd_edge.distillation.targets.fingerprints import hash_of
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import UNREADABLE, ConfigError
from kd_edge.files import read_object, write_file, write_json
from kd_edge.search.results import STUDENT, CandidateTraining
from kd_edge.search.space.student_space import StudentSpace

_TITLE = "search_of.json"
# Arrays that a search learns from or judges by.
_SAMPLES = ("x_train", "y_train", "x_val", "y_val", "x_unlabeled")
PROJECT = "trials"
TARGETS = "targets.npy"
# In the folder of each trial.
_WEIGHTS = "student.npz"
_TRAINING = "training.json"


def identify_search(
    teacher: keras.Model | SoftTargets, data: Dataset, space: StudentSpace, settings: Mapping[str, object]
) -> dict[str, str]:
    """Return what a search is a search of, each part as a fingerprint.

    Args:
        teacher: Architecture and weights count, or its outputs.
        data: Training and validation samples count.
        space: Its choices count, and the teacher's architecture where it is derived from that.
        settings: What else changes the result, by the name that a message gives it.
    """
    samples = repr([data.digests[name] for name in _SAMPLES if name in data.digests])
    choices = repr([space.name, space.input_shape, space.num_classes, dict(space.choices)])
    taught = str(teacher.header["teacher"]) if isinstance(teacher, SoftTargets) else hash_of(teacher)
    parts = {"teacher": taught, "data": _digest(samples), "space": _digest(choices)}
    return parts | {name: _digest(repr(value)) for name, value in settings.items()}


def claim_folder(folder: str | Path, identity: Mapping[str, str], *, overwrite: bool = False) -> None:
    """Make a folder the one of a search, or go on with the same search.

    Args:
        folder: Made if missing.
        identity: From `identify_search`.
        overwrite: Whether an older search in the folder is deleted.

    Raises:
        ConfigError: The folder holds another search, or a damaged file; the message says what differs.
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
    known = read_object(path, instead="choose another folder, or start anew (--overwrite)")
    differs = [name for name, value in identity.items() if known.get(name) != value]
    if differs:
        raise ConfigError(
            f"{folder} holds the search of another {', another '.join(differs)}: expected the same; choose another "
            "folder (--output), or start anew (--overwrite)"
        )


def save_trial(folder: str | Path, weights: Sequence[np.ndarray], training: CandidateTraining) -> None:
    """Write what a trial leaves into its folder, each file whole or not at all.

    Args:
        folder: Of the trial.
        weights: Those of the trained candidate, in Keras' order.
        training: How they came about.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    # Not HDF5: it crashes the process when the disk is full.
    write_file(Path(folder) / _WEIGHTS, lambda path: np.savez(path, *weights))
    write_json(Path(folder) / _TRAINING, asdict(training))


def load_weights(folder: str | Path) -> list[np.ndarray]:
    """Return the weights that a trial left in its folder."""
    with (Path(folder) / _WEIGHTS).open("rb") as file, np.load(file) as weights:
        return list(weights.values())


def load_training(folder: str | Path) -> CandidateTraining:
    """Return how a trial was trained, from its folder."""
    saved = json.loads((Path(folder) / _TRAINING).read_text())
    reports = tuple(HaltingReport(**report) for report in saved["halting"])
    return CandidateTraining(**saved | {"recipe": Recipe(**saved["recipe"]), "halting": reports})


def is_whole(folder: str | Path) -> bool:
    """Return whether what a finished trial left in its folder is there and can be read."""
    try:
        with zipfile.ZipFile(Path(folder) / _WEIGHTS) as weights:
            if weights.testzip() is not None:
                return False
        load_weights(folder)
        load_training(folder)
    except UNREADABLE:
        return False
    return True


def finite_history(history: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    """Return metrics per epoch as JSON can hold them: None for those that are not finite."""
    return {name: [float(v) if math.isfinite(v) else None for v in values] for name, values in history.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
