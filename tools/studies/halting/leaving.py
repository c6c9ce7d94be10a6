"""What it saves and costs that a trainee leaves, by each rule of halting.

A training in which the trainee leaves after some epoch is the one in which it stays, up to that epoch, and from then on
the one that never had it, with the student and its optimizer as they were: that is what halting does. So the epochs
that two rules share are trained once.
"""

from collections.abc import Sequence
from typing import Any

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.halting.rules import HaltingRule, make_rule
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.guided import Guided, Observed, Watched
from tools.studies.halting.joint import SEPARATE, Joint, make_joint
from tools.studies.halting.loop import BATCH_SIZE
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import Task
from tools.studies.halting.trainings import Plan, Trainer

PART = "halting"
NEVER, FROM_THE_START = "never", "from the start"
SEEDS = range(10)
PLAN = Plan(8e-2, 40)
_TRAINEE_PASSES = 3  # forward, and gradients by its activations and by its weights


def rules() -> dict[str, HaltingRule]:
    """Return the rules by name, the default of `EarlyHalting` first where a rule of that name has a default."""
    return {
        "gradient": make_rule("gradient", {}),
        "agreement 80 %": make_rule("agreement", {"baseline": 0.8}),
        "plateau 5 %": make_rule("plateau", {}),
        "fixed epoch": make_rule("epoch", {"start_from_epoch": PLAN.epochs // 5}),
    }


ARMS = (NEVER, *rules(), FROM_THE_START)


class Leaving:
    """All ways to halt the trainee of one data set.

    Args:
        task: The data set.
        data: Of any fold, for its shapes.
        trainer: Of the student alone.
        rows: Of the study.
    """

    def __init__(self, task: Task, data: Dataset, trainer: Trainer, rows: Rows) -> None:
        self._task, self._trainer, self._rows = task, trainer, rows
        self._joint: Joint = make_joint(SEPARATE, task, data, trainer.network)
        self._guided = Guided(trainer, self._joint, data.num_classes)

    def run(self, seed: int, data: Dataset, targets: SoftTargets) -> None:
        """Train with the trainee to the end, then once for each epoch after which a rule halts it."""
        watched = self._guided.train(data, PLAN, seed, targets, observe=True)
        done = {PLAN.epochs: watched}
        halts = {NEVER: (PLAN.epochs, "")} | {name: halt(rule, watched.observed) for name, rule in rules().items()}
        for arm, (epoch, reason) in (halts | {FROM_THE_START: (0, "")}).items():
            if epoch not in done:
                done[epoch] = self._guided.without(watched, epoch, data, PLAN, seed, targets)
            figures = self._figures(done[epoch], epoch, data) | {"reason": reason}
            if arm == NEVER:
                figures |= _columns(watched.observed)
            self._rows.once(lambda figures=figures: figures, part=PART, set=self._task.name, seed=seed, arm=arm)

    def _figures(self, watched: Watched, epoch: int, data: Dataset) -> Row:
        best, macs = watched.best, self._joint.macs
        per_epoch = len(data.x_train) // BATCH_SIZE * BATCH_SIZE * _TRAINEE_PASSES * macs
        return {
            "halted": epoch,
            "val": watched.scores[best].accuracy,
            "test": self._trainer.test(watched.states[best], data),
            "epoch": best,
            "guide_macs": len(data.x_train) * macs + epoch * per_epoch,
        }


def halt(rule: HaltingRule, observed: Sequence[Observed]) -> tuple[int, str]:
    """Return after which epoch a rule halts the trainee, the last one where it never does, and why."""
    rule.reset()
    for epoch, seen in enumerate(observed, 1):
        reason = rule.reason(seen.value(rule.metric), epoch)
        if reason is not None:
            return epoch, reason
    return len(observed), ""


def is_done(rows: Sequence[Row], task: Task, seed: int) -> bool:
    """Return whether nothing is missing."""
    found = {row["arm"] for row in rows if row["part"] == PART and row["set"] == task.name and row["seed"] == seed}
    return found >= set(ARMS)


def _columns(observed: Sequence[Observed]) -> dict[str, Any]:
    columns = {
        "divergence": [seen.divergence for seen in observed],
        "agreement": [seen.agreement for seen in observed],
        "alignment": [seen.evidence.alignment for seen in observed],
        "explained": [seen.evidence.explained for seen in observed],
    }
    return {name: [float(f"{value:.3g}") for value in values] for name, values in columns.items()}
