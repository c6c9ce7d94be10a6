"""The layers of a `.keras` file as plain data, read without Keras."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kd_edge.reporting.page.network import Block

_SHOWN = ("Conv", "Dense", "LSTM", "GRU", "Pooling", "Add", "Concatenate", "Multiply")


def keras_blocks(path: Path) -> tuple[Block, ...]:
    """Return the layers that have weights, pool or join, in their order.

    Args:
        path: A file of Keras 3 with a functional or sequential model.

    Returns:
        Nothing where the file is missing, of another kind, or does not tell the shapes.
    """
    try:
        with zipfile.ZipFile(path) as file:
            model = json.loads(file.read("config.json"))
        layers = list(_layers(model["config"]))
        return tuple(_blocks(layers, _shapes(layers)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return ()


def _layers(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the layers, those of models inside the model in its place."""
    for layer in config["layers"]:
        if "layers" in layer["config"]:
            yield from _layers(layer["config"])
        else:
            yield layer


def _shapes(layers: list[Mapping[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that layers hand on, as those that read them tell."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        for tensor in _read(layer.get("inbound_nodes", [])):
            shapes[tensor["keras_history"][0]] = tuple(size or 0 for size in tensor["shape"][1:])
    return shapes


def _read(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]
        else:
            yield from _read(list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from _read(part)


def _blocks(layers: list[Mapping[str, Any]], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Block]:
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        if not any(word in kind for word in _SHOWN):
            continue
        shape = shapes.get(layer["name"], ())
        width = config.get("filters") or config.get("units") or (shape[-1] if shape else 0)
        kernel = "\u00d7".join(map(str, config["kernel_size"])) if isinstance(config.get("kernel_size"), list) else ""
        if width:
            yield Block(_words(kind), kernel, shape or (width,), width)


def _words(kind: str) -> str:
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()
    return spaced.replace("2 d", "").replace("1 d", "").replace("2d", "").replace("1d", "").replace("  ", " ").strip()
