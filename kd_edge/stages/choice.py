"""The stage `choice`: which of the two students is handed on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kd_edge.config.by_task import objective_for
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.stages.results import BaselineResult, ChoiceResult, DistillResult
from kd_edge.verification.intervals.difference import paired_difference

if TYPE_CHECKING:
    import keras


def choose(
    distilled: DistillResult,
    alone: BaselineResult,
    *,
    asked: str = "best",
    objective: str | None = None,
    scores: tuple[float, float] | None = None,
    val_difference: Mapping[str, float] | None = None,
) -> ChoiceResult:
    """Return which student is handed on: what was asked for, or the better one on the validation samples.

    Args:
        distilled: The distilled student.
        alone: The one without guides.
        asked: `"best"`, `"distilled"` or `"baseline"`.
        objective: What decides. Defaults to what their accuracies are.
        scores: What the two are worth by it on the validation samples; by default their accuracies.
        val_difference: Of their accuracies there.
    """
    accuracies = distilled.val_accuracy or 0.0, alone.val_accuracy or 0.0
    theirs, own = scores or accuracies
    preferred = "distilled" if distilled.guided and theirs >= own else "alone"
    shipped = {"distilled": "distilled", "baseline": "alone"}.get(asked, preferred)
    return ChoiceResult(
        shipped=shipped if distilled.guided else "alone",
        distilled_accuracy=accuracies[0],
        alone_accuracy=accuracies[1],
        metric=distilled.metric,
        objective=objective or distilled.metric,
        distilled_score=theirs,
        alone_score=own,
        asked=asked,
        preferred=preferred,
        val_difference=val_difference,
        test_difference=alone.distillation_gain,
    )


def compare_students(
    distilled: "keras.Model", alone: "keras.Model", data: Dataset, objective: str | None, *, seed: int = 0
) -> dict[str, Any]:
    """Return `objective`, `scores` and `val_difference` as `choose` takes them.

    Args:
        distilled: The distilled student.
        alone: The one without guides.
        data: Its validation samples compare.
        objective: What they are worth; see `objective_for`.
        seed: Draws the resamples of the interval.
    """
    from kd_edge.distillation.outputs.decisions import decisions_of
    from kd_edge.search.scores import score_of_decisions

    decisions, judged = [decisions_of(model, data, "val") for model in (distilled, alone)], Judged.of(data, "val")
    difference = paired_difference(*map(judged.credits, decisions), groups=judged.groups, seed=seed)
    worth = objective_for(objective, data.task)
    return {
        "objective": worth,
        "scores": tuple(score_of_decisions(answers, data, worth) for answers in decisions),
        "val_difference": difference,
    }
