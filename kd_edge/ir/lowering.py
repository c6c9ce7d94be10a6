"""Reads networks: a Keras model into a blueprint, a Keras model or a `.tflite` file into a graph."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.compat.keras import maker_of, node_of, nodes_in_order, number_of
from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Blueprint, execution_order
from kd_edge.ir.graph import Graph
from kd_edge.ir.layers import LAYERS, InputLayer, Layer, Node, kind_of
from kd_edge.ir.layers.core import Rescaling
from kd_edge.ir.tflite_reader import read_graph
from tflite_bench.model.reader import read_model

if TYPE_CHECKING:
    import keras

# Arguments that change the network, with the only value that a blueprint can express.
_FIXED = {
    "data_format": ("channels_last", None),
    "dilation_rate": (1, (1, 1)),
    "groups": (1,),
    "negative_slope": (0.0, None),
    "output_padding": (None,),
    "threshold": (0.0, None),
    "axis": (-1,),
}
# Arithmetic on Keras tensors, `x * 2 + 1`, in which one operand is a number: factor and summand by that number.
_SCALAR_OPERATIONS: dict[str, Callable[[float], Rescaling]] = {
    "Add": lambda number: Rescaling(1.0, number),
    "Multiply": lambda number: Rescaling(number, 0.0),
}


def lower(model: "keras.Model | str | Path | bytes") -> Graph:
    """Return the ops and tensors of a network as TFLite executes them.

    Args:
        model: A functional or sequential Keras model, which is lowered as the converter would quantize it to int8; or
            a `.tflite` file (its path or bytes), which is read as it is.

    Raises:
        ModelError: A layer of the Keras model is not supported (it is named), or the model is not a static graph.
        ModelFileError: The bytes are no usable `.tflite` model.
    """
    if isinstance(model, str | Path | bytes):
        return read_graph(read_model(model))
    blueprint, scopes, operations = _read(model)
    prefix = len(model.name) + len("_1/")
    return blueprint.to_graph(
        scopes=[prefix + len(name) for name in scopes], names=[operation.name for operation in operations]
    )


def read_blueprint(model: "keras.Model") -> Blueprint:
    """Return a Keras model as plain data, without its weights.

    Args:
        model: A functional or sequential model whose layers all have a class of the same name in `kd_edge.ir.layers`.

    Raises:
        ModelError: A layer, or the value of one of its arguments, is not supported; or the model is subclassed.
    """
    return _read(model)[0]


def read_layers(model: "keras.Model") -> "tuple[Blueprint, tuple[keras.Operation, ...]]":
    """Return a Keras model as plain data, and for every node the layer or operation of the model that it stands for.

    Several nodes stand for one layer that is called several times, or that adds more than two tensors.

    Args:
        model: As for `read_blueprint`.

    Raises:
        ModelError: As for `read_blueprint`.
    """
    blueprint, _, operations = _read(model)
    return blueprint, operations


def _read(model: "keras.Model") -> tuple[Blueprint, list[str], tuple[Any, ...]]:
    """Return a model as plain data, and of every node the name of its scope and the layer or operation."""
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot read model {model.name!r}: expected a functional or sequential Keras model, built")
    reader = _Reader()
    for source in model.inputs:
        reader.visit(source)
    outputs = [reader.visit(output) for output in model.outputs]
    scopes = _scopes(model)
    keys = [(scopes.get(call, (0, f"{place:04}")), part) for place, (call, part) in enumerate(reader.calls)]
    order = execution_order([node.inputs for node in reader.nodes], keys)
    places = {position: place for place, position in enumerate(order)}
    nodes = tuple(Node(reader.nodes[i].layer, tuple(places[j] for j in reader.nodes[i].inputs)) for i in order)
    blueprint = Blueprint(nodes, tuple(places[i] for i in outputs))
    return blueprint, [keys[i][0][1] for i in order], tuple(reader.operations[i] for i in order)


class _Reader:
    """Reads the calls of layers that Keras tensors come from.

    Attributes:
        nodes: One or more per call, each after those that it reads.
        calls: For every node its call (an identity of the layer, the number of the call) and its number in the call.
        operations: For every node the layer or operation that is called.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.calls: list[tuple[tuple[int, int], int]] = []
        self.operations: list[Any] = []
        self._results: dict[tuple[int, int], int] = {}

    def visit(self, value: Any) -> int:
        """Return the position of the node that makes a Keras tensor."""
        operation, number = maker_of(value)
        call = (id(operation), number)
        if call not in self._results:
            inputs = [self.visit(i) for i in node_of(operation, number).input_tensors]
            layer = _read_call(operation, number)
            if layer.weighted and number > 0 and (id(operation), 0) in self._results:
                kind = type(operation).__name__
                raise ModelError(f"cannot read layer {operation.name!r} ({kind}): expected one call, received several")
            self._results[call] = self._add(layer, inputs, call)
            self.operations += [operation] * (len(self.nodes) - len(self.operations))
        return self._results[call]

    def _add(self, layer: Layer, inputs: list[int], call: tuple[int, int]) -> int:
        """Append the nodes of a call: more than two tensors are added, say, pair by pair."""
        steps = [(layer, tuple(inputs))]
        if layer.arity == 2:
            steps = [(layer, (-1, right)) for right in inputs[1:]]
            steps[0] = (layer, tuple(inputs[:2]))
        for part, (step, sources) in enumerate(steps):
            self.nodes.append(Node(step, tuple(len(self.nodes) - 1 if i < 0 else i for i in sources)))
            self.calls.append((call, part))
        return len(self.nodes) - 1


def _scopes(model: Any) -> dict[tuple[int, int], tuple[int, str]]:
    """Return the names that the converter orders calls by, all behind those of inputs.

    Keras opens two name scopes per call, in its order of execution, and TensorFlow numbers those that exist already.
    """
    scopes: dict[tuple[int, int], tuple[int, str]] = {}
    used: dict[str, int] = {}
    for node in nodes_in_order(model):
        if not node.is_input:
            _unique(node.operation.name, used)
            scopes[id(node.operation), number_of(node)] = (1, _unique(node.operation.name, used) + "/")
    return scopes


def _unique(name: str, used: dict[str, int]) -> str:
    """Return a name as `tf.Graph.unique_name` makes it unique."""
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


def _read_call(operation: Any, call: int) -> Layer:
    """Return the layer of one call of a Keras layer or of an operation such as `x + 1`."""
    if hasattr(operation, "trainable"):
        return _read_layer(operation)
    kind = type(operation).__name__
    node = node_of(operation, call)
    of_two = sorted(name for name, one in LAYERS.items() if one.arity == 2)
    if len(node.input_tensors) == 2 and kind in of_two:
        return LAYERS[kind]()
    numbers = [value for value in node.arguments.args if isinstance(value, int | float)]
    if len(node.input_tensors) == 1 and len(numbers) == 1 and kind in _SCALAR_OPERATIONS:
        return _SCALAR_OPERATIONS[kind](float(numbers[0]))
    known = f"{', '.join(of_two)} of two tensors, {' and '.join(_SCALAR_OPERATIONS)} with a number"
    raise ModelError(f"cannot read operation {operation.name!r} ({kind}): supported are {known}")


def _read_layer(layer: Any) -> Layer:
    kind = type(layer).__name__
    config = layer.get_config()
    if kind_of(layer) is InputLayer:
        shape = config["batch_shape"][1:]
        if None in shape:
            raise ModelError(f"cannot read layer {layer.name!r}: expected a static input shape, received {shape}")
        return InputLayer(tuple(shape))
    if kind not in LAYERS:
        known = ", ".join(sorted(LAYERS))
        raise ModelError(f"cannot read layer {layer.name!r} ({kind}): supported layers are {known}")
    names = [field.name for field in fields(LAYERS[kind])]
    for name, allowed in _FIXED.items():
        value = _frozen(config.get(name))
        if name not in config or name in names or value in allowed:
            continue
        if name == "axis" and value == len(layer.output.shape) - 1:
            continue
        raise ModelError(
            f"cannot read layer {layer.name!r} ({kind}): expected {name}={allowed[0]!r}, received {value!r}"
        )
    return LAYERS[kind](**{name: _frozen(config[name]) for name in names})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
