"""The batches of a training by a recipe: those it learns from, and those it is judged by after every epoch."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.data.storage import is_mapped, shown_rows
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.by_task import training_targets
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.stored import SoftTargets


def plain_batches(model: keras.Model, data: Dataset, recipe: Recipe, **kwargs: Any) -> Batches:
    """Return the training samples with labels alone.

    Args:
        model: The network, in whose form the labels come.
        data: Its samples.
        recipe: How they are changed, and how many make a batch.
        **kwargs: Further arguments of `Batches`.
    """
    augmentation = make_augmentation(recipe.augment, strength=recipe.strength)
    if augmentation is not None:
        augmentation.check(data.input_shape)
    return Batches(
        x=data.x_train,
        y=training_targets(model, data, "train"),
        sample_weight=data.weights_of(data.y_train),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        drop_remainder=True,
        augmentation=augmentation,
        num_classes=data.num_classes,
        **kwargs,
    )


def taught_batches(
    student: keras.Model, data: Dataset, recipe: Recipe, teacher: "keras.Model | SoftTargets | None"
) -> Batches:
    """Return the training samples with and without labels, and what the teacher said of them where that is stored."""
    targets = teacher if isinstance(teacher, SoftTargets) else None
    return plain_batches(student, data, recipe, targets=targets, x_unlabeled=data.x_unlabeled, with_index=True)


def validation(model: keras.Model, data: Dataset, recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of `fit` for the validation samples; Keras would copy all samples of an array."""
    x, y, sample_weight = data.x_val, training_targets(model, data, "val"), data.weights_of(data.y_val)
    if recipe.augment == "mixup":
        y = keras.ops.one_hot(y, data.num_classes)
    if not is_mapped(x):
        return {"validation_data": (x, y, sample_weight), "validation_batch_size": 256}
    size = shown_rows(x)
    batches = Batches(
        x=x, y=keras.tree.map_structure(np.asarray, y), sample_weight=sample_weight, batch_size=size, shuffle=False
    )
    known = tf.data.experimental.assert_cardinality(batches.num_steps)
    return {"validation_data": batches.feed(1).apply(known)}
