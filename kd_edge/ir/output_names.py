"""What the outputs of a Keras model are called."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def output_names(model: "keras.Model") -> list[str]:
    """Return the names in the order of `outputs`: the keys of a mapping, or those of the layers that make them."""
    ending = _ending(model)
    if not _is_functional(ending):
        return [ending.layers[-1].name]
    structure = ending.output
    return keys_in_order(structure) if isinstance(structure, Mapping) else list(ending.output_names)


def answers_by_name(model: "keras.Model") -> bool:
    """Return whether a model answers with a mapping."""
    ending = _ending(model)
    return _is_functional(ending) and isinstance(ending.output, Mapping)


def keys_in_order(structure: Mapping[str, Any]) -> list[str]:
    """Return the keys of a mapping in the order in which Keras flattens it: its own if it is an ordered one."""
    return list(structure) if isinstance(structure, OrderedDict) else sorted(structure)


def _ending(model: Any) -> Any:
    """Return a model, or the one in which a sequential model of several outputs ends."""
    while not _is_functional(model) and len(model.outputs) > 1 and hasattr(model.layers[-1], "outputs"):
        model = model.layers[-1]
    return model


def _is_functional(model: Any) -> bool:
    return hasattr(model, "output_names")
