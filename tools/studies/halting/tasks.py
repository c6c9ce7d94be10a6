"""The data sets of the study, how each is parted, and the networks that learn it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from kd_edge.data.dataset import Dataset
from kd_edge.data.splits.folds import fold_numbers
from kd_edge.ir.blueprint import Blueprint
from kd_edge.search.space.student_space import StudentSpace
from tools.studies.halting import sources

ALL, FEW = "all", "few"
AMOUNTS = (ALL, FEW)

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
_SPECTROGRAM = {**_IMAGE, "num_strided": 3, "growth": 1.5}


@dataclass(frozen=True)
class TeacherPlan:
    """The teacher of a data set: at least 50 times the student's multiply-accumulates.

    Attributes:
        width: Of `build_teacher`.
        epochs: With all labels.
        augments: What may change its samples; of several, what is best on validation samples with all labels.
    """

    width: int
    epochs: int
    augments: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A data set, how it is parted, and the networks that learn it.

    Attributes:
        name: In tables.
        augment: The augmentation of this kind of data.
        student: Values of the choices of the family `ds_cnn`.
        teacher: The large network.
        load: Returns the samples of a fold from a folder of files.
        num_folds: People are parted in so many folds; 1 where the parts are fixed.
        tuning_seeds: How many seeds the best training is chosen by; of two, by the mean.
        teacher_task: Name of the data set whose teacher teaches here; "" for one of its own.
    """

    name: str
    augment: str
    student: Mapping[str, int | float]
    teacher: TeacherPlan
    load: Callable[[Path, int], Dataset]
    num_folds: int = 1
    tuning_seeds: int = 2
    teacher_task: str = ""

    def fold(self, seed: int) -> int:
        """Return the fold that a seed stands for."""
        return seed % self.num_folds

    def build_student(self, data: Dataset, seed: int) -> keras.Model:
        """Return the student with the weights that belong to a seed."""
        keras.utils.set_random_seed(seed)
        return self.network(data.input_shape, data.num_classes).to_keras()

    def network(self, input_shape: tuple[int, ...], num_classes: int, *, wider: int = 1) -> Blueprint:
        """Return the student for samples of a shape, or one with so many times its channels."""
        values = {**self.student, "width": wider * self.student["width"]}
        return StudentSpace.family("ds_cnn", input_shape, num_classes).blueprint(values)


def with_few_labels(data: Dataset) -> Dataset:
    """Return a data set in which every tenth training sample, of each class alike, has kept its label."""
    kept = fold_numbers(data.y_train, 10, seed=0) == 0
    groups = None if data.group_train is None else data.group_train[kept]
    return replace(
        data,
        x_train=data.x_train[kept],
        y_train=data.y_train[kept],
        x_unlabeled=data.x_train[~kept],
        group_train=groups,
    )


_FASHION_TEACHER = TeacherPlan(16, 10, ("none",))
TASKS = {
    task.name: task
    for task in (
        Task("fashion-2000", "image", _IMAGE, _FASHION_TEACHER, sources.fashion(2_000), teacher_task="fashion"),
        Task("mnist-5000", "image", _IMAGE, TeacherPlan(16, 40, ("image", "none")), sources.mnist),
        Task("watch", "imu", _SEQUENCE, TeacherPlan(28, 30, ("imu", "none")), sources.watch, num_folds=5),
        Task("har", "sensor", _SEQUENCE, TeacherPlan(32, 20, ("sensor", "none")), sources.har, num_folds=5),
        Task(
            "fashion-10000",
            "image",
            _IMAGE,
            _FASHION_TEACHER,
            sources.fashion(10_000),
            tuning_seeds=1,
            teacher_task="fashion",
        ),
        Task(
            "arabic",
            "spectrogram",
            _SPECTROGRAM,
            TeacherPlan(20, 40, ("spectrogram",)),
            sources.arabic,
            tuning_seeds=1,
        ),
    )
}
# The teacher of the two that are drawn from Fashion-MNIST has seen all samples that are not for validation.
FASHION = Task("fashion", "image", _IMAGE, _FASHION_TEACHER, sources.fashion(None))
