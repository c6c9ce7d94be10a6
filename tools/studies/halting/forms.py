"""Which form of trainee helps, beside a teacher and without one."""

from collections.abc import Sequence

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.guided import Guided
from tools.studies.halting.joint import SEPARATE, SHARED, SUB_NETWORK, make_joint
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import Task
from tools.studies.halting.trainings import Plan, Trainer

PART = "forms"
NONE = "none"
FORMS = (NONE, SEPARATE, SHARED, SUB_NETWORK)
SEEDS = range(5)
PLAN = Plan(8e-2, 40)
SETS = ("fashion-2000", "mnist-5000", "watch")


class Forms:
    """Trainings of one data set with each form of trainee.

    Args:
        task: The data set.
        data: Of any fold, for its shapes.
        trainer: Of the student alone.
        rows: Of the study.
    """

    def __init__(self, task: Task, data: Dataset, trainer: Trainer, rows: Rows) -> None:
        self._task, self._data, self._trainer, self._rows = task, data, trainer, rows
        self._guided: dict[str, Guided] = {}

    def run(self, seed: int, data: Dataset, targets: SoftTargets, *, teacher: bool) -> None:
        """Do what is missing of a seed, beside the teacher or without one."""
        for form in FORMS:
            identity = {"part": PART, "set": self._task.name, "seed": seed, "teacher": teacher, "form": form}
            self._rows.once(lambda form=form: self._figures(form, seed, data, targets if teacher else None), **identity)

    def _figures(self, form: str, seed: int, data: Dataset, targets: SoftTargets | None) -> Row:
        if form == NONE:
            trained = self._trainer.train(data, PLAN, seed, targets)
            return {"val": trained.val, "test": trained.test, "macs": 0}
        if form not in self._guided:
            joint = make_joint(form, self._task, self._data, self._trainer.network)
            self._guided[form] = Guided(self._trainer, joint, data.num_classes)
        guided = self._guided[form]
        watched = guided.train(data, PLAN, seed, targets, observe=False)
        return {
            "val": watched.scores[watched.best].accuracy,
            "test": self._trainer.test(watched.states[watched.best], data),
            "macs": guided.macs,
        }


def is_done(rows: Sequence[Row], task: Task, seed: int, *, teacher: bool) -> bool:
    """Return whether nothing is missing."""
    own = {"part": PART, "set": task.name, "seed": seed, "teacher": teacher}
    return {row["form"] for row in rows if all(row.get(k) == v for k, v in own.items())} >= set(FORMS)
