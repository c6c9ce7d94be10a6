"""Reads the calls that a Keras model consists of, nested models included, as the nodes of a blueprint."""

from collections.abc import Mapping, Sequence
from typing import Any

from kd_edge.compat.keras import index_of, is_model, maker_of, nodes_in_order, number_of, sources_of
from kd_edge.errors import ModelError
from kd_edge.ir.keras_layers import channel_of, hands_on, is_scaled_sum, normalizes_by_one, read_call
from kd_edge.ir.layers import Add, Layer, Node, Rescaling
from kd_edge.ir.layers.arithmetic import ReorderChannels

# What the converter orders calls by, all behind the inputs, and the number of the node in its call.
Key = tuple[tuple[int, str], int]
_Results = dict[tuple[int, int], list["int | None"]]


class KerasReader:
    """Reads calls in Keras' order of execution, which is that of a network's depth.

    Attributes:
        nodes: One or more per call, each after those that it reads; none of a layer that hands its input on.
        keys: What the converter orders each node by.
        operations: For every node the layer or operation that is called.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.keys: list[Key] = []
        self.operations: list[Any] = []
        self._first_calls: dict[int, int] = {}
        self._names: dict[str, int] = {}

    def read(self, model: Any) -> list[int]:
        """Read a model and return the positions of the nodes that make its outputs.

        Raises:
            ModelError: A layer or an operation is not supported; it is named.
        """
        sources = []
        for source in model.inputs:
            operation, number = maker_of(source)
            key = ((0, f"{len(self.nodes):04}"), 0)
            sources.append(self._add(operation, read_call(operation, number), [], key))
        return self._enter(model, sources, "")

    def _enter(self, model: Any, sources: Sequence[int], scope: str) -> list[int]:
        """Read the calls of a model whose inputs are made by nodes; the names of all begin with a scope."""
        made: _Results = {}
        for source, position in zip(model.inputs, sources, strict=True):
            made[_call_of(source)] = [position]
        for node in nodes_in_order(model):
            if not node.is_input:
                self._unique(scope + node.operation.name)
                name = self._unique(scope + node.operation.name) + "/"
                made[id(node.operation), number_of(node)] = self._call(node, made, name)
        return [_found(output, made) for output in model.outputs]

    def _call(self, node: Any, made: _Results, name: str) -> list["int | None"]:
        """Read one call and return the nodes of its results; `None` stands for a channel that a later call collects."""
        operation = node.operation
        if any(channel_of(output) for output in node.output_tensors):
            return [None]
        if (reordered := _reordered(node)) is not None:
            image, order = reordered
            return [self._add(operation, ReorderChannels(order), [_found(image, made)], ((1, name), 0))]
        inputs = [_found(tensor, made) for tensor in sources_of(node)]
        if is_model(operation):
            if not getattr(operation, "inputs", None):
                kind = type(operation).__name__
                raise ModelError(
                    f"cannot read layer {operation.name!r} ({kind}): expected a functional or sequential model, built"
                )
            return list(self._enter(operation, inputs, name))
        if hands_on(operation):
            return [inputs[0]]
        if is_scaled_sum(operation):  # of InceptionResNetV2: the second input, scaled, is added
            scaled = self._add(operation, Rescaling(float(operation.scale)), inputs[1:], ((1, name), 0))
            return [self._add(operation, Add(), [inputs[0], scaled], ((1, name), 1))]
        if (parts := normalizes_by_one(operation)) is not None:
            position = inputs[0]
            for part, step in enumerate(parts):
                position = self._add(operation, step, [position], ((1, name), part))
            return [position]
        layer = read_call(operation, number_of(node))
        if layer.arity != 2:
            return [self._add(operation, layer, inputs, ((1, name), 0))]
        # More than two tensors are added, say, pair by pair.
        position = inputs[0]
        for part, other in enumerate(inputs[1:]):
            position = self._add(operation, layer, [position, other], ((1, name), part))
        return [position]

    def _add(self, operation: Any, layer: Layer, inputs: Sequence[int], key: Key) -> int:
        shares = None
        if layer.weighted:
            first = self._first_calls.setdefault(id(operation), len(self.nodes))
            shares = first if first < len(self.nodes) else None
        self.nodes.append(Node(layer, tuple(inputs), shares))
        self.keys.append(key)
        self.operations.append(operation)
        return len(self.nodes) - 1

    def _unique(self, name: str) -> str:
        """Return a name as `tf.Graph.unique_name` makes it unique: Keras opens two name scopes per call."""
        used = self._names
        count = used.get(name, 0)
        used[name] = count + 1
        if not count:
            return name
        unique = name
        while unique in used:
            unique = f"{name}_{count}"
            count += 1
        used[unique] = 1
        return unique


def _call_of(tensor: Any) -> tuple[int, int]:
    operation, number = maker_of(tensor)
    return id(operation), number


def _found(tensor: Any, made: Mapping[tuple[int, int], Sequence["int | None"]]) -> int:
    position = made[_call_of(tensor)][index_of(tensor)]
    if position is None:
        operation, number = maker_of(tensor)
        read_call(operation, number)  # raises: only a call that puts all channels in another order is known
    assert position is not None
    return position


def _reordered(node: Any) -> tuple[Any, tuple[int, ...]] | None:
    """Return the image whose channels a call puts in another order, and the order; `None` for another call."""
    operation = node.operation
    if type(operation).__name__ != "Stack" or operation.axis not in (-1, len(node.output_tensors[0].shape) - 1):
        return None
    channels = [channel_of(tensor) for tensor in node.input_tensors]
    known = [channel for channel in channels if channel is not None]
    if len(known) < len(channels) or any(image is not known[0][0] for image, _ in known):
        return None
    image, order = known[0][0], tuple(number for _, number in known)
    return (image, order) if sorted(order) == list(range(image.shape[-1])) else None
