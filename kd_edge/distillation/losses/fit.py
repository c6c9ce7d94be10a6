"""Which distillation loss fits which output: of classes, of labels that hold together, or of measured values."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras.distillation import LogitsDistillation

from kd_edge.distillation.outputs.logits import Softmax
from kd_edge.errors import ConfigError

CLASSES, LABELS, VALUES = "classes", "labels", "values"
_FITTING = {
    CLASSES: "keras.distillation.LogitsDistillation()",
    LABELS: "kd_edge.BinaryDistillation()",
    VALUES: "kd_edge.BoundedRegression(), or keras.distillation.FeatureDistillation() for a reconstruction",
}
_BY_NUMBER = "sparsecategoricalcrossentropy"
_OF_CLASSES = (
    _BY_NUMBER,
    "categoricalcrossentropy",
    "categoricalfocalcrossentropy",
    "kldivergence",
)
_OF_LABELS = ("binarycrossentropy", "binaryfocalcrossentropy")
_OF_VALUES = (
    *("meansquarederror", "meanabsoluteerror", "meanabsolutepercentageerror", "meansquaredlogarithmicerror"),
    *("huber", "logcosh", "poisson", "cosinesimilarity"),
)


def compared(loss: Any) -> str:
    """Return what a distillation loss compares: `CLASSES` by a softmax, `LABELS` by sigmoids, `VALUES`, or anything.

    Args:
        loss: The loss; `LogitsDistillation` takes a softmax or sigmoids for some of its losses alone.
    """
    if isinstance(loss, LogitsDistillation):
        kinds = {kind_of(inner) for inner in keras.tree.flatten(loss.loss) if inner is not None}
        return CLASSES if CLASSES in kinds else LABELS if kinds == {LABELS} else ""
    return str(getattr(loss, "compares", CLASSES if getattr(loss, "takes_logits", False) else ""))


def taught_outputs(loss: Any, num_outputs: int) -> list[int]:
    """Return the places of the outputs that a loss on outputs compares; some of Keras' losses may leave out some."""
    inner = keras.tree.flatten(loss.loss) if isinstance(loss, LogitsDistillation) else []
    return [i for i in range(num_outputs) if len(inner) != num_outputs or inner[i] is not None]


def check_output(loss: Any, shape: Sequence[int | None], *, softmax: bool | None, sigmoid: bool | None) -> None:
    """Refuse a distillation loss that would be constant or wrong for an output.

    Args:
        loss: The loss.
        shape: Of the output, with the batch.
        softmax: Whether the graphs show that a guide or the student ends in a softmax there.
        sigmoid: The same of a sigmoid.

    Raises:
        ConfigError: It would be.
    """
    kind, name = compared(loss), type(loss).__name__
    inner = keras.tree.flatten(loss.loss) if isinstance(loss, LogitsDistillation) else []
    if any(each is not None and _name_of(each) == _BY_NUMBER for each in inner):
        raise ConfigError(
            f"{name} compares the probabilities of all classes: expected 'categorical_crossentropy' or another loss of "
            "these, received a sparse one, which takes the number of one class"
        )
    if kind == CLASSES and shape[-1] == 1:
        raise ConfigError(
            f"{name} would be constant: expected an output of 2 classes or more, received the shape {tuple(shape)}, of "
            f"which a softmax is 1 whatever the network says; for one logit or sigmoid use {_FITTING[LABELS]}, for a "
            f"measured value {_FITTING[VALUES]}"
        )
    if kind == CLASSES and sigmoid:
        raise ConfigError(
            f"{name} compares classes of which one holds: expected logits or a softmax, received the outputs of "
            f"sigmoids; use {_FITTING[LABELS]}"
        )
    if kind == LABELS and softmax:
        raise ConfigError(
            f"{name} compares labels that hold together: expected logits or sigmoids, received the outputs of a "
            f"softmax; use {_FITTING[CLASSES]}"
        )


def kinds_of(losses: Any, names: Sequence[str]) -> list[str]:
    """Return for each output what the loss that a model is compiled with is for, empty where that is not known.

    Args:
        losses: One loss for all outputs, or a structure of losses.
        names: Of the outputs, in their order.
    """
    if isinstance(losses, Mapping):
        return [kind_of(losses.get(name)) for name in names]
    flat = keras.tree.flatten(losses)
    return [kind_of(loss) for loss in (flat if len(flat) == len(names) else flat[:1] * len(names))]


def check_compiled(loss: Any, kind: str, *, softmax: bool | None) -> None:
    """Refuse a distillation loss for an output whose labels' loss is for another kind of answer.

    Args:
        loss: The distillation loss.
        kind: One of those of `kinds_of`.
        softmax: Whether the student ends in a softmax there, whose classes are compared whatever the labels' loss is.

    Raises:
        ConfigError: It is.
    """
    own = compared(loss)
    if own and kind and own != kind and not (own == CLASSES and softmax):
        raise ConfigError(
            f"{type(loss).__name__} compares {own}: expected a loss of the labels for these, received one for {kind}; "
            f"use {_FITTING[kind]}, or compile with another loss"
        )


def kind_of(loss: Any) -> str:
    """Return what a loss of Keras is for: `CLASSES`, `LABELS`, `VALUES`; empty where that is not known.

    Args:
        loss: A loss, its name, a function, or `None`.
    """
    if loss is None:
        return ""
    name = _name_of(keras.losses.get(loss) if isinstance(loss, str) else loss)
    groups = {CLASSES: _OF_CLASSES, LABELS: _OF_LABELS, VALUES: _OF_VALUES}
    return next((kind for kind, known in groups.items() if name in known), "")


def _name_of(loss: Any) -> str:
    return str(getattr(loss, "__name__", type(loss).__name__)).replace("_", "").lower()


def known_of(endings: Sequence[Softmax], place: int) -> bool | None:
    """Return whether any of several networks has a known ending at an output.

    Args:
        endings: Of each network for each output, as `ends_in_softmax` returns them.
        place: Of the output.
    """
    found = [ending[place] for ending in endings if place < len(ending)]
    return True if True in found else None
