"""Trains the teachers, once each, and keeps what they say of the samples."""

from pathlib import Path

import keras
import numpy as np

from kd_edge.compat.tensorflow import free_memory
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.information import teacher_information
from kd_edge.distillation.targets.recipe_targets import NUM_VIEWS
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training import Training, train
from kd_edge.files import write_model
from kd_edge.ir.lowering import lower
from tools.studies.halting.loop import BATCH_SIZE
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import ALL, FASHION, FEW, Task, with_few_labels
from tools.studies.halting.trainings import accuracy

_RATE = 4e-3
_FEWEST_STEPS = 1_500
_SEED = 1_000


class Teachers:
    """The trained teachers of a study.

    Args:
        samples: Folder of the data sets' files.
        work: Folder of teachers and targets.
        rows: Where a row on each teacher is kept.
    """

    def __init__(self, samples: Path, work: Path, rows: Rows) -> None:
        self._samples, self._work, self._rows = samples, work, rows

    def targets(
        self, task: Task, seed: int, data: Dataset, amount: str, *, augment: str = "none", own: bool = False
    ) -> SoftTargets:
        """Return what the teacher says of the training samples, labelled ones first.

        Args:
            task: The data set.
            seed: Its fold is the one of the seed.
            data: The student's samples.
            amount: `ALL` or `FEW`: how many of them have labels.
            augment: What changes them.
            own: Whether the teacher has no more labels than the student, where there is one that has.
        """
        by = self._of(task, amount, own=own)
        name = self._name(by[0], seed, by[1])
        path = self._work / f"{name}-for-{task.name}-{amount}-{augment}.npy"
        with self._rows.locked(path.stem):
            if path.is_file():
                return SoftTargets.load(path)
            x = data.x_train if data.x_unlabeled is None else np.concatenate([data.x_train, data.x_unlabeled])
            views = {} if augment == "none" else {"views": NUM_VIEWS, "augment": augment}
            return soft_targets(self.model(task, seed, amount, own=own), x, path=path, **views)

    def model(self, task: Task, seed: int, amount: str, *, own: bool = False) -> keras.Model:
        """Return a teacher, trained or read."""
        teaching, labels = self._of(task, amount, own=own)
        name = self._name(teaching, seed, labels)
        path = self._work / f"{name}.keras"
        with self._rows.locked(name):
            if not path.is_file():
                self._train(teaching, seed, labels, path)
        return keras.models.load_model(path, compile=False)

    def _of(self, task: Task, amount: str, *, own: bool) -> tuple[Task, str]:
        """Return the task whose teacher teaches, and how many labels it has."""
        if task.teacher_task == FASHION.name and not (own and amount == FEW):
            return FASHION, ALL
        return task, amount

    def _name(self, task: Task, seed: int, amount: str) -> str:
        return f"{task.name}-{task.fold(seed)}-{amount}"

    def _train(self, task: Task, seed: int, amount: str, path: Path) -> None:
        fold = task.fold(seed)
        data = task.load(self._samples, fold)
        data = with_few_labels(data) if amount == FEW else data
        training = max((_trained(task, data, augment) for augment in self._augments(task, fold, amount)), key=_accuracy)
        write_model(path, training.model)
        self._rows.once(lambda: _figures(training, data), part="teacher", set=task.name, fold=fold, labels=amount)
        free_memory()

    def _augments(self, task: Task, fold: int, amount: str) -> tuple[str, ...]:
        """Return what may change the samples: where there is a choice, it is made in the first fold with all labels."""
        if len(task.teacher.augments) == 1 or (fold, amount) == (0, ALL):
            return task.teacher.augments
        self.model(task, 0, ALL)
        row = self._rows.find(part="teacher", set=task.name, fold=0, labels=ALL)
        assert row is not None
        return (row["augment"],)


def _trained(task: Task, data: Dataset, augment: str) -> Training:
    keras.utils.set_random_seed(_SEED)
    model = build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)
    epochs = max(task.teacher.epochs, -(-_FEWEST_STEPS // (len(data.y_train) // BATCH_SIZE)))
    return train(model, data, Recipe(epochs, learning_rate=_RATE, augment=augment, seed=_SEED))


def _accuracy(training: Training) -> float:
    return training.val_accuracy


def _figures(training: Training, data: Dataset) -> Row:
    def shown(x: np.ndarray) -> np.ndarray:
        return training.model.predict(x, batch_size=256, verbose=0)

    told = teacher_information(shown(data.x_train), data.y_train)
    return {
        "augment": training.recipe.augment,
        "epochs": training.recipe.epochs,
        "val": training.val_accuracy,
        "test": accuracy(shown(data.x_test), data.y_test),
        "train": told.accuracy,
        "bits_beyond_label": told.bits_beyond_label,
        "macs": lower(training.model).known_macs,
        "num_train": len(data.y_train),
        "seconds": training.seconds,
    }
