"""Batches of samples, in memory or mapped into it: their order, changes and what the teacher said, by epoch."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.data.storage import is_mapped, release, share_heaps
from kd_edge.distillation.augmentation.mixup import Mixup
from kd_edge.distillation.augmentation.registry import Augmentation
from kd_edge.distillation.samples import Samples, common_length
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.targets.views import mixed
from kd_edge.errors import ConfigError, DataError

_NUM_SEEDS = 2**32


@dataclass(frozen=True, eq=False, kw_only=True)
class Batches:
    """Samples and how they become batches.

    Everything follows from `seed` and the number of the epoch: the order, the changes, the view of each sample. An
    epoch is the same whether training starts with it or comes to it.

    Attributes:
        x: Samples: an array or a structure of arrays, each of shape `(samples, ...)`.
        y: Labels, or what else the networks should answer, shape `(samples, ...)`, or of several outputs a structure of
            these; `None` where there are none.
        x_unlabeled: More samples, without labels. Defaults to `None`.
        sample_weight: Shape `(samples,)`. Defaults to `None`.
        batch_size: Samples per batch.
        seed: 0 to `2**32 - 1`.
        shuffle: Whether every epoch has an order of its own. Defaults to `True`.
        drop_remainder: Whether samples that fill no batch are left out of an epoch. Defaults to `False`.
        augmentation: Changes the samples anew in every epoch; of no use where `targets` has views.
        targets: The teacher's outputs; with views the samples are changed as the teacher saw them, one view per epoch.
        num_classes: With mixup, whose labels are one-hot rows.
        with_index: Whether batches are `Samples` that know their positions. Defaults to `False`.
    """

    x: Any
    y: Any = None
    x_unlabeled: Any = None
    sample_weight: np.ndarray | None = None
    batch_size: int = 64
    seed: int = 0
    shuffle: bool = True
    drop_remainder: bool = False
    augmentation: Augmentation | None = None
    targets: SoftTargets | None = None
    num_classes: int | None = None
    with_index: bool = False

    @property
    def num_samples(self) -> int:
        """Samples with and without labels."""
        return _count(self.x) + (0 if self.x_unlabeled is None else _count(self.x_unlabeled))

    @property
    def num_steps(self) -> int:
        """Batches of an epoch."""
        size = min(self.batch_size, self.num_samples)
        return self.num_samples // size if self.drop_remainder else math.ceil(self.num_samples / size)

    def feed(self, epochs: int, *, first_epoch: int = 0) -> tf.data.Dataset:
        """Return the batches of all epochs, one epoch after the other: give `fit` the `num_steps` of one.

        Args:
            epochs: The number of the last epoch, from 1.
            first_epoch: Finished epochs.

        Raises:
            DataError: The samples do not fit together, or the teacher has not seen one of them.
        """
        if any(map(is_mapped, keras.tree.flatten(self.x))):
            share_heaps()
        pool = _Pool.of(self)
        plain = tf.autograph.experimental.do_not_convert  # for the time that conversion takes
        size, num_samples = min(self.batch_size, self.num_samples), self.num_samples

        def order_of(epoch: tf.Tensor) -> tf.data.Dataset:
            seed = tf.stack([tf.constant(self.seed, tf.int64), epoch])
            index = tf.range(num_samples, dtype=tf.int64)
            if self.shuffle:
                index = tf.random.experimental.stateless_shuffle(index, seed)
            drawn = tf.random.stateless_uniform([num_samples], seed, 0, _NUM_SEEDS, tf.int64)
            rows = tf.data.Dataset.from_tensor_slices((index, drawn)).batch(size, drop_remainder=self.drop_remainder)
            return rows.map(lambda index, drawn: (epoch, index, drawn))

        batches = tf.data.Dataset.range(first_epoch, epochs).flat_map(order_of).map(plain(pool.batch))
        return batches.prefetch(4)


@dataclass(frozen=True, eq=False)
class _Pool:
    """All samples, labelled ones first, as tensors or mapped arrays of which a batch is gathered."""

    plan: Batches
    x: Any
    y: Any
    label_weight: tf.Tensor | None
    sample_weight: tf.Tensor | None
    rows: tf.Tensor | None
    partners: tf.Tensor | None

    @classmethod
    def of(cls, plan: Batches) -> "_Pool":
        num_labelled = common_length({"x": plan.x, "y": plan.y, "sample_weight": plan.sample_weight})
        x = plan.x
        y, label_weight, sample_weight = plan.y, None, plan.sample_weight
        if plan.x_unlabeled is not None:
            x, num_more = _joined(plan.x, plan.x_unlabeled)
            # The mean of the labels' loss stays that over the samples that have one.
            share = (num_labelled + num_more) / num_labelled
            label_weight = np.repeat(np.array([share, 0.0], np.float32), [num_labelled, num_more])
            y = None if y is None else keras.tree.map_structure(lambda leaf: _padded(leaf, num_more, 0), y)
            sample_weight = None if sample_weight is None else _padded(sample_weight, num_more, 1)
        rows = None if plan.targets is None else plan.targets.find_all(x)
        augmentation = plan.augmentation
        if plan.targets is not None and plan.targets.views is not None:
            augmentation = plan.targets.views.augmentation
        partners = _places(plan.targets, rows, _count(x)) if isinstance(augmentation, Mixup) else None
        if augmentation is not None and keras.tree.is_nested(x):
            raise ConfigError("an augmentation changes one array of samples: expected one input, received several")
        with tf.device("CPU:0"):
            tensors = (None if a is None else tf.constant(a) for a in (label_weight, sample_weight, rows, partners))
            samples, answers = (
                keras.tree.map_structure(lambda leaf: leaf if leaf is None or is_mapped(leaf) else tf.constant(leaf), a)
                for a in (x, y)
            )
            return cls(_with(plan, augmentation), samples, answers, *tensors)

    def batch(self, epoch: tf.Tensor, index: tf.Tensor, seeds: tf.Tensor) -> tuple[Any, ...]:
        """Return a batch as `fit` takes it.

        Args:
            epoch: Its number.
            index: Positions of the samples.
            seeds: One for each, drawn in this epoch.
        """
        inputs = keras.tree.map_structure(lambda leaf: _gathered(leaf, index), self.x)
        y = None if self.y is None else keras.tree.map_structure(lambda leaf: _gathered(leaf, index), self.y)
        weights = self.label_weight, self.sample_weight
        label_weight, sample_weight = (None if w is None else tf.gather(w, index) for w in weights)
        targets = None
        if self.rows is not None:
            targets, seeds = self._taught(epoch, index, seeds)
        augmentation = self.plan.augmentation
        if isinstance(augmentation, Mixup):
            inputs, y, label_weight, sample_weight = self._mixed(
                augmentation, seeds, inputs, y, label_weight, sample_weight
            )
        elif augmentation is not None:
            inputs = augmentation(tf.cast(inputs, tf.float32), seeds)
        if targets is not None or label_weight is not None or self.plan.with_index:
            inputs = Samples(inputs, targets, label_weight, index)
        if sample_weight is not None:
            return inputs, y, sample_weight
        return (inputs,) if y is None else (inputs, y)

    def _taught(self, epoch: tf.Tensor, index: tf.Tensor, seeds: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """Return the teacher's outputs, and the seeds by which it saw the samples; those drawn where it saw them plain.

        Over the epochs a sample goes through its views in turn, each sample from another one on.
        """
        assert self.plan.targets is not None
        views, rows = self.plan.targets.views, tf.gather(self.rows, index)
        if views is None:
            return _as_tuple(self.plan.targets.lookup_at(rows)), seeds
        outputs, seeds = self.plan.targets.lookup_view(rows, views.turn(rows, epoch))
        return _as_tuple(outputs), seeds

    def _mixed(
        self, augmentation: Mixup, seeds: tf.Tensor, inputs: tf.Tensor, y: Any, label_weight: Any, sample_weight: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Return samples, labels as one-hot rows and the weights of both, each mixed with a partner's."""
        assert self.partners is not None
        partner = tf.gather(self.partners, augmentation.partners(seeds, len(self.partners)))
        shares = augmentation.shares(seeds)
        inputs = mixed(tf.cast(inputs, tf.float32), tf.cast(_gathered(self.x, partner), tf.float32), shares)
        if y is not None:
            theirs = tf.gather(self.y, partner)
            one_hot = functools.partial(tf.one_hot, depth=self.plan.num_classes)
            y = mixed(one_hot(y), one_hot(theirs), shares)
        if label_weight is not None:
            label_weight *= tf.cast(tf.gather(self.label_weight, partner) > 0, label_weight.dtype)
        if self.sample_weight is not None:
            sample_weight = mixed(sample_weight, tf.gather(self.sample_weight, partner), shares)
        return inputs, y, label_weight, sample_weight


def _as_tuple(outputs: Any) -> Any:
    """Return several outputs as tf.data takes them: a list would become one tensor."""
    return tuple(outputs) if isinstance(outputs, list) else outputs


def _gathered(samples: Any, index: tf.Tensor) -> tf.Tensor:
    """Return samples at positions; those that are mapped are read there and then."""
    if not is_mapped(samples):
        return tf.gather(samples, index)

    def read(places: np.ndarray) -> np.ndarray:
        rows = np.asarray(samples[places])
        release(samples)
        return rows

    rows = tf.numpy_function(read, [index], samples.dtype, stateful=False)
    return tf.ensure_shape(rows, (index.shape[0], *samples.shape[1:]))


def _with(plan: Batches, augmentation: Augmentation | None) -> Batches:
    values = dict(vars(plan)) | {"augmentation": augmentation}
    if isinstance(augmentation, Mixup) and plan.y is not None:
        if plan.y.ndim != 1 or plan.y.dtype.kind not in "iu":
            raise DataError(
                f"mixup mixes class indices: expected integer labels of shape (samples,), received {plan.y.dtype} of "
                f"shape {plan.y.shape}"
            )
        values["num_classes"] = plan.num_classes or int(plan.y.max()) + 1
    return Batches(**values)


def _count(x: Any) -> int:
    return len(keras.tree.flatten(x)[0])


def _joined(x: Any, more: Any) -> tuple[Any, int]:
    """Return labelled and unlabelled samples in one, and the number of the latter."""
    ours, theirs = ([tuple(leaf.shape[1:]) for leaf in keras.tree.flatten(samples)] for samples in (x, more))
    if ours != theirs:
        raise DataError(
            f"unlabelled samples of another shape: expected {', '.join(map(str, ours))} per sample as in x, received "
            f"{', '.join(map(str, theirs))}"
        )
    num_more = common_length({"x_unlabeled": more})
    return keras.tree.map_structure(lambda a, b: np.concatenate([a, b]), x, more), num_more


def _padded(values: np.ndarray, num_more: int, fill: float) -> np.ndarray:
    return np.concatenate([values, np.full((num_more, *values.shape[1:]), fill, values.dtype)])


def _places(targets: SoftTargets | None, rows: np.ndarray | None, num_samples: int) -> np.ndarray:
    """Return where the samples are that mixup draws by their numbers: with stored views, those that the teacher saw."""
    if targets is None or rows is None or targets.views is None:
        return np.arange(num_samples)
    places: np.ndarray = np.full(len(targets), -1)
    places[rows] = np.arange(num_samples)
    places = places[targets.first_rows]
    if (places < 0).any():
        raise DataError(
            f"views of mixup need all samples that the teacher saw: expected {len(targets)}, received "
            f"{np.count_nonzero(places >= 0)} of them; make the targets for the samples of the training"
        )
    return places
