"""Models and teachers read from files: of Keras 3, of Keras 2, and SavedModels, which only answer."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from kd_edge.clone.cloning import clone_of, make_names_valid
from kd_edge.compat.tf_keras import is_keras2
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.models.value_scale import in_units_of_task
from kd_edge.distillation.outputs.names import answers_with, check_outputs, num_numbers
from kd_edge.errors import UNREADABLE, ModelError, reason_in

_HDF5 = b"\x89HDF\r\n\x1a\n"


def load_teacher(path: str | Path, data: Dataset) -> keras.Model:
    """Return a trained teacher that reads the data's samples and answers their task.

    One that answers measured values in their units, which are standardized in the data, answers as these are. One for
    samples of any size becomes one for those of the data.

    Args:
        path: As for `load_model`.
        data: The samples it has to read.

    Raises:
        ModelError: There is no such file, it is no Keras model, or it does not belong to the data.
    """
    teacher = load_model(path)
    if not getattr(teacher, "inputs", None):
        raise ModelError(f"bad teacher {path}: expected a functional or sequential model, or one with known inputs")
    teacher = _of_size(teacher, data, path)
    if len(teacher.outputs) == 1 and len(teacher.outputs[0].shape) == 1:  # a number for each sample, without an axis
        teacher = keras.Model(teacher.inputs, keras.layers.Reshape((1,))(teacher.outputs[0]), name=teacher.name)
    shape, outputs = tuple(teacher.inputs[0].shape[1:]), tuple(teacher.outputs[0].shape[1:])
    if len(teacher.inputs) != 1 or shape != data.input_shape:
        raise ModelError(f"bad teacher {path}: expected samples of shape {data.input_shape}, received {shape}")
    if data.task.parts:
        check_outputs(teacher, data)
        return in_units_of_task(teacher, data)
    found, wanted = num_numbers(teacher.outputs[0]), data.num_outputs
    if len(teacher.outputs) != 1 or not answers_with(teacher.outputs[0], wanted, data.task.kind):
        what = f"{wanted} classes" if data.task.kind == "multiclass" else f"{wanted} outputs ({data.task.kind})"
        hint = "; for one output say the task 'binary' (--data-option task=binary)" if (found, wanted) == (1, 2) else ""
        shape_of = f" (shape {outputs})" if len(outputs) > 1 else ""
        raise ModelError(f"bad teacher {path}: expected {what}, received {found} outputs{shape_of}{hint}")
    return in_units_of_task(teacher, data)


def _of_size(teacher: keras.Model, data: Dataset, path: str | Path) -> keras.Model:
    """Return a teacher for samples of any size on an input of the data's, another one as it is."""
    shape, wanted = tuple(teacher.inputs[0].shape[1:]), data.input_shape
    fits = len(shape) == len(wanted) and all(size in (None, own) for size, own in zip(shape, wanted, strict=True))
    if len(teacher.inputs) != 1 or None not in shape or not fits:
        return teacher
    source = teacher.inputs[0]
    whole = keras.Input(wanted, dtype=source.dtype, name=source.name)
    structure = source if isinstance(teacher, keras.Sequential) else teacher.input
    try:
        return clone_of(teacher, input_tensors=keras.tree.map_structure(lambda _: whole, structure))
    except ValueError as error:
        raise ModelError(
            f"bad teacher {path}: expected one that reads samples of shape {wanted}; {reason_in(error)}"
        ) from error


def load_model(path: str | Path) -> keras.Model:
    """Return the model in a file, names that TensorFlow refuses made valid.

    Args:
        path: A `.keras` or `.h5` file of Keras 3 or of Keras 2, or the folder of a SavedModel, which only answers.

    Raises:
        ModelError: There is no such file, or it is no Keras model.
    """
    from kd_edge.distillation.models.foreign_models import read_keras2, read_saved_model

    path = Path(path)
    if not os.path.exists(path):
        raise ModelError(f"no model: expected a .keras file, found nothing at {path}")
    if is_keras2(path):
        return read_keras2(path)
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ModelError(f"no model: expected a .keras file or a SavedModel, found a folder of neither at {path}")
        return read_saved_model(path)
    if received := _no_model(path):
        raise ModelError(
            f"cannot read {path}: expected a Keras model, whole in a .keras or .h5 file, received {received}; save it "
            "with model.save('model.keras')"
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:
        if foreign := _foreign_layers(path):
            raise ModelError(
                f"cannot read {path}: expected layers of Keras, received {', '.join(foreign)}, whose code is not in "
                "the file; replace them, or give the model itself to kd_edge in Python"
            ) from error
        raise ModelError(f"cannot read {path}: expected a Keras model; Keras says: {reason_in(error)}") from error
    make_names_valid(model)  # for Keras' own loops, which TensorFlow traces
    return model


def _no_model(path: Path) -> str | None:
    """Return what a file is that Keras would not take for a model; `None` where Keras should say it."""
    endings: tuple[str, ...] = (".keras",)
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                whole = "config.json" in archive.namelist()
            part = "a zip archive without a config.json"
        elif start == _HDF5:
            with h5py.File(path) as file:
                whole, endings = "model_config" in file.attrs, (".h5", ".hdf5")
            part = "an HDF5 file without the model's configuration: weights alone"
        elif start.startswith(b"PK"):
            return "a zip archive that is cut off"
        else:
            return "a file of another kind" if start else "an empty file"
    except UNREADABLE:
        return None
    if not whole:
        return part
    return None if path.name.endswith(endings) else f"one that does not end in {endings[0]}; rename it, or"


def _foreign_layers(path: str | Path) -> list[str]:
    """Return the name and class of every layer in a `.keras` file that Keras cannot make again by itself."""
    try:
        with zipfile.ZipFile(path) as file:
            return list(dict.fromkeys(_foreign(json.loads(file.read("config.json")))))
    except UNREADABLE:
        return []


def _foreign(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        kind, inner = config.get("class_name"), config.get("config")
        from_keras = str(config.get("module", "keras")).split(".")[0] == "keras" and kind != "Lambda"
        if isinstance(inner, dict) and "name" in inner and not from_keras:
            yield f"{inner['name']!r} ({kind})"
    for item in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _foreign(item)
