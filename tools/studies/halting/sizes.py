"""Which learning rate students of several sizes want, alone and distilled: what the default rests on."""

import functools
from dataclasses import replace

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.gain import ALONE, DISTILLED
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import Task
from tools.studies.halting.trainings import Plan, Trainer

PART = "sizes"
SET = "fashion-2000"
WIDTHS = (8, 24, 64, 112)
RATES = (4e-3, 2e-2, 8e-2, 1.6e-1)
SEED = 0
_EPOCHS = 40


def run(task: Task, width: int, *, data: Dataset, targets: SoftTargets, rows: Rows) -> None:
    """Do what is missing of a size.

    Args:
        task: The data set, whose student is made as wide as asked.
        width: Of the student's first convolution.
        data: Its samples.
        targets: The teacher's.
        rows: Of the study.
    """
    trainer = Trainer(replace(task, student={**task.student, "width": width}), data)
    for side, guides in ((ALONE, None), (DISTILLED, targets)):
        for rate in RATES:
            identity = {"part": PART, "set": task.name, "width": width, "side": side, "rate": rate, "seed": SEED}
            rows.once(functools.partial(_figures, trainer, data, Plan(rate, _EPOCHS), guides), **identity)


def is_done(rows: list[Row], width: int) -> bool:
    """Return whether nothing is missing of a size."""
    return sum(row["part"] == PART and row["width"] == width for row in rows) == 2 * len(RATES)


def _figures(trainer: Trainer, data: Dataset, plan: Plan, targets: SoftTargets | None) -> Row:
    trained = trainer.train(data, plan, SEED, targets)
    return {"params": trainer.network.model.count_params(), "val": trained.val, "test": trained.test}
