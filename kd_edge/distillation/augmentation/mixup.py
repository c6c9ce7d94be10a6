"""Blends of two samples, with blends of their labels."""

import numpy as np
import tensorflow as tf

from kd_edge.distillation.augmentation import draws
from kd_edge.distillation.augmentation.base import checked_strength, register_augmentation

_ALPHA = 0.2
_NUM_SHARES = 2**12
_NUM_GRID = 2**16


@register_augmentation("mixup")
class Mixup:
    """Says with which other sample a sample is blended, and how much of itself is left.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization" (arXiv 1710.09412): `s x + (1 - s) x'`, and labels alike.
    Their share has the distribution Beta(a, a); it is folded to the half from 0.5 on, which is the same for pairs and
    leaves a sample more itself than its partner. Who has all samples at hand does the blending.

    Args:
        strength: Multiplies a = 0.2, which the paper's best results on ImageNet have (0.1 to 0.4).
    """

    version = 1
    repeatable = True

    def __init__(self, *, strength: float = 1.0) -> None:
        self._table = _shares(_ALPHA * checked_strength(strength))

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Accept samples of any shape."""

    def partners(self, seeds: tf.Tensor, num_samples: int | tf.Tensor) -> tf.Tensor:
        """Return with which of `num_samples` samples each is blended: int64, shape `(batch,)`."""
        return draws.integers(seeds, 0, bound=num_samples)

    def shares(self, seeds: tf.Tensor) -> tf.Tensor:
        """Return how much of each sample is itself, 0.5 to 1: float32, shape `(batch,)`."""
        return draws.entries(self._table, seeds, 1)

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the samples as they are: their partners are not among them."""
        del seeds
        return samples


def _shares(alpha: float) -> np.ndarray:
    """Return quantiles of `max(s, 1 - s)` where `s` has the distribution Beta(alpha, alpha).

    The smaller part `p` has the density `p^(alpha-1) (1-p)^(alpha-1)` up to 1/2. In `w = (2p)^alpha` it is
    `(1-p)^(alpha-1)`, without a pole, and is added up by the trapezoidal rule.
    """
    if not alpha:
        return np.ones(1, np.float32)
    w = np.linspace(0.0, 1.0, _NUM_GRID)
    density = (2 - w ** (1 / alpha)) ** (alpha - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    middles = (np.arange(_NUM_SHARES) + 0.5) / _NUM_SHARES
    return (1 - 0.5 * np.interp(middles, below / below[-1], w) ** (1 / alpha)).astype(np.float32)
