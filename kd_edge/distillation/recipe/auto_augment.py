"""Decides by short trainings which random changes of the samples do a network good."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import keras

from kd_edge.data.dataset import Dataset
from kd_edge.distillation.augmentation.registry import candidates_for
from kd_edge.distillation.results import Recipe

# Of the recipe's epochs; each with the whole schedule in that time.
_SHARE = 4
_FEWEST_EPOCHS = 4


class _Trained(Protocol):
    @property
    def val_accuracy(self) -> float: ...


def choose_augmentation(
    network: keras.Model, data: Dataset, recipe: Recipe, attempt: Callable[[Recipe], _Trained]
) -> Recipe:
    """Return the recipe with the augmentation that a network does best with on validation samples, or with none.

    Every augmentation that fits the samples is tried, and none, each for a quarter of the epochs and 4 at least; of
    equal ones the first is taken. So the choice costs a quarter of a training per candidate.

    Args:
        network: What is trained; it has its weights again afterwards.
        data: Its samples.
        recipe: Whose `augment` is `"auto"`.
        attempt: Trains the network by a recipe.
    """
    weights = network.get_weights()
    epochs = max(recipe.epochs // _SHARE, _FEWEST_EPOCHS)
    accuracies: dict[str, float] = {}
    known = () if data.task.kind == "reconstruction" else candidates_for(data.input_shape)
    for name in ("none", *(name for name in known if name != "mixup" or data.task.kind == "multiclass")):
        accuracies[name] = attempt(replace(recipe, augment=name, epochs=epochs)).val_accuracy
        network.set_weights(weights)
    return replace(recipe, augment=max(accuracies, key=lambda name: accuracies[name]))
