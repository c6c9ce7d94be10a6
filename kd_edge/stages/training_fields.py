"""What the stages that train have in common: the recipe before, the fields of a result after."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kd_edge.config.inputs import TeacherConfig
from kd_edge.config.stages import DistillConfig
from kd_edge.data.dataset import Dataset
from kd_edge.data.judged import Judged
from kd_edge.data.metrics.classification import classification_of
from kd_edge.distillation.results import Recipe, kept_accuracy
from kd_edge.search.results import CandidateTraining
from kd_edge.stages.results import DistillResult, Scores

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kd_edge.distillation.training import Training


@dataclass(frozen=True, eq=False)
class Distilled:
    """A distilled student and what its training found."""

    model: "keras.Model"
    result: DistillResult


def recipe_of(wanted: TeacherConfig | DistillConfig, seed: int) -> Recipe:
    """Return how a configuration trains a network."""
    assert wanted.epochs is not None  # only of a teacher that is read and never trained
    return Recipe(wanted.epochs, wanted.batch_size, wanted.learning_rate, wanted.augment, wanted.strength, seed)


def candidate_recipe(wanted: DistillConfig, epochs: int, seed: int) -> Recipe:
    """Return how a search trains a candidate: as the student, for fewer epochs and on samples as they are."""
    return replace(recipe_of(wanted, seed), epochs=epochs, augment="none", strength=1.0)


def settled(wanted: DistillConfig, recipe: Recipe | None) -> DistillConfig:
    """Return how a student is to be trained, with what `"auto"` has become in a recipe; as it is without one."""
    if recipe is None:
        return wanted
    return replace(wanted, learning_rate=recipe.learning_rate, augment=recipe.augment, strength=recipe.strength)


def scores_of(model: "keras.Model", data: Dataset, decisions: "np.ndarray | None" = None) -> dict[str, Any]:
    """Return the fields of `Scores`; `decisions`: what it says of the test samples, where that is known."""
    from kd_edge.distillation.outputs.decisions import decisions_of
    from kd_edge.ir.lowering import macs_of

    decisions = decisions_of(model, data, "test") if decisions is None else decisions
    classes = classification_of(decisions, data.y_test, data.class_names) if data.task.classifies else None
    return vars(
        Scores(
            test_accuracy=float(Judged.of(data).credits(decisions).mean()),
            metric=data.task.metric,
            classification=classes,
            macs=macs_of(model),
            params=model.count_params(),
        )
    )


def training_fields(training: "Training | CandidateTraining") -> dict[str, Any]:
    return {
        "history": training.history,
        "seconds": training.seconds,
        "halting": training.halting,
        "recipe": training.recipe,
        "val_accuracy": kept_accuracy(training.history),
    }
