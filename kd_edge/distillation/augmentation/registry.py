"""Registry of augmentations: turns what a user asked for into an augmentation."""

import keras

from kd_edge.distillation.augmentation import image, imu, mixup, sensor, spectrogram
from kd_edge.distillation.augmentation.base import (
    Augmentation,
    checked_strength,
    register_augmentation,
    registered_augmentations,
)
from kd_edge.distillation.augmentation.keras_layers import KerasLayers
from kd_edge.errors import ConfigError, nearest

__all__ = [
    "Augmentation",
    "candidates_for",
    "check_augmentation",
    "make_augmentation",
    "register_augmentation",
]
# Importing them registers them.
_BUILT_IN = (image, spectrogram, sensor, imu, mixup)


def make_augmentation(augment: "str | keras.layers.Layer", *, strength: float = 1.0) -> Augmentation | None:
    """Return an augmentation, `None` for `"none"`.

    Args:
        augment: `"none"`, a registered name, or a Keras layer or `keras.Sequential` that changes samples at random.
        strength: 0 changes nothing, 1 by sizes that suit small students; every size is multiplied by it. A layer has
            sizes of its own.

    Raises:
        ConfigError: The name is unknown, the strength negative or not finite, or other than 1 for a layer.
    """
    strength = checked_strength(strength)
    if isinstance(augment, keras.layers.Layer):
        if strength != 1:
            raise ConfigError(
                f"bad strength: expected 1 with the layer {augment.name!r}, which has sizes of its own, "
                f"received {strength!r}"
            )
        return KerasLayers(augment)
    if augment == "none":
        return None
    known = registered_augmentations()
    if augment not in known:
        raise ConfigError(f"unknown augmentation {augment!r}: {nearest(str(augment), ['none', *known])}")
    return known[augment](strength=strength)


def check_augmentation(augment: "str | keras.layers.Layer", sample_shape: tuple[int | None, ...]) -> None:
    """Make sure that an augmentation is known and fits samples of a shape.

    Raises:
        ConfigError: It is unknown, or does not fit the samples.
    """
    made = make_augmentation(augment)
    if made is not None:
        made.check(sample_shape)


def candidates_for(sample_shape: tuple[int | None, ...]) -> tuple[str, ...]:
    """Return the names of the augmentations that fit samples of a shape, in the order of registration, mixup last."""
    names = [name for name in registered_augmentations() if _fits(name, sample_shape)]
    return tuple(sorted(names, key=lambda name: name == "mixup"))


def _fits(name: str, sample_shape: tuple[int | None, ...]) -> bool:
    try:
        check_augmentation(name, sample_shape)
    except ConfigError:
        return False
    return True
