"""Reads networks: a Keras model into a blueprint, a Keras model or a `.tflite` file into a graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Blueprint, execution_order
from kd_edge.ir.converted import converted_graph
from kd_edge.ir.graph import Graph
from kd_edge.ir.keras_reader import KerasReader
from kd_edge.ir.layers import InputLayer, Node
from kd_edge.ir.output_names import answers_by_name, output_names
from kd_edge.ir.streaming import stream
from kd_edge.ir.tflite_reader import read_graph
from tflite_bench.model.reader import read_model

if TYPE_CHECKING:
    import keras


def lower(model: "keras.Model | str | Path | bytes") -> Graph:
    """Return the ops and tensors of a network as TFLite executes them.

    Args:
        model: A Keras model, which is lowered as the converter would quantize it to int8; or a `.tflite` file (its path
            or bytes), which is read as it is. A model with a layer that has no class in `kd_edge.ir.layers`, such as
            LSTM, attention or GroupNormalization, is converted once, and what the converter made is read: int8, or
            float where it has a loop of more steps than can be unrolled.

    Raises:
        ModelError: A layer of the Keras model is not supported (it is named) and TensorFlow cannot convert it either,
            or the model is not a static graph.
        ModelFileError: The bytes are no usable `.tflite` model.
    """
    if isinstance(model, str | Path | bytes):
        return read_graph(read_model(model))
    try:
        return _lower_by_rules(model)
    except ModelError as error:
        graph = converted_graph(model, quantized=True)
        if graph is None:
            raise
        if isinstance(graph, str):
            raise ModelError(f"{error}; the converter cannot read it either: {graph}") from error
        return graph


def lower_step(model: "keras.Model", frames: int) -> Graph:
    """Return the ops and tensors of a step of a model that runs as a stream; see `kd_edge.ir.streaming`.

    Args:
        model: A Keras model of a window of time.
        frames: How many frames a step takes.

    Raises:
        ConfigError: The model cannot take so many at a time.
        ModelError: A layer cannot be streamed. It is named.
    """
    blueprint, layers = read_layers(model)
    names = [layer.name for layer in layers]
    return stream(blueprint, frames, names).to_graph(names)


def macs_of(model: "keras.Model") -> int | None:
    """Return the multiply-accumulates of one inference; `None` where they are unknown.

    A network that only runs, such as a teacher, needs no more: the layers of `lower` are counted by their rules, others
    in a float file of the converter, where loops over time stay loops.

    Args:
        model: Any Keras model.
    """
    try:
        return _lower_by_rules(model).total_macs
    except ModelError:
        graph = converted_graph(model, quantized=False)
        return graph.total_macs if isinstance(graph, Graph) else None


def read_blueprint(model: "keras.Model") -> Blueprint:
    """Return a Keras model as plain data, without its weights.

    Args:
        model: A functional or sequential model whose layers all have a class of the same name in `kd_edge.ir.layers`;
            models inside of it are taken apart, and layers that hand their input on unless they are trained left out.

    Raises:
        ModelError: A layer, or the value of one of its arguments, is not supported; or the model is subclassed.
    """
    return _read(model)[0]


def read_layers(model: "keras.Model") -> "tuple[Blueprint, tuple[keras.Operation, ...]]":
    """Return a Keras model as plain data, and for every node the layer or operation of the model that it stands for.

    Several nodes stand for one layer that is called several times, or that adds more than two tensors. Several outputs
    are in the order of their names; those of a list are called as the layers that make them.

    Args:
        model: As for `read_blueprint`.

    Raises:
        ModelError: As for `read_blueprint`.
    """
    blueprint, operations = _read(model)
    if pairs := sorted(zip(_output_names(model), blueprint.outputs, strict=False)):
        names, outputs = zip(*pairs, strict=True)
        blueprint = Blueprint(blueprint.nodes, outputs, names)
    return blueprint, operations


def _lower_by_rules(model: "keras.Model") -> Graph:
    blueprint, operations = _read(model)
    return blueprint.to_graph([operation.name for operation in operations])


def _read(model: "keras.Model") -> tuple[Blueprint, tuple[Any, ...]]:
    """Return a model as plain data, and of every node the layer or operation."""
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot read model {model.name!r}: expected a functional or sequential Keras model, built")
    reader = KerasReader()
    outputs = reader.read(model)
    needed = _needed(reader.nodes, outputs)
    order = [i for i in execution_order([node.inputs for node in reader.nodes], reader.keys) if i in needed]
    places = {position: place for place, position in enumerate(order)}
    names = _output_names(model) if answers_by_name(model) else ()
    blueprint = Blueprint(_in_order(reader.nodes, order), tuple(places[i] for i in outputs), names)
    return blueprint, tuple(reader.operations[i] for i in order)


def _output_names(model: "keras.Model") -> tuple[str, ...]:
    """Return what several outputs are called; nothing where two have one name."""
    if len(model.outputs) < 2:
        return ()
    names = tuple(output_names(model))
    return names if len(set(names)) == len(names) == len(model.outputs) else ()


def _needed(nodes: Sequence[Node], outputs: Sequence[int]) -> set[int]:
    """Return the nodes that the outputs are made of, and the inputs: a model inside may make more than is read."""
    needed = {*outputs, *(i for i, node in enumerate(nodes) if isinstance(node.layer, InputLayer))}
    for position in reversed(range(len(nodes))):
        if position in needed:
            needed.update(nodes[position].inputs)
    return needed


def _in_order(nodes: Sequence[Node], order: Sequence[int]) -> tuple[Node, ...]:
    """Return nodes in another order; the first one of those that share weights there owns them."""
    places = {position: place for place, position in enumerate(order)}
    owners: dict[int, int] = {}
    moved = []
    for place, position in enumerate(order):
        node = nodes[position]
        owner = owners.setdefault(position if node.shares is None else node.shares, place)
        inputs = tuple(places[i] for i in node.inputs)
        moved.append(Node(node.layer, inputs, None if owner == place else owner))
    return tuple(moved)
