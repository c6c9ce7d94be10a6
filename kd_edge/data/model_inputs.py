"""What a Keras model does first with its input, and how much it answers, read from its configuration without Keras."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from kd_edge.errors import UNREADABLE
from kd_edge.ir.keras_layers import is_trained_only

# What gives a number a meaning that only the model knows: an index, or a scale of its own.
_SCALERS = frozenset(("Rescaling", "Normalization", "CategoryEncoding", "IntegerLookup", "Discretization", "Hashing"))
# What hands values on as they are, maybe in another order or some of them, beside what does so unless it is trained.
_CARRIERS = frozenset(
    (
        *("InputLayer", "Dropout", "GetItem", "Cast", "ExpandDims", "Reshape", "Flatten", "Permute", "RepeatVector"),
        *("Resizing", "CenterCrop", "RandomCrop", "Concatenate", "Stack", "Squeeze", "Transpose", "Flip", "Pad"),
        *("Split", "Masking", "Activation"),
    )
)
_CARRYING_KINDS = ("ZeroPadding", "Cropping", "UpSampling", "SpatialDropout", "MaxPooling", "AveragePooling")
_OPERATORS = {
    "math.truediv": "TrueDivide",
    "math.divide": "TrueDivide",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
    "math.add": "Add",
    "nn.bias_add": "Add",
    "__operators__.add": "Add",
    "__operators__.getitem": "GetItem",
    "stack": "Stack",
    "cast": "Cast",
}
# Arithmetic on values up to 1 divides and subtracts less; `preprocess_input` of keras.applications divides by 127.5 or
# 255, or subtracts about 100.
_LARGE = 16.0


class _Verdict(Enum):
    CARRIES = "hands the values on"
    OTHER = "computes with them"


def integer_reader(model: Any) -> str | None:
    """Return the layer by which a model makes sense of integers itself, `None` where none is known.

    Such are an embedding, a `Rescaling`, a `Normalization`, and arithmetic like that of `preprocess_input` in
    `keras.applications`, also behind layers that hand their input on and inside of nested models: what they read must
    not be scaled before.

    Args:
        model: A Keras model, or the path of a `.keras` or `.h5` file.
    """
    config = _config_of(model)
    found = _first(config) if config is not None else None
    return found if isinstance(found, str) else None


def answers_one_number(model: Any) -> bool:
    """Return whether a model's one output is one number, as far as its configuration tells it.

    Args:
        model: A Keras model, or the path of a `.keras` or `.h5` file.
    """
    config = _config_of(model)
    if config is None:
        return False
    layers = {layer.get("name") or layer["config"].get("name"): layer for layer in config["layers"]}
    ends = config.get("output_layers", [[list(layers)[-1]]])
    ends = list(ends.values()) if isinstance(ends, Mapping) else ends
    flat = [ends] if ends and isinstance(ends[0], str) else ends
    if len(flat) != 1 or not isinstance(flat, list):
        return False
    layer, order = layers.get(flat[0][0]), list(layers.values())
    while layer is not None and layer["class_name"] in ("Activation", "Reshape", "Flatten", "Identity", "Cast"):
        sources = [*_sources(layer.get("inbound_nodes", [])), ""]
        before = order[order.index(layer) - 1] if "inbound_nodes" not in layer else None
        layer = layers.get(sources[0], before)
    return layer is not None and layer["config"].get("units") == 1


def _config_of(model: Any) -> Mapping[str, Any] | None:
    try:
        config = _config_in(model) if isinstance(model, str | Path) else model.get_config()
    except (*UNREADABLE, AttributeError):
        return None
    return config if _has_layers(config) else None


def _has_layers(config: Any) -> bool:
    """Return whether a configuration has layers; by that name one of an own class may have something else."""
    layers = config.get("layers") if isinstance(config, Mapping) else None
    return isinstance(layers, list) and bool(layers) and all(map(_is_layer, layers))


def _is_layer(layer: Any) -> bool:
    if not isinstance(layer, Mapping):
        return False
    return isinstance(layer.get("class_name"), str) and isinstance(layer.get("config"), Mapping)


def _config_in(path: str | Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            return json.loads(file.read("config.json"))["config"]
    import h5py

    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])["config"]


def _first(config: Mapping[str, Any]) -> str | _Verdict:
    """Return the name of the layer that makes sense of a model's input, or what is done instead."""
    layers = config["layers"]
    if all("inbound_nodes" not in layer for layer in layers):
        verdicts = (_verdict(layer) for layer in layers)
        return next((found for found in verdicts if found is not _Verdict.CARRIES), _Verdict.CARRIES)
    readers: dict[str, list[Mapping[str, Any]]] = {}
    for layer in layers:
        for source in dict.fromkeys(_sources(layer["inbound_nodes"])):
            readers.setdefault(source, []).append(layer)
    found = {_onwards(layer, readers) for layer in layers if layer["class_name"] == "InputLayer"}
    return _together(found)


def _onwards(layer: Mapping[str, Any], readers: Mapping[str, list[Mapping[str, Any]]]) -> str | _Verdict:
    verdict = _verdict(layer)
    behind = readers.get(layer.get("name") or layer["config"]["name"], [])
    if verdict is not _Verdict.CARRIES or not behind:
        return verdict
    return _together({_onwards(reader, readers) for reader in behind})


def _together(found: set[str | _Verdict]) -> str | _Verdict:
    """Return what several readers do, a name where all of them make sense of their input."""
    if _Verdict.OTHER in found or not found:
        return _Verdict.OTHER
    names = sorted(name for name in found if isinstance(name, str))
    return names[0] if names else _Verdict.CARRIES


def _verdict(layer: Mapping[str, Any]) -> str | _Verdict:
    kind, config = layer["class_name"], layer["config"]
    name = str(layer.get("name") or config.get("name"))
    if _has_layers(config):
        return _first(config)
    kind = _OPERATORS.get(config.get("function"), kind) if kind in ("TFOpLambda", "SlicingOpLambda") else kind
    if kind in _SCALERS or kind.endswith("Embedding"):
        return name
    if kind == "Lambda" and "preprocess_input" in json.dumps(config, default=str):
        return name
    if _is_large(kind, list(_constants(layer.get("inbound_nodes", [])))):
        return name
    carries = kind in _CARRIERS or kind.startswith(_CARRYING_KINDS) or is_trained_only(kind)
    idle = kind != "Activation" or config.get("activation") == "linear"
    return _Verdict.CARRIES if carries and idle else _Verdict.OTHER


def _is_large(kind: str, constants: list[float]) -> bool:
    """Return whether arithmetic with constants is of the size of integers."""
    largest = max(map(abs, constants), default=0.0)
    if kind in ("TrueDivide", "Divide", "Subtract", "Add"):
        return largest >= _LARGE
    return kind == "Multiply" and 0 < largest <= 1 / _LARGE


def _sources(nodes: Any) -> Iterator[str]:
    """Yield the names of the layers whose outputs are read, as Keras 3 or Keras 2 writes them."""
    if isinstance(nodes, Mapping):
        if nodes.get("class_name") == "__keras_tensor__":
            yield nodes["config"]["keras_history"][0]
        else:
            for item in nodes.values():
                yield from _sources(item)
    elif isinstance(nodes, list | tuple):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and all(isinstance(number, int) for number in nodes[1:3]):
            yield nodes[0]
        for item in nodes:
            yield from _sources(item)


def _constants(nodes: Any) -> Iterator[float]:
    """Yield the numbers that an operation computes with beside the outputs of layers."""
    if isinstance(nodes, bool) or not isinstance(nodes, int | float | Mapping | list | tuple):
        return
    if isinstance(nodes, int | float):
        yield float(nodes)
    elif isinstance(nodes, Mapping):
        if nodes.get("class_name") in ("__tensor__", "__numpy__"):
            yield from _constants(nodes["config"]["value"])
        elif nodes.get("class_name") != "__keras_tensor__":
            yield from _constants(list(nodes.values()))
    elif nodes and isinstance(nodes[0], str):  # a layer's output as Keras 2 writes it, with arguments behind
        yield from _constants([item for item in nodes[3:] if isinstance(item, Mapping)])
    else:
        for item in nodes:
            yield from _constants(item)
