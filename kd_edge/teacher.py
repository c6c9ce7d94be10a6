"""The large network that guides the students: built here, or read from a file."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kd_edge.blueprint import Sketch
from kd_edge.data import Dataset
from kd_edge.errors import ModelError
from kd_edge.layers import (
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    SpatialDropout2D,
)

_GROWTH = (1.0, 1.0, 1.5, 2.0)


def build_teacher(input_shape: tuple[int, ...], num_classes: int, *, width: int = 64) -> keras.Model:
    """Return an untrained residual network (arXiv 1512.03385) with dropout, or a dense one for flat samples.

    Args:
        input_shape: Shape of one sample: `(features,)`, `(time, channels)` or `(height, width, channels)`.
        num_classes: Number of logits.
        width: Channels of the first convolution.
    """
    if len(input_shape) == 1:
        return _dense_teacher(input_shape, num_classes, width)
    sketch = Sketch(input_shape)
    flat = len(input_shape) == 2
    if flat:
        sketch.add(Reshape((input_shape[0], 1, input_shape[1])))
    kernel, step, stem = ((5, 1), (2, 1), (7, 1)) if flat else ((3, 3), (2, 2), (3, 3))
    last = _convolve(sketch, width, stem, step)
    sketch.add(ReLU())
    for index, growth in enumerate(_GROWTH[1:]):
        last = _residual(sketch, round(width * growth), kernel, step if index else (1, 1))
    sketch.add(GlobalAveragePooling2D(), last)
    sketch.add(Dropout(0.3))
    return sketch.blueprint(sketch.add(Dense(num_classes))).to_keras(name="teacher")


def _convolve(sketch: Sketch, filters: int, kernel: tuple[int, int], strides: tuple[int, int]) -> int:
    sketch.add(Conv2D(filters, kernel, strides, "same", use_bias=False))
    return sketch.add(BatchNormalization())


def _residual(sketch: Sketch, filters: int, kernel: tuple[int, int], strides: tuple[int, int]) -> int:
    shortcut = sketch.last
    _convolve(sketch, filters, kernel, strides)
    sketch.add(ReLU())
    sketch.add(SpatialDropout2D(0.1))
    branch = _convolve(sketch, filters, kernel, (1, 1))
    if strides != (1, 1):
        sketch.add(Conv2D(filters, (1, 1), strides, "same", use_bias=False), shortcut)
        shortcut = sketch.add(BatchNormalization())
    sketch.add(Add(), branch, shortcut)
    return sketch.add(ReLU())


def _dense_teacher(input_shape: tuple[int, ...], num_classes: int, width: int) -> keras.Model:
    sketch = Sketch(input_shape)
    for _ in range(3):
        sketch.add(Dense(4 * width, activation="relu"))
        sketch.add(Dropout(0.3))
    return sketch.blueprint(sketch.add(Dense(num_classes))).to_keras(name="teacher")


def load_teacher(path: str | Path, data: Dataset) -> keras.Model:
    """Return a trained teacher that reads the data's samples and ends in one logit per class.

    Args:
        path: A `.keras` file.
        data: The samples it has to read.

    Raises:
        ModelError: There is no such file, it is no Keras model, or it does not belong to the data.
    """
    teacher = load_model(path)
    shape, classes = tuple(teacher.inputs[0].shape[1:]), teacher.outputs[0].shape[-1]
    if len(teacher.inputs) != 1 or shape != data.input_shape:
        raise ModelError(f"bad teacher {path}: expected samples of shape {data.input_shape}, received {shape}")
    if len(teacher.outputs) != 1 or classes != data.num_classes:
        raise ModelError(f"bad teacher {path}: expected {data.num_classes} classes, received {classes} outputs")
    return teacher


def load_model(path: str | Path) -> keras.Model:
    """Return the model in a `.keras` file.

    Raises:
        ModelError: There is no such file, or it is no Keras model.
    """
    if not Path(path).is_file():
        raise ModelError(f"no model: expected a .keras file, found nothing at {path}")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        if foreign := _foreign_layers(path):
            raise ModelError(
                f"cannot read {path}: expected layers of Keras, received {', '.join(foreign)}, whose code is not in "
                "the file; replace them, or give the model itself to kd_edge in Python"
            ) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot read {path}: expected a Keras model; Keras says: {reason}") from error


def _foreign_layers(path: str | Path) -> list[str]:
    """Return the name and class of every layer in a `.keras` file that Keras cannot make again by itself."""
    try:
        with zipfile.ZipFile(path) as file:
            return list(dict.fromkeys(_foreign(json.loads(file.read("config.json")))))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError):
        return []


def _foreign(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        kind, inner = config.get("class_name"), config.get("config")
        from_keras = str(config.get("module", "keras")).split(".")[0] == "keras" and kind != "Lambda"
        if isinstance(inner, dict) and "name" in inner and not from_keras:
            yield f"{inner['name']!r} ({kind})"
    for item in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _foreign(item)
