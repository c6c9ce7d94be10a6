"""A network as plain data, with two renderings: the converter's ops and a Keras model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph
from kd_edge.ir.graph_builder import GraphBuilder
from kd_edge.ir.layers import LAYERS, InputLayer, Layer, Node
from kd_edge.ir.passes import finished

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A small directed acyclic graph of layers.

    Attributes:
        nodes: Layers in execution order; a node reads only earlier ones.
        outputs: Positions of the nodes that are the network's outputs.
        output_names: What these are called where there are several, sorted as Keras returns a mapping; empty where
            that is not known.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    output_names: tuple[str, ...] = ()

    def to_graph(self, names: Sequence[str] = ()) -> Graph:
        """Return the ops and tensors that the converter emits for this network, fully quantized to int8.

        BatchNormalization is folded into the convolution or dense layer before it, and ReLU into the op before it,
        where nothing else reads the value between. The ops come in the converter's order.

        Args:
            names: Per node the name of its layer, for `Graph.layers` and the size of the file; for that alone those
                of `to_keras()` where none are given.

        Raises:
            ModelError: A layer cannot be lowered (its name is in the message), or a window exceeds its input.
        """
        uses = Counter(i for node in self.nodes for i in node.inputs)
        uses.update(self.outputs)
        to = GraphBuilder()
        values: dict[int, int] = {}
        emitted: dict[tuple[Layer, tuple[int, ...]], int] = {}
        for position in execution_order([node.inputs for node in self.nodes], range(len(self.nodes))):
            node = self.nodes[position]
            to.begin_layer(position, shares=node.shares)
            inputs = tuple(values[i] for i in node.inputs)
            value = None if node.layer.weighted else emitted.get((node.layer, inputs))
            if value is None:
                value = emitted[node.layer, inputs] = node.layer.emit(to, inputs)
            values[position] = value
            to.add_readers(value, uses[position] - inputs.count(value))
        sources = tuple(values[i] for i, node in enumerate(self.nodes) if isinstance(node.layer, InputLayer))
        own = names or [self.layer_name(position) for position in range(len(self.nodes))]
        graph = finished(to, sources, tuple(values[i] for i in self.outputs), own)
        return graph if names else graph._replace(layers=())

    def to_keras(self, *, name: str = "student") -> "keras.Model":
        """Return the network as a functional Keras model with fresh weights.

        The weights come from Keras' global generator: call `keras.utils.set_random_seed` before for a repeatable model.
        The layers' names begin with their positions, since the converter orders parallel branches by name. Outputs with
        names are a mapping.

        Raises:
            ModelError: Keras knows no layer of the name of one of the classes.
        """
        import keras

        values: list[Any] = []
        made: dict[int, Any] = {}
        for index, node in enumerate(self.nodes):
            read = [values[i] for i in node.inputs]
            if isinstance(node.layer, InputLayer):
                values.append(keras.Input(**asdict(node.layer)))
            elif node.layer.is_operation:
                values.append(node.layer.render(read))
            else:
                owner = index if node.shares is None else node.shares
                if owner not in made:
                    kind = _keras_class(type(node.layer).__name__)
                    made[owner] = kind(name=self.layer_name(owner), **asdict(node.layer))
                values.append(made[owner](read if len(read) > 1 else read[0]))
        sources = [v for v, n in zip(values, self.nodes, strict=True) if isinstance(n.layer, InputLayer)]
        outputs: Any = [values[i] for i in self.outputs]
        if self.output_names:
            outputs = dict(zip(self.output_names, outputs, strict=True))
        elif len(outputs) == 1:
            outputs = outputs[0]
        return keras.Model(sources if len(sources) > 1 else sources[0], outputs, name=name)

    def layer_name(self, position: int) -> str:
        """Return the name that `to_keras` gives the layer of a node."""
        return f"n{position:03}_{type(self.nodes[position].layer).__name__.lower()}"

    def to_dict(self) -> dict[str, object]:
        """Return the blueprint as plain data for JSON; `from_dict` reads it back."""
        nodes = []
        for node in self.nodes:
            shares = {} if node.shares is None else {"shares": node.shares}
            nodes.append({"layer": type(node.layer).__name__, **asdict(node.layer), "inputs": node.inputs, **shares})
        names = {"output_names": self.output_names} if self.output_names else {}
        return {"nodes": nodes, "outputs": self.outputs, **names}

    @classmethod
    def from_dict(cls, data: dict[str, list[dict[str, object]]]) -> "Blueprint":
        """Return the blueprint that `to_dict` wrote, also after a trip through JSON."""

        def frozen(value: object) -> object:
            return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value

        nodes = []
        for entry in data["nodes"]:
            fields = {key: frozen(value) for key, value in entry.items() if key not in ("layer", "inputs", "shares")}
            layer = LAYERS[str(entry["layer"])](**fields)
            nodes.append(Node(layer, frozen(entry["inputs"]), entry.get("shares")))  # type: ignore[arg-type]
        return cls(tuple(nodes), frozen(data["outputs"]), tuple(map(str, data.get("output_names", ()))))  # type: ignore[arg-type]


def _keras_class(name: str) -> Any:
    """Return Keras' own layer of a name, or the one that was registered with `register_keras_serializable`."""
    import keras

    registered = {key.rpartition(">")[2]: kind for key, kind in keras.saving.get_custom_objects().items()}
    kind = getattr(keras.layers, name, None) or registered.get(name)
    if kind is None:
        raise ModelError(
            f"no Keras layer {name!r}: expected one in keras.layers or registered, found none; decorate its class with "
            "keras.saving.register_keras_serializable()"
        )
    return kind


def execution_order(inputs: Sequence[Sequence[int]], keys: Sequence[Any]) -> list[int]:
    """Return the order in which the converter executes the nodes of a network.

    A node that has run makes others ready; of those the one with the smallest key runs next, with all that becomes
    ready through it, before the others. The keys of the converter are names. Found by converting random networks.

    Args:
        inputs: For every node the positions of the nodes it reads.
        keys: What to sort by, one per node.

    Returns:
        Positions of the nodes.
    """
    missing = [len(set(sources)) for sources in inputs]
    readers: list[list[int]] = [[] for _ in inputs]
    for position, sources in enumerate(inputs):
        for source in set(sources):
            readers[source].append(position)
    ready = sorted((i for i, count in enumerate(missing) if not count), key=lambda i: keys[i], reverse=True)
    order = []
    while ready:
        order.append(position := ready.pop())
        freed = []
        for reader in readers[position]:
            missing[reader] -= 1
            if not missing[reader]:
                freed.append(reader)
        ready += sorted(freed, key=lambda i: keys[i], reverse=True) if len(freed) > 1 else freed
    return order


class Sketch:
    """Builds a blueprint layer by layer.

    Args:
        input_shape: Shape of one sample, without the batch.

    >>> sketch = Sketch((8, 8, 1))
    >>> x = sketch.add(layers.Conv2D(4, (3, 3), activation="relu"))
    >>> sketch.blueprint(sketch.add(layers.Flatten())).to_graph().ops[0].kind
    'CONV_2D'
    """

    def __init__(self, input_shape: Sequence[int]) -> None:
        self._nodes = [Node(InputLayer(tuple(input_shape)))]

    def add(self, layer: Layer, *inputs: int) -> int:
        """Append a layer and return its position.

        Args:
            layer: The layer.
            *inputs: Positions of the nodes it reads; the last added one by default.
        """
        self._nodes.append(Node(layer, inputs or (self.last,)))
        return self.last

    @property
    def last(self) -> int:
        """Position of the layer added last."""
        return len(self._nodes) - 1

    def blueprint(self, *outputs: int) -> Blueprint:
        """Return the blueprint with the given nodes as outputs."""
        return Blueprint(tuple(self._nodes), outputs)
