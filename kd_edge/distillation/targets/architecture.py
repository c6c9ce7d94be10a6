"""What a network computes beside its weights, as plain data by which two are compared."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import all_layers, has_calls, index_of, maker_of, nodes_in_order, number_of

# Settings that change no answer, or differ between a network and the same one from its file.
_WITHOUT_EFFECT = frozenset(
    (
        *("trainable", "seed", "batch_shape", "build_input_shape", "build_config"),
        *("module", "registered_name", "shared_object_id"),
    )
)
_OF_TRAINING = ("initializer", "regularizer", "constraint")


def architecture_of(model: keras.Model) -> list[Any]:
    """Return each layer's class and settings, and how the layers are wired; names do not count.

    It is the same for a network that was saved and read, in another process, too. Of a layer of the user's own without
    `get_config` only the class counts.

    Args:
        model: Any network.
    """
    layers = list(all_layers(model))
    numbers = {id(layer): number for number, layer in enumerate(layers)}
    return [[_described(layer), list(_wiring(layer, numbers)) if has_calls(layer) else []] for layer in layers]


def _described(operation: Any) -> list[Any]:
    """Return class and settings; of what has a hash of its own, such as the answers of another library, that one."""
    if hasattr(operation, "digest"):
        return [type(operation).__name__, operation.digest]
    return [type(operation).__name__, [] if has_calls(operation) else _settings(operation)]


def _settings(operation: Any) -> Any:
    try:
        config = operation.get_config()
    except Exception:  # whatever the user's own layer raises
        return []
    return _plain({name: value for name, value in config.items() if name != "name"})


def _wiring(model: Any, numbers: Mapping[int, int]) -> Iterator[list[Any]]:
    """Yield for each call what is called on what, then where the inputs and outputs are."""
    nodes = list(nodes_in_order(model))
    places = {(id(node.operation), number_of(node)): place for place, node in enumerate(nodes)}

    def place_of(tensor: Any) -> list[Any]:
        operation, number = maker_of(tensor)
        return ["tensor", places.get((id(operation), number)), index_of(tensor)]

    for node in nodes:
        called = numbers.get(id(node.operation))
        arguments = [node.arguments.args, node.arguments.kwargs]
        yield [_described(node.operation) if called is None else called, _plain(arguments, place_of)]
    for ends in (model.inputs, model.outputs):
        yield [place_of(tensor) for tensor in ends]


def _plain(value: Any, place_of: Callable[[Any], Any] = repr) -> Any:
    """Return settings or arguments as lists of numbers and texts that are the same in every process."""
    if isinstance(value, Mapping):
        if value.get("class_name") in ("function", "__lambda__"):
            return value["config"] if isinstance(value["config"], str) else value["class_name"]
        left_out = {*_WITHOUT_EFFECT, "name"} if "trainable" in value else _WITHOUT_EFFECT
        kept = {str(name): inner for name, inner in value.items() if name not in left_out}
        return [[n, _plain(kept[n], place_of)] for n in sorted(kept) if not n.endswith(_OF_TRAINING)]
    if isinstance(value, keras.KerasTensor):
        return place_of(value)
    if isinstance(value, list | tuple):
        return [_plain(inner, place_of) for inner in value]
    if isinstance(value, slice):
        return ["slice", *(_plain(end, place_of) for end in (value.start, value.stop, value.step))]
    if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
        return np.asarray(value).tolist()
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else str(getattr(value, "__name__", type(value).__name__))
