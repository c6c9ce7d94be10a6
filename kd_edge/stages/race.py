"""Whether guides do a student good, found out before the long training is spent on it."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kd_edge.config.stages import DistillConfig
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.stages.results import RaceResult
from kd_edge.stages.student import distill_by
from kd_edge.stages.training_fields import recipe_of, settled
from kd_edge.verification.intervals.difference import paired_difference

if TYPE_CHECKING:
    import keras

    from kd_edge.distillation.targets.stored import SoftTargets

# Of the long training's epochs, for each of the two; where that is too few to tell anything, there is no race.
SHARE = 4
FEWEST_EPOCHS = 4


def race(
    fresh_student: "Callable[[], keras.Model]",
    data: Dataset,
    wanted: DistillConfig,
    *,
    teacher: "keras.Model | SoftTargets",
    seed: int = 0,
) -> RaceResult:
    """Train the same student from the same weights once with guides and once alone, each for a quarter of the epochs.

    The trainee, which costs most, stays out of it. Both have the whole schedule in that time, so that the race costs
    half of one long training without a trainee. What the recipe leaves to `"auto"` is decided here, for each side by
    itself, and holds for the long trainings.

    Args:
        fresh_student: Returns the student before its training, the same one every time.
        data: Training samples; on the validation samples both are compared.
        wanted: The long training.
        teacher: The trained teacher, or its stored targets.
        seed: Makes both repeatable.
    """
    from kd_edge.distillation.outputs.decisions import decisions_of
    from kd_edge.distillation.training import settle, train

    epochs = wanted.epochs // SHARE
    if epochs < FEWEST_EPOCHS:
        return RaceResult(verdict="not_raced")
    recipe = recipe_of(wanted, seed)
    weights = {"temperature": wanted.temperature, "student_loss_weight": wanted.student_loss_weight}
    guided, guide = settle(fresh_student(), data, recipe, teacher=teacher, **weights)
    alone, _ = settle(fresh_student(), data, recipe)
    short = replace(settled(wanted, guided), epochs=epochs, trainee="none")
    trainings = [
        distill_by(short, fresh_student(), data, teacher=guide or teacher, seed=seed),
        train(fresh_student(), data, replace(alone, epochs=epochs)),
    ]
    judged = Judged.of(data, "val")
    right = [judged.credits(decisions_of(training.model, data, "val")) for training in trainings]
    difference = paired_difference(*right, groups=judged.groups, seed=seed)
    return RaceResult(
        verdict=verdict_of(difference["ci95_low"], difference["ci95_high"]),
        epochs=epochs,
        seconds=sum(training.seconds for training in trainings),
        distilled_accuracy=float(right[0].mean()),
        alone_accuracy=float(right[1].mean()),
        metric=data.task.metric,
        difference=difference,
        distilled_recipe=guided,
        alone_recipe=alone,
    )


def verdict_of(low: float, high: float) -> str:
    """Return what an interval of the difference says: it proves something only where it leaves out 0."""
    return "helps" if low > 0 else "hurts" if high < 0 else "no_difference"
