"""The data sets and networks of `study_halting`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.distillation.training import Recipe
from kd_edge.search.space.student_space import StudentSpace


@dataclass(frozen=True)
class Settings:
    """What all trainings of a study have in common; `kd-edge run`'s defaults where it has them."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 4e-3
    temperature: float = 4.0
    student_loss_weight: float = 0.3
    trainee_loss_weight: float = 0.5
    fixed_epochs: int = 3
    teacher_epochs: int = 20
    num_val: int = 64
    num_test: int = 3000

    def recipe(self, seed: int, *, epochs: int | None = None) -> Recipe:
        """Return how the student is trained; a teacher for another number of epochs."""
        return Recipe(epochs or self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, seed=seed)


@dataclass(frozen=True)
class Task:
    """A data set, and the networks that learn it."""

    name: str
    data: Dataset
    student: Mapping[str, int | float]
    teacher_width: int

    def build_student(self, seed: int) -> keras.Model:
        """Return the student with the weights that belong to a seed."""
        keras.utils.set_random_seed(seed)
        space = StudentSpace.family("ds_cnn", self.data.input_shape, self.data.num_classes)
        return space.blueprint(self.student).to_keras()


_SEQUENCE = {
    "width": 8,
    "stem_kernel": 5,
    "stem_stride": 2,
    "num_blocks": 3,
    "num_strided": 2,
    "kernel": 5,
    "growth": 1.25,
}
_IMAGE = {**_SEQUENCE, "stem_kernel": 3, "kernel": 3}


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what is made of it."""

    data: str
    student: Mapping[str, int | float]
    teacher_width: int
    num_train: int
    has_channels: bool = True


SOURCES = {
    "watch": Source("watch", _SEQUENCE, 16, 1536),
    "UCI HAR recordings, re-windowed": Source("uci_har_raw.npz", _SEQUENCE, 18, 1536),
    "Fashion-MNIST": Source("fashion_mnist.npz", _IMAGE, 10, 2048, has_channels=False),
    "Arabic speech commands": Source(
        "arabic_speech_commands_logmel.npz", {**_IMAGE, "num_strided": 3, "growth": 1.5}, 10, 3072, has_channels=False
    ),
}


def tasks(folder: Path, settings: Settings) -> Iterator[Task]:
    """Yield the data sets that are there, each reduced to fewer samples."""
    for name, source in SOURCES.items():
        built_in = source.data == "watch"
        path = source.data if built_in else folder / source.data
        if not built_in and not path.is_file():
            print(f"{name} left out: no {path}", flush=True)
            continue
        data = load_data(path, normalize=None if built_in else True)
        limits = {"train": source.num_train, "val": settings.num_val, "test": settings.num_test}
        yield Task(name, reduced(data, limits, has_channels=source.has_channels), source.student, source.teacher_width)


def reduced(data: Dataset, limits: Mapping[str, int], *, has_channels: bool) -> Dataset:
    """Return a seeded draw of the samples, with a channel axis where they have none."""
    arrays = {}
    for split, limit in limits.items():
        x, y = getattr(data, f"x_{split}"), getattr(data, f"y_{split}")
        chosen = np.random.default_rng(0).permutation(len(y))[:limit]
        arrays[f"x_{split}"], arrays[f"y_{split}"] = x[chosen] if has_channels else x[chosen, ..., None], y[chosen]
    return replace(data, **arrays)
