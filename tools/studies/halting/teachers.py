"""Trains the teachers, once each, and keeps what they say of the samples."""

from pathlib import Path

import keras
import numpy as np

from kd_edge.compat.tensorflow import free_memory
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.information import teacher_information
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.teacher_models import build_teacher
from kd_edge.distillation.training import NUM_VIEWS, train
from kd_edge.files import write_model
from kd_edge.ir.lowering import lower
from tools.studies.halting.rows import Rows
from tools.studies.halting.tasks import FASHION, FEW, Task, with_few_labels
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
            return FASHION, "all"
        return task, amount

    def _name(self, task: Task, seed: int, amount: str) -> str:
        return f"{task.name}-{task.fold(seed)}-{amount}"

    def _train(self, task: Task, seed: int, amount: str, path: Path) -> None:
        fold = task.fold(seed)
        data = task.load(self._samples, fold)
        data = with_few_labels(data) if amount == FEW else data
        keras.utils.set_random_seed(_SEED)
        model = build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)
        steps = len(data.y_train) // 64
        epochs = max(task.teacher.epochs, -(-_FEWEST_STEPS // steps))
        recipe = Recipe(epochs, learning_rate=_RATE, augment=task.teacher.augment, seed=_SEED)
        training = train(model, data, recipe)
        write_model(path, model)

        def figures() -> dict[str, float]:
            told = teacher_information(model.predict(data.x_train, batch_size=256, verbose=0), data.y_train)
            shown = {
                part: model.predict(getattr(data, f"x_{part}"), batch_size=256, verbose=0) for part in ("val", "test")
            }
            return {
                **{part: accuracy(logits, getattr(data, f"y_{part}")) for part, logits in shown.items()},
                "train": told.accuracy,
                "bits_beyond_label": told.bits_beyond_label,
                "macs": lower(model).total_macs,
                "epochs": epochs,
                "num_train": len(data.y_train),
                "seconds": training.seconds,
            }

        self._rows.once(figures, part="teacher", set=task.name, fold=fold, labels=amount)
        free_memory()
