"""Stored views: which changed forms of each sample a teacher was asked about, so that each can be made again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from kd_edge.distillation.augmentation.mixup import Mixup
from kd_edge.distillation.augmentation.registry import Augmentation, make_augmentation
from kd_edge.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class Views:
    """What makes the views of a set of samples, beside the seed that each view has.

    Keeping a seed per view in place of the view itself is dataset reinforcement: Z. Shen, E. Xing, "A Fast Knowledge
    Distillation Framework for Visual Recognition" (FKD), ECCV 2022, arXiv 2112.01528; K. Wu et al., "TinyViT", ECCV
    2022, arXiv 2207.10666; F. Faghri et al., "Reinforce Data, Multiply Impact", ICCV 2023, arXiv 2303.08983.

    Attributes:
        num_views: Views per sample.
        augment: Name of the augmentation.
        strength: Of the augmentation.
        seed: The seeds of all views follow from it.
        version: Of the augmentation: under another one the same seed gives other samples.
    """

    num_views: int
    augment: str
    strength: float
    seed: int
    version: int

    @classmethod
    def of(cls, num_views: int, augment: Any, *, strength: float, seed: int) -> "Views":
        """Return the views that `soft_targets` was asked for.

        Raises:
            ConfigError: There are no such views, or the augmentation cannot make a sample again from a seed.
        """
        if num_views < 1:
            raise ConfigError(f"bad views: expected at least 1 per sample, received {num_views}")
        augmentation = make_augmentation(augment, strength=strength)
        if augmentation is None:
            raise ConfigError(
                "views without an augmentation are all the same: expected augment='image' or another name, received "
                "'none'; leave views out, or name one"
            )
        if not augmentation.repeatable:
            raise ConfigError(
                f"views by {augment!r} cannot be made again: expected the name of an augmentation, "
                "received one that draws from a generator of its own; pass the teacher itself to the Distiller"
            )
        return cls(num_views, str(augment), float(strength), seed, augmentation.version)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Views | None":
        """Return what the header of a file of soft targets says; `None` where it has no views."""
        views = header.get("views")
        return None if views is None else cls(**views)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the header."""
        return asdict(self)

    def __str__(self) -> str:
        """Say what they are, for messages."""
        return (
            f"{self.num_views} views by {self.augment!r} (version {self.version}) of strength {self.strength:g}, "
            f"seed {self.seed}"
        )

    @property
    def augmentation(self) -> Augmentation:
        """What changes the samples.

        Raises:
            DataError: It has another version by now.
        """
        augmentation = make_augmentation(self.augment, strength=self.strength)
        assert augmentation is not None  # `of` refuses "none"
        if augmentation.version != self.version:
            raise DataError(
                f"the stored views cannot be made again: expected version {augmentation.version} of {self.augment!r}, "
                f"received version {self.version}; make the targets again with soft_targets"
            )
        return augmentation

    def changed(self, samples: Any, seeds: tf.Tensor, everything: Any) -> Any:
        """Return a view of each sample.

        Args:
            samples: A batch.
            seeds: One per sample, shape `(batch,)`, int64.
            everything: All samples in the order in which the teacher saw them: of mixup, the partners.
        """
        return changed(samples, seeds, self.augmentation, everything)

    def turn(self, rows: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Return which view of each sample comes in a pass: all in turn, each sample from another one on.

        Args:
            rows: Number of each sample's row, shape `(batch,)`, int64.
            number: Of the pass.
        """
        return (rows * 7919 + number) % self.num_views


def changed(samples: Any, seeds: tf.Tensor, augmentation: Augmentation, everything: Any) -> Any:
    """Return samples as an augmentation changes them; of mixup together with a drawn one of all samples.

    Args:
        samples: A batch.
        seeds: One per sample, shape `(batch,)`, int64.
        augmentation: What changes them.
        everything: All samples, from which mixup draws.
    """
    if not isinstance(augmentation, Mixup):
        return augmentation(samples, seeds)
    partners = tf.gather(everything, augmentation.partners(seeds, len(everything)))
    return mixed(samples, tf.cast(partners, samples.dtype), augmentation.shares(seeds))


def mixed(ours: tf.Tensor, theirs: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """Return `share * ours + (1 - share) * theirs` with one share per sample."""
    shares = tf.reshape(tf.cast(shares, ours.dtype), [-1] + [1] * (len(ours.shape) - 1))
    return shares * ours + (1 - shares) * theirs


def check_views(held: Views | None, wanted: Views | None, path: object) -> None:
    """Check that a file holds the views that are asked for.

    Raises:
        DataError: It holds others, or none.
    """
    if held == wanted:
        return
    raise DataError(
        f"{path} holds other views: expected {wanted or 'the samples unchanged'}, received "
        f"{held or 'the samples unchanged'}; choose another path, or delete the file"
    )
