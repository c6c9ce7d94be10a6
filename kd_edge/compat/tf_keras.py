"""Keras 2, as tf_keras 2.21 keeps it: its files, and the calls that a model consists of."""

import importlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kd_edge.errors import UNREADABLE


def is_keras2(path: Path) -> bool:
    """Return whether a `.h5` or `.keras` file or a SavedModel's folder was written by Keras 2.

    Args:
        path: Of the file or folder.
    """
    if path.is_dir():
        return (path / "keras_metadata.pb").is_file()
    try:
        return _version(path).split(".")[0] in ("1", "2")
    except UNREADABLE:
        return False


def _version(path: Path) -> str:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            return str(json.loads(file.read("metadata.json"))["keras_version"])
    import h5py

    with h5py.File(path) as file:
        version = file.attrs.get("keras_version") or ("2" if "model_config" in file.attrs else "")
        return version.decode() if isinstance(version, bytes) else str(version)


def read_model(path: Path) -> Any:
    """Return the model of Keras 2 in a file or a SavedModel's folder."""
    return importlib.import_module("tf_keras").models.load_model(str(path), compile=False)


def calls_in_order(model: Any) -> Iterator[tuple[Any, list[Any], list[Any], list[Any] | None]]:
    """Yield the calls that a functional or sequential model of Keras 2 consists of.

    Returns:
        Of each the layer, its inputs, its results and, of an operation of TensorFlow, all that it computes with.
    """
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                outputs = node.outputs if isinstance(node.outputs, list | tuple) else [node.outputs]
                yield node.layer, list(node.keras_inputs), list(outputs), _operands(node)


def _operands(node: Any) -> list[Any] | None:
    kind = type(node.layer).__name__
    if kind not in ("TFOpLambda", "SlicingOpLambda"):
        return None
    given = (*node.call_args, *node.call_kwargs.values())
    if kind == "SlicingOpLambda":
        source, key = given
        return [source, tuple(map(_slice_of, key)) if isinstance(key, list | tuple) else _slice_of(key)]
    known = [value for value in given if value is not None and not isinstance(value, str)]
    return [np.array(value, np.float32) if isinstance(value, list | tuple) else value for value in known]


def _slice_of(part: Any) -> Any:
    """Return a part of the brackets behind a tensor, where Keras 2 writes a slice as a mapping."""
    return slice(part["start"], part["stop"], part["step"]) if isinstance(part, dict) else part


def layer_class(layer: Any) -> Any:
    """Return the class of Keras 3 that has the name of a layer of Keras 2.

    Raises:
        ValueError: There is none, or the layer is not one of Keras 2's own.
    """
    import keras

    name = type(layer).__name__
    if not type(layer).__module__.startswith("tf_keras.") or not hasattr(keras.layers, name):
        raise ValueError(f"no layer of Keras 3 for {layer.name!r} ({name})")
    return getattr(keras.layers, name)
