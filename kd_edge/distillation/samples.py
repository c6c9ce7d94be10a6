"""A batch of samples and what is known of each: what `x` may be in a `Distiller`'s step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kd_edge.errors import DataError


class Samples(NamedTuple):
    """A batch of samples and what is known of each, in the place of `x` in a `Distiller`'s step.

    Attributes:
        inputs: The samples, as the networks take them.
        targets: The teacher's outputs for them; `None` where the teacher is asked in the step.
        label_weight: Weight of each sample's label, 0 where it has none; shape `(batch,)`. `None`: all count once.
        index: Position of each among the training samples; shape `(batch,)`, int64. `None` where it is not known.
    """

    inputs: Any
    targets: Any = None
    label_weight: Any = None
    index: Any = None


def inputs_of(x: Any) -> Any:
    """Return what the networks take of `x`, whether it is `Samples` or the inputs themselves."""
    return x.inputs if isinstance(x, Samples) else x


def common_length(parts: Mapping[str, Any]) -> int:
    """Return how many samples there are, of which every array holds one row each.

    Args:
        parts: Arrays, structures of them or `None`, by what they are called; the first tells the number.

    Raises:
        DataError: An array holds more or less.
    """
    (first, expected), *others = (
        (name, len(leaf)) for name, part in parts.items() for leaf in keras.tree.flatten(part) if leaf is not None
    )
    for name, received in others:
        if received != expected:
            raise DataError(
                f"different numbers of samples: expected {expected} as in {first}, received {received} in {name}; pass "
                "one row of each for every sample"
            )
    return expected


def label_weight_of(x: Any, sample_weight: Any) -> Any:
    """Return the weights of the labels' loss: those of `fit`, times 0 where a sample has no label.

    Args:
        x: `Samples`, or the inputs themselves, all of which have labels.
        sample_weight: Of `fit`: shape `(batch,)`, a structure of such, or `None`.
    """
    weight = x.label_weight if isinstance(x, Samples) else None
    if weight is None:
        return sample_weight
    if sample_weight is None:
        return weight
    return keras.tree.map_structure(lambda given: tf.cast(given, weight.dtype) * weight, sample_weight)


def labelled(x: Any, *values: Any) -> tuple[Any, ...]:
    """Return of each value, a structure of tensors or `None`, the rows of the samples that have a label.

    Args:
        x: `Samples`, or the inputs themselves, all of which have labels.
        *values: Such as the labels and the answers.
    """
    weight = x.label_weight if isinstance(x, Samples) else None
    if weight is None:
        return values
    return tuple(
        keras.tree.map_structure(lambda v: None if v is None else tf.boolean_mask(v, weight > 0), value)
        for value in values
    )
