"""Private names of Keras 3.15: the graph of calls that a model consists of."""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def calls_of(model: "keras.Model") -> dict[str, list[Any]]:
    """Return the calls that a model consists of, as Keras' nodes, by the name of the layer that is called.

    A layer may know of more: those of the models that it was taken from, and a sequential model's own layers are called
    anew whenever it is rebuilt, as it is by `keras.models.load_model`.

    Args:
        model: A functional or sequential model, built.
    """
    calls: dict[str, list[Any]] = defaultdict(list)
    for node in nodes_in_order(model):
        calls[node.operation.name].append(node)
    return dict(calls)


def nodes_in_order(model: "keras.Model") -> Iterator[Any]:
    """Yield the calls that a model consists of, as Keras' nodes, in Keras' order of execution.

    Args:
        model: A functional or sequential model, built; of a sequential one those of what it is made of.
    """
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def maker_of(tensor: Any) -> tuple[Any, int]:
    """Return the layer or operation that made a Keras tensor, and the number of its call."""
    operation, number, _ = tensor._keras_history
    return operation, number


def node_of(operation: Any, number: int) -> Any:
    """Return Keras' node of one call of a layer or operation, with `input_tensors` and `arguments`."""
    return operation._inbound_nodes[number]


def number_of(node: Any) -> int:
    """Return the number of a call, as `maker_of` counts it."""
    return int(node.operation._inbound_nodes.index(node))


def all_layers(model: "keras.Model") -> Iterator[Any]:
    """Yield a model, its layers, and those of the models and layers inside of it."""
    yield from model._flatten_layers()
