"""Reads networks: a Keras model into a blueprint, a Keras model or a `.tflite` file into a graph."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_edge import layers
from kd_edge.blueprint import Blueprint
from kd_edge.errors import ModelError
from kd_edge.graph import Graph, Op, Tensor
from kd_edge.layers import InputLayer, Layer, Node
from tflite_bench.model import ModelInfo, OpInfo, read_model

if TYPE_CHECKING:
    import keras

_LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        layers.Activation,
        layers.Add,
        layers.AveragePooling2D,
        layers.BatchNormalization,
        layers.Concatenate,
        layers.Conv2D,
        layers.Dense,
        layers.DepthwiseConv2D,
        layers.Dropout,
        layers.Flatten,
        layers.GlobalAveragePooling2D,
        layers.MaxPooling2D,
        layers.ReLU,
        layers.Reshape,
        layers.SpatialDropout2D,
    )
}
# Arguments that change the network, with the only value that a blueprint can express.
_FIXED = {
    "data_format": ("channels_last", None),
    "dilation_rate": (1, (1, 1)),
    "groups": (1,),
    "negative_slope": (0.0, None),
    "threshold": (0.0, None),
    "axis": (-1,),
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
        return _lower_tflite(read_model(model))
    return read_blueprint(model).to_graph()


def read_blueprint(model: "keras.Model") -> Blueprint:
    """Return a Keras model as plain data, without its weights.

    Args:
        model: A functional or sequential model whose layers all have a class of the same name in `kd_edge.layers`.

    Raises:
        ModelError: A layer, or the value of one of its arguments, is not supported; or the model is subclassed.
    """
    return read_layers(model)[0]


def read_layers(model: "keras.Model") -> "tuple[Blueprint, tuple[keras.Layer, ...]]":
    """Return a Keras model as plain data, and for every node the layer of the model that it stands for.

    Args:
        model: As for `read_blueprint`.

    Raises:
        ModelError: As for `read_blueprint`.
    """
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot read model {model.name!r}: expected a functional or sequential Keras model, built")
    nodes: list[Node] = []
    operations: list[Any] = []
    known: dict[tuple[int, int], int] = {}

    def visit(value: Any) -> int:
        operation, call, _ = value._keras_history
        if (id(operation), call) not in known:
            inputs = tuple(visit(i) for i in operation._inbound_nodes[call].input_tensors)
            nodes.append(Node(_read_layer(operation), inputs))
            operations.append(operation)
            known[id(operation), call] = len(nodes) - 1
        return known[id(operation), call]

    for source in model.inputs:
        visit(source)
    outputs = tuple(visit(output) for output in model.outputs)
    return Blueprint(tuple(nodes), outputs), tuple(operations)


def _read_layer(layer: Any) -> Layer:
    kind = type(layer).__name__
    config = layer.get_config()
    if kind == "InputLayer":
        shape = config["batch_shape"][1:]
        if None in shape:
            raise ModelError(f"cannot read layer {layer.name!r}: expected a static input shape, received {shape}")
        return InputLayer(tuple(shape))
    if kind not in _LAYERS:
        known = ", ".join(sorted(_LAYERS))
        raise ModelError(f"cannot read layer {layer.name!r} ({kind}): supported layers are {known}")
    for name, allowed in _FIXED.items():
        value = config.get(name)
        value = tuple(value) if isinstance(value, list) else value
        if name == "axis" and value == len(layer.output.shape) - 1:
            continue
        if name in config and value not in allowed:
            raise ModelError(
                f"cannot read layer {layer.name!r} ({kind}): expected {name}={allowed[0]!r}, received {value!r}"
            )
    return _LAYERS[kind](**{f.name: _frozen(config[f.name]) for f in fields(_LAYERS[kind])})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _lower_tflite(model: ModelInfo) -> Graph:
    tensors = [Tensor(tensor.shape, tensor.dtype, tensor.constant, len(tensor.scales)) for tensor in model.tensors]
    ops = [_read_op(op) for op in model.ops]
    return Graph(tuple(tensors), tuple(ops), model.inputs, model.outputs)


def _read_op(op: OpInfo) -> Op:
    def pair(*names: str) -> tuple[int, int]:
        return tuple(int(op.options.get(name, 1)) for name in names)  # type: ignore[return-value, arg-type]

    slides = "stride_h" in op.options
    window = pair("filter_height", "filter_width") if "filter_height" in op.options else (0, 0)
    return Op(
        op.name,
        op.inputs,
        op.outputs,
        strides=pair("stride_h", "stride_w"),
        padding=str(op.options["padding"]) if slides else "",
        window=window,
        dilations=pair("dilation_h_factor", "dilation_w_factor"),
        activation=str(op.options.get("fused_activation", "NONE")),
    )
