"""What distillation adds where student alone and distilled student each have their own best training."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from kd_edge.data.dataset import Dataset
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import FEW, Task
from tools.studies.halting.teachers import Teachers
from tools.studies.halting.trainings import Plan, Trained, Trainer

PART = "gain"
ALONE, DISTILLED, OWN_LABELS = "alone", "distilled", "teacher of the same labels"
BEST, DEFAULT, TODAY = "best", "default", "today"
_TUNING = "tuning"
SEEDS = range(5)
RATES = (2e-2, 6e-2, 1.6e-1, 4e-1)
_EPOCHS = 40
_FEWEST_STEPS = 1_250
_MOST_STEPS = 10_000
_FIGURES = ("rate", "augment", "epochs", "val", "test", "epoch", "seconds")


class Gain:
    """Trainings of one data set with one amount of labels, alone or distilled.

    Args:
        task: The data set.
        amount: `ALL` or `FEW`.
        side: `ALONE`, `DISTILLED`, or `OWN_LABELS`: distilled by a teacher that has no more labels than the student.
        data_of: Returns the samples of a seed's fold.
        trainer: Trains the student.
        teachers: Of the study.
        rows: Of the study.
    """

    def __init__(
        self,
        task: Task,
        amount: str,
        side: str,
        *,
        data_of: Callable[[int], Dataset],
        trainer: Trainer,
        teachers: Teachers,
        rows: Rows,
    ) -> None:
        self._task, self._amount, self._side = task, amount, side
        self._data_of, self._trainer, self._teachers, self._rows = data_of, trainer, teachers, rows

    def run(self) -> None:
        """Do what is missing: the choice of the best training, then the seeds."""
        best = self.tuned()
        for seed in SEEDS:
            self._row(BEST, best, seed)
            if self._side != OWN_LABELS:
                self._row(DEFAULT, self.default(), seed)
                self._row(TODAY, Plan(4e-3, 20, temperature=4.0, labels=0.3), seed)

    def default(self) -> Plan:
        """Return the training that nothing was tuned in."""
        return Plan(8e-2, _EPOCHS)

    def tuned(self) -> Plan:
        """Return the best training on validation samples: first its rate, then its augmentation, then its epochs.

        Changed samples pay only in a longer training, so augmentations are compared in one of twice the epochs.
        """
        epochs = first_epochs(self._steps_per_epoch)
        best = self._best([Plan(rate, epochs) for rate in RATES])
        longer = [
            replace(best, augment=augment, epochs=2 * epochs) for augment in ("none", self._task.augment, "mixup")
        ]
        best = self._best([best, *longer])
        if best.epochs > epochs and 2 * best.epochs * self._steps_per_epoch <= _MOST_STEPS:
            best = self._best([best, replace(best, epochs=2 * best.epochs)])
        return best

    @property
    def _steps_per_epoch(self) -> int:
        data = self._data_of(0)
        count = len(data.y_train)
        if self._side != ALONE and data.x_unlabeled is not None:
            count += len(data.x_unlabeled)
        return max(count // 64, 1)

    def _best(self, plans: list[Plan]) -> Plan:
        seeds = range(self._task.tuning_seeds)
        return max(plans, key=lambda plan: sum(self._row(_TUNING, plan, seed)["val"] for seed in seeds))

    def _row(self, arm: str, plan: Plan, seed: int) -> Row:
        identity: Row = {"part": PART, "set": self._task.name, "labels": self._amount, "side": self._side, "arm": arm}
        if arm == _TUNING:
            identity |= {"rate": plan.rate, "augment": plan.augment, "epochs": plan.epochs}
        return self._rows.once(lambda: self._figures(arm, plan, seed), **identity, seed=seed)

    def _figures(self, arm: str, plan: Plan, seed: int) -> Row:
        if arm == BEST and seed < self._task.tuning_seeds:  # that training is done
            known = self._row(_TUNING, plan, seed)
            return {name: known[name] for name in _FIGURES}
        trained = self._train(self._data_of(seed), plan, seed)
        return {
            "rate": plan.rate,
            "augment": plan.augment,
            "epochs": plan.epochs,
            "val": trained.val,
            "test": trained.test,
            "epoch": trained.epoch,
            "seconds": trained.seconds,
        }

    def _train(self, data: Dataset, plan: Plan, seed: int) -> Trained:
        targets = None
        if self._side != ALONE:
            own = self._side == OWN_LABELS
            targets = self._teachers.targets(self._task, seed, data, self._amount, augment=plan.augment, own=own)
        return self._trainer.train(data, plan, seed, targets)


def first_epochs(steps_per_epoch: int) -> int:
    """Return the epochs of the first trainings, more where an epoch has few steps."""
    return max(_EPOCHS, math.ceil(_FEWEST_STEPS / steps_per_epoch))


def sides(task: Task, amount: str) -> Iterator[str]:
    """Yield the sides of a data set with an amount of labels."""
    yield from (ALONE, DISTILLED)
    if amount == FEW and task.teacher_task:
        yield OWN_LABELS


def is_done(rows: list[Row], task: Task, amount: str, side: str) -> bool:
    """Return whether nothing is missing."""
    own = {"part": PART, "set": task.name, "labels": amount, "side": side}
    found = {(row["arm"], row["seed"]) for row in rows if all(row.get(k) == v for k, v in own.items())}
    arms = (BEST,) if side == OWN_LABELS else (BEST, DEFAULT, TODAY)
    return all((arm, seed) in found for arm in arms for seed in SEEDS)
