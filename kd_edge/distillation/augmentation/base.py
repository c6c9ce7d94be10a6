"""What an augmentation is, and the names under which augmentations are known."""

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import tensorflow as tf

from kd_edge.errors import ConfigError


class Augmentation(Protocol):
    """Changes samples at random and keeps their labels.

    Attributes:
        version: Raised when the same seed gives other samples than before.
        repeatable: Whether a sample and a seed give the same result every time; stored views need it.
    """

    version: int
    repeatable: bool

    def check(self, sample_shape: tuple[int | None, ...]) -> None:
        """Make sure that samples of a shape can be changed.

        Raises:
            ConfigError: They cannot.
        """

    def __call__(self, samples: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return the changed samples.

        Args:
            samples: Float32, shape `(batch, ...)`.
            seeds: One per sample, int64 from 0 to 2**32 - 1, shape `(batch,)`. All that is random about a sample
                follows from its seed, never from the batch.
        """


_Made = TypeVar("_Made", bound=Callable[..., Augmentation])
_RESERVED = ("none", "auto")
_REGISTERED: dict[str, Callable[..., Augmentation]] = {}


def register_augmentation(name: str) -> Callable[[_Made], _Made]:
    """Return a decorator that makes a class, or function, known by a name: to `augment=...` everywhere.

    It is called with `strength`, a finite number of at least 0: 0 changes nothing, 1 by sizes that suit small students.

    Args:
        name: The name.

    Raises:
        ConfigError: The name is taken.
    """
    if name in _REGISTERED or name in _RESERVED:
        raise ConfigError(f"cannot register the augmentation {name!r}: expected a new name, it is taken")

    def register(make: _Made) -> _Made:
        _REGISTERED[name] = make
        return make

    return register


def registered_augmentations() -> dict[str, Callable[..., Augmentation]]:
    """Return what makes each augmentation, by its name, in the order of registration."""
    return dict(_REGISTERED)


def checked_strength(strength: float) -> float:
    """Return the strength.

    Raises:
        ConfigError: It is negative, not finite, or no number.
    """
    try:
        number = float(strength)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ConfigError(f"bad strength: expected a finite number of at least 0, received {strength!r}")
    return number


def check_axes(name: str, sample_shape: tuple[int | None, ...], axes: str, smallest: tuple[int, ...]) -> None:
    """Make sure that samples have certain axes, each of a known length that is large enough.

    Args:
        name: Of the augmentation.
        sample_shape: Shape of one sample.
        axes: As an error names them, such as `"(time, channels)"`.
        smallest: Smallest length of each axis.

    Raises:
        ConfigError: They do not.
    """
    fits = len(sample_shape) == len(smallest) and all(
        length is not None and length >= least for length, least in zip(sample_shape, smallest, strict=True)
    )
    if not fits:
        raise ConfigError(
            f"augmentation {name!r} reads samples of shape {axes}, at least {smallest}, received {tuple(sample_shape)}"
        )
