"""What a teacher is asked before a training by a recipe."""

from typing import Any

import keras
import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.outputs.names import by_name
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import DataError

# Views of each sample that a teacher is asked about where the samples are changed at random.
NUM_VIEWS = 8


def store_targets(teacher: keras.Model, data: Dataset, recipe: Recipe, **kwargs: Any) -> SoftTargets | None:
    """Return what a teacher says of the training samples, as a training by a recipe needs it.

    Args:
        teacher: A trained network.
        data: Its training samples, and those without labels.
        recipe: Whether and how samples are changed; then the teacher sees as many changed forms of each as there are
            epochs, 8 at most.
        **kwargs: `path` and others of `soft_targets`.

    Returns:
        The targets; `None` where the changes cannot be made again from a seed, so that the teacher has to run in
        every step.
    """
    x = data.x_train if data.x_unlabeled is None else np.concatenate([data.x_train, data.x_unlabeled])
    augmentation = make_augmentation(recipe.augment, strength=recipe.strength)
    if augmentation is not None and not augmentation.repeatable:
        return None
    return soft_targets(by_name(teacher, data), x, **views_of(recipe), **kwargs)


def views_of(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of `soft_targets` that a recipe calls for."""
    if recipe.augment == "none":
        return {"seed": recipe.seed}
    changes = {"augment": recipe.augment, "strength": recipe.strength, "seed": recipe.seed}
    return {"views": min(NUM_VIEWS, recipe.epochs), **changes}


def check_views(targets: SoftTargets, recipe: Recipe) -> None:
    """Check that stored targets are of the changes by which the student learns.

    Raises:
        DataError: They are not.
    """
    views = targets.views
    stored = ("none", recipe.strength) if views is None else (views.augment, views.strength)
    if stored == (recipe.augment, recipe.strength):
        return
    raise DataError(
        f"stored targets of other samples: expected {recipe.augment!r} of strength {recipe.strength:g} as in the "
        f"recipe, received {views or 'the samples unchanged'}; make them by the same recipe"
    )
