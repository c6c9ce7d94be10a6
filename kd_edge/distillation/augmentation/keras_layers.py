"""Keras layers of the user as an augmentation."""

import keras
import tensorflow as tf

from kd_edge.errors import ConfigError


class KerasLayers:
    """Applies a layer, or a `keras.Sequential` of layers, as in training.

    The layer draws from its own generator, so seeds have no effect and nothing is repeatable.

    Args:
        layer: Such as `keras.layers.RandomTranslation(0.1, 0.1)`; keeps the shape of the samples.
    """

    version = 1
    repeatable = False

    def __init__(self, layer: keras.layers.Layer) -> None:
        self._layer = layer

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that the layer takes samples of a shape and keeps it."""
        try:
            changed = self._layer(keras.KerasTensor((None, *sample_shape)), training=True)
        except (TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"cannot augment with {self._layer.name!r}: it does not take samples of shape {tuple(sample_shape)} "
                f"({reason})"
            ) from error
        if tuple(changed.shape[1:]) != tuple(sample_shape):
            raise ConfigError(
                f"cannot augment with {self._layer.name!r}: expected a layer that keeps the shape "
                f"{tuple(sample_shape)}, received one that makes {tuple(changed.shape[1:])} of it"
            )

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of the samples."""
        del seeds
        return self._layer(samples, training=True)
