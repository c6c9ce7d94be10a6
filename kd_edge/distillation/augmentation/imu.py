"""Batches whose samples are changed anew in every pass."""

import tensorflow as tf

from kd_edge.distillation.augmentation import draws
from kd_edge.distillation.augmentation.registry import check_augmentation, make_augmentation
from kd_edge.errors import ConfigError

__all__ = ["augment", "check_augmentation"]


def augment(batches: tf.data.Dataset, name: str, *, seed: int = 0) -> tf.data.Dataset:
    """Return a data set whose samples are changed anew in every pass, repeatably for a seed.

    Args:
        batches: Batches of `(samples, labels)`.
        name: See `make_augmentation`.
        seed: All random numbers follow from it, from the number of the batch and from the place in it.

    Raises:
        ConfigError: The name is unknown, does not fit samples of this shape, or blends labels as well.
    """
    if name == "mixup":
        raise ConfigError("cannot augment batches with 'mixup': it blends labels as well")
    change = make_augmentation(name)
    if change is None:
        return batches
    change.check(tuple(batches.element_spec[0].shape[1:]))

    def changed(batch: tuple[tf.Tensor, tf.Tensor], number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        samples, labels = batch
        places = tf.range(tf.shape(samples, tf.int64)[0])
        return change(samples, draws.derived_seeds((number + places) % 2**32, 0)), labels

    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip(batches, numbers).map(changed)
