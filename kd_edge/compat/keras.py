"""Private names of Keras 3.15: the graph of calls that a model consists of."""

from collections import defaultdict
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
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    for node in (node for nodes in by_depth.values() for node in nodes):
        calls[node.operation.name].append(node)
    return dict(calls)
