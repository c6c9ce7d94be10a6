"""Whether an average of the weights over the training is better than the best epoch's own."""

from collections.abc import Iterable, Iterator
from operator import itemgetter

import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.targets.stored import SoftTargets
from tools.studies.halting.gain import ALONE, DISTILLED
from tools.studies.halting.networks import State
from tools.studies.halting.rows import Row, Rows
from tools.studies.halting.tasks import Task
from tools.studies.halting.trainings import Plan, Score, Trainer

PART = "averages"
SETS = ("fashion-2000", "mnist-5000")
SEEDS = range(5)
PLAN = Plan(8e-2, 40)
OWN, AVERAGED = "weights", "average"
_MOMENTUM = 0.99  # of Keras' `use_ema`, once a step


def run(task: Task, data: Dataset, seed: int, *, trainer: Trainer, targets: SoftTargets, rows: Rows) -> None:
    """Train both sides once, and judge the best epoch by its weights and by their average up to it."""
    for side, guides in ((ALONE, None), (DISTILLED, targets)):
        states = [state for _, state in trainer.states(data, PLAN, seed, guides, checks=PLAN.epochs)]
        steps = max(len(data.y_train) // 64, 1)
        for kind, path in ((OWN, states), (AVERAGED, list(averaged(states, _MOMENTUM**steps)))):
            identity = {"part": PART, "set": task.name, "side": side, "kind": kind, "seed": seed}
            rows.once(lambda path=path: _figures(trainer, data, path), **identity)


def averaged(states: Iterable[State], momentum: float) -> Iterator[State]:
    """Yield after each epoch the exponential moving average of weights and statistics.

    Args:
        states: After each epoch.
        momentum: What the average keeps of itself over an epoch.
    """
    average: State | None = None
    for state in states:
        average = state if average is None else _mixed(average, state, momentum)
        yield average


def is_done(rows: list[Row], task: Task, seed: int) -> bool:
    """Return whether nothing is missing."""
    return sum(row["part"] == PART and row["set"] == task.name and row["seed"] == seed for row in rows) == 4


def _mixed(average: State, state: State, momentum: float) -> State:
    weights = momentum * average.weights + (1 - momentum) * state.weights
    others = tuple(
        momentum * old + (1 - momentum) * new if new.dtype.is_floating else new
        for old, new in zip(average.others, state.others, strict=True)
    )
    return state._replace(weights=tf.convert_to_tensor(weights), others=others)


def _figures(trainer: Trainer, data: Dataset, states: list[State]) -> Row:
    scored: list[tuple[Score, int]] = [(trainer.score(state, data), epoch) for epoch, state in enumerate(states)]
    score, epoch = max(scored, key=itemgetter(0))
    return {"val": score.accuracy, "test": trainer.test(states[epoch], data), "epoch": epoch + 1}
