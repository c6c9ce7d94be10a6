"""The built-in data set `watch`: activities recorded by a smartwatch."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset, checked, scaled
from kd_edge.data.options import WATCH
from kd_edge.data.sources.registry import DataSource
from kd_edge.errors import MissingDependencyError

# People of the watch recordings; the teacher and every student are judged on people that none has seen. Two people say
# too little of others (Student's factor is 12.7), three are few (4.3).
PEOPLE: Mapping[str, tuple[int, ...]] = MappingProxyType({"train": (1, 2, 3, 4, 5), "val": (6, 7), "test": (8, 9, 10)})
_WATCH_WINDOW = 128
_WATCH_HOPS = {"train": 32, "val": 64, "test": 64}


def load_watch(*, normalize: bool = True, people: Mapping[str, tuple[int, ...]] = PEOPLE) -> Dataset:
    """Return the recordings of accelerometer and gyroscope, windows of shape `(128, 6)`, 7 activities.

    Groups are the people.

    Args:
        normalize: Whether to divide by one standard deviation per sensor.
        people: Whose recordings train, validate and test, out of 1 to 10. Defaults to 1 to 5, 6 and 7, 8 to 10.

    Raises:
        MissingDependencyError: The package that holds them is not installed.
    """
    data = checked(_read_recordings(people))
    return _normalized_by_sensor(data) if normalize else data


def _read_recordings(people_of: Mapping[str, tuple[int, ...]]) -> Dataset:
    spec = importlib.util.find_spec("seglearn")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "the data set 'watch' is a file of the package seglearn: pip install 'kd-edge[demo]'"
        )
    path = Path(spec.origin).parent / "data" / "watch_dataset.npy"
    # Pickled by an installed package, trusted like that package's code; files of the user are never unpickled.
    recordings = np.load(path, allow_pickle=True).item()
    arrays: dict[str, Any] = {}
    for split, people in people_of.items():
        windows, labels, persons = [], [], []
        for signal, label, person in zip(recordings["X"], recordings["y"], recordings["subject"], strict=True):
            if person in people:
                cut = _windows(np.asarray(signal, np.float32), _WATCH_WINDOW, _WATCH_HOPS[split])
                windows.append(cut)
                labels.append(np.full(len(cut), label))
                persons.append(np.full(len(cut), person))
        arrays[f"x_{split}"], arrays[f"y_{split}"] = np.concatenate(windows), np.concatenate(labels)
        arrays[f"group_{split}"] = np.concatenate(persons)
    description = (
        f"smartwatch recordings of the package seglearn, windows of {_WATCH_WINDOW} samples at 50 Hz; "
        f"people {people_of['train']} train, {people_of['val']} validate, {people_of['test']} test"
    )
    return Dataset("watch", class_names=tuple(recordings["y_labels"]), description=description, **arrays)


def _normalized_by_sensor(data: Dataset) -> Dataset:
    """Divide by one deviation per sensor and keep the mean, so that a rotated watch still is a rotation of its data."""
    deviations = [data.x_train[..., :3].std(dtype=np.float64)] * 3 + [data.x_train[..., 3:].std(dtype=np.float64)] * 3
    return scaled(data, np.zeros(6), np.array(deviations))


def _windows(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    return np.stack([signal[start : start + size] for start in range(0, len(signal) - size + 1, hop)])


def _load(text: str, normalize: bool | None, seed: int) -> Dataset:
    return load_watch(normalize=normalize is not False)


SOURCE = DataSource(f"'{WATCH}'", lambda text: text == WATCH, _load, word=WATCH)
