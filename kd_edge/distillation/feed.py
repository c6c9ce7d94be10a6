"""What `Distiller.fit` hands to Keras' `fit`: the samples as they were given, or batches that know more of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.batches import Batches
from kd_edge.distillation.samples import Samples, inputs_of
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ConfigError

_BATCH_SIZE = 32  # as in `keras.Model.fit`


@dataclass(frozen=True, eq=False)
class Feed:
    """The arguments of `fit` that say which samples, in which order.

    Attributes:
        x: As for `keras.Model.fit`.
        y: As for `keras.Model.fit`.
        batch_size: As for `keras.Model.fit`.
        epochs: As for `keras.Model.fit`.
        options: Further arguments of `keras.Model.fit`, by name.
    """

    x: Any
    y: Any
    batch_size: int | None
    epochs: int
    options: Mapping[str, Any]

    @property
    def num_steps(self) -> int | None:
        """Batches of an epoch; `None` where nobody knows."""
        if self.options.get("steps_per_epoch"):
            return int(self.options["steps_per_epoch"])
        if isinstance(self.x, tf.data.Dataset):
            count = int(self.x.cardinality())
            return count if count > 0 else None
        leaves = [leaf for leaf in keras.tree.flatten(self.x) if leaf is not None]
        if not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in leaves):
            return None
        num_samples = len(leaves[0]) - int(len(leaves[0]) * self.options.get("validation_split", 0.0))
        return -(-num_samples // (self.batch_size or _BATCH_SIZE))

    def first_batch(self) -> Any:
        """Return inputs to look at before the training; `None` where to take some would use them up."""
        if isinstance(self.x, tf.data.Dataset):
            batch = next(iter(self.x.take(1)), None)
            return None if batch is None else inputs_of(keras.utils.unpack_x_y_sample_weight(batch)[0])
        if isinstance(self.x, keras.utils.PyDataset):
            return keras.utils.unpack_x_y_sample_weight(self.x[0])[0]
        leaves = [leaf for leaf in keras.tree.flatten(self.x) if leaf is not None]
        if not leaves or not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in leaves):
            return None
        return keras.tree.map_structure(lambda leaf: leaf[:_BATCH_SIZE], self.x)

    def taught(
        self, targets: SoftTargets | None, *, x_unlabeled: Any, by_position: bool, strategy: Any, jit_compile: bool
    ) -> "Feed":
        """Return the feed with what the teacher said of the samples, where there is something to add.

        Args:
            targets: The teacher's stored outputs; `None` where there are none, or they do not count.
            x_unlabeled: Samples without labels that join those of `x`, or `None`.
            by_position: Whether a callback needs the samples by their places.
            strategy: The distribution strategy that spreads the samples, or `None`.
            jit_compile: Whether XLA compiles the step.

        Raises:
            ConfigError: The samples are needed by their places, and are no arrays or spread.
        """
        if self.is_taught:
            return self
        is_dataset = isinstance(self.x, tf.data.Dataset)
        has_views = targets is not None and targets.views is not None
        if by_position or x_unlabeled is not None or (has_views and not is_dataset):
            _check_undistributed(strategy)
            return self.with_batches(targets, x_unlabeled=x_unlabeled)
        # To look up batches of a data set in the step is cheaper than in a stage of their own, but XLA cannot.
        in_step = is_dataset and not jit_compile and not has_views
        if targets is None or in_step or strategy is not None:
            return self
        return replace(self, x=targets.attach(self.x))

    def with_batches(self, targets: SoftTargets | None, *, x_unlabeled: Any = None) -> "Feed":
        """Return the feed of batches that know the positions of their samples, and what the teacher said of them.

        Args:
            targets: The teacher's outputs.
            x_unlabeled: Samples without labels that join those of `x`.

        Raises:
            ConfigError: The samples are no arrays.
        """
        arrays = [leaf for leaf in keras.tree.flatten((self.x, self.y, x_unlabeled)) if leaf is not None]
        if not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in arrays):
            raise ConfigError(
                "batches are made of samples in memory: expected x, y and x_unlabeled as arrays, received "
                f"{type(self.x).__name__}; pass arrays"
            )
        parts = _as_arrays((self.x, self.y, self.options.get("sample_weight")))
        (x, y, sample_weight), options = _split(parts, self.options)
        if x_unlabeled is not None and sample_weight is None and isinstance(y, np.ndarray):
            sample_weight = _weights_by_class(y, options.pop("class_weight", None))  # the others have no class
        batches = Batches(
            x=x,
            y=y,
            x_unlabeled=_as_arrays(x_unlabeled),
            sample_weight=sample_weight,
            batch_size=self.batch_size or _BATCH_SIZE,
            seed=int(np.random.randint(2**31)),  # of the generator that `keras.utils.set_random_seed` sets
            shuffle=bool(options.pop("shuffle", True)),
            targets=targets,
            with_index=True,
        )
        num_steps = options.get("steps_per_epoch") or batches.num_steps
        options |= {"steps_per_epoch": num_steps, "validation_batch_size": _validation_size(options, self)}
        options["shuffle"] = False  # the batches are
        fed = batches.feed(self.epochs, first_epoch=options.get("initial_epoch", 0))
        return Feed(fed, None, None, self.epochs, options)

    @property
    def is_taught(self) -> bool:
        """Whether its batches are `Samples` already."""
        spec = self.x.element_spec if isinstance(self.x, tf.data.Dataset) else None
        return isinstance(spec, Sequence) and bool(spec) and isinstance(spec[0], Samples)


def steps_per_execution(num_steps: int | None, callbacks: Sequence[keras.callbacks.Callback]) -> int:
    """Return how many steps `fit` can run in one call of the compiled loop: 1 where a callback looks at every batch.

    A training step of a small student is overhead for the larger part.

    Args:
        num_steps: Batches of an epoch, a multiple of what is returned; `None`: unknown.
        callbacks: Those of `fit`.
    """
    if num_steps is None or any(map(_looks_at_batches, callbacks)):
        return 1
    divisor = max(d for d in range(1, min(num_steps, _MOST_STEPS) + 1) if num_steps % d == 0)
    return num_steps if divisor < _FEW_STEPS and num_steps < 8 * _MOST_STEPS else divisor


def _check_undistributed(strategy: Any) -> None:
    if strategy is not None:
        raise ConfigError(
            "samples without labels, stored views and halting by sample need the samples by their places: expected "
            f"a distiller without a distribution strategy, received one under {type(strategy).__name__}"
        )


_MOST_STEPS, _FEW_STEPS = 64, 8
_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def _looks_at_batches(callback: keras.callbacks.Callback) -> bool:
    """Tell whether a callback does something at a batch; of an asynchronous one Keras does not wait for it either."""
    if getattr(callback, "async_safe", False):
        return False
    own = (name in vars(callback) or getattr(type(callback), name) is not getattr(_PLAIN, name) for name in _HOOKS)
    return any(own)


_PLAIN = keras.callbacks.Callback


def _as_arrays(values: Any) -> Any:
    return keras.tree.map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), values)


def _split(parts: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return samples, labels and weights, and the options; `validation_split` takes the last samples, as in Keras."""
    options = dict(options)
    options.pop("sample_weight", None)
    share = options.pop("validation_split", 0.0)
    if not share or options.get("validation_data") is not None:
        return parts, options
    num_train = int(len(keras.tree.flatten(parts[0])[0]) * (1 - share))
    first, last = (
        keras.tree.map_structure(lambda leaf, at=at: None if leaf is None else leaf[at], parts)
        for at in (slice(num_train), slice(num_train, None))
    )
    return first, options | {"validation_data": tuple(part for part in last if part is not None)}


def _weights_by_class(y: np.ndarray, class_weight: Mapping[int, float] | None) -> np.ndarray | None:
    """Return the weight of each sample as Keras takes it from those of classes: of one that is not named 1."""
    if class_weight is None:
        return None
    classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.ravel()
    return np.array([class_weight.get(int(label), 1.0) for label in classes], np.float32)


def _validation_size(options: Mapping[str, Any], feed: Feed) -> int:
    return int(options.get("validation_batch_size") or feed.batch_size or _BATCH_SIZE)
