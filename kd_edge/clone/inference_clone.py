"""Clones of Keras models as the converter takes them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras

from kd_edge.clone.cloning import clone_of
from kd_edge.clone.layer_names import names_of
from kd_edge.clone.tflm_layers import layer_for_tflm, operation_for_tflm
from kd_edge.compat.keras import all_layers, nodes_in_order, sources_of
from kd_edge.errors import ModelError

_OTHER_FLOATS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
# Measured with 16 units: 128 steps of a LSTM take 10 s to convert, of a GRU 22 s, and make 1.0 MB; 256 steps take 27 s
# and 38 s, and make 3.2 MB.
_MAX_STEPS = 128
# What leaves an index an index.
_SHAPING = ("Reshape", "Flatten", "Permute", "Squeeze", "ExpandDims", "Transpose")


def batch_of_one(model: keras.Model, *, unroll: bool = False) -> keras.Model:
    """Return a clone of a model, weights included, that reads one sample at a time.

    Args:
        model: A functional or sequential model. Layers that Keras writes in operators which TFLM lacks are written in
            others, see `tflm_layers`. Layers that compute in half or double precision do so in `float32` in the clone;
            inputs that only embeddings read, as indices, are integers there, and integers that are scaled are numbers.
        unroll: Whether recurrent layers repeat their ops for every time step in place of a loop.

    Raises:
        ModelError: The model is subclassed or not built, has a size that is not known, reads text, or has too many
            steps to unroll.
    """
    if not getattr(model, "inputs", None):
        raise ModelError(f"cannot convert {model.name!r}: expected a functional or sequential Keras model, built")
    for source in model.inputs:
        if None in source.shape[1:]:
            shape = tuple(source.shape[1:])
            raise ModelError(f"cannot convert {model.name!r}: expected a static input shape, received {shape}")
        if source.dtype == "string":
            raise ModelError(
                f"cannot convert {model.name!r}: expected inputs of numbers, received text in {source.name!r}; convert "
                "the part behind the TextVectorization, which reads its indices, and let the firmware look these up"
            )
    if unroll:
        _check_steps(model)
    return _clone(model, 1, {"unroll": True} if unroll else {})


def _clone(model: keras.Model, batch_size: int | None, changes: Mapping[str, Any]) -> keras.Model:
    """Return a clone, weights included, whose layers have other values of some arguments; outputs are a flat list."""
    if not isinstance(model, keras.Sequential) and keras.tree.is_nested(model.input):
        # A dict of inputs is refused by the converter unless its keys are in order.
        flat = model.inputs if len(model.inputs) > 1 else model.inputs[0]
        model = keras.Model(flat, model.output, name=model.name)
    sources = [
        keras.Input(batch_shape=(batch_size, *source.shape[1:]), dtype=_input_dtype(model, source), name=name)
        for name, source in zip(_input_names(model), model.inputs, strict=True)
    ]
    clone = clone_of(
        model,
        input_tensors=sources if len(sources) > 1 else sources[0],
        make_layer=partial(_clone_layer, changes=changes),
        inner_inputs=_inner_inputs,
    )
    if isinstance(clone, keras.Sequential) or not keras.tree.is_nested(clone.output):
        return clone
    # The signature of a dict has its keys for names, that of a list its order.
    return keras.Model(clone.input, clone.outputs if len(clone.outputs) > 1 else clone.outputs[0], name=clone.name)


def _input_names(model: keras.Model) -> list[str]:
    """Return fixed names that no layer has: Keras' running number would make the file differ from call to call."""
    count, taken = len(model.inputs), names_of(model).known - {source.name for source in model.inputs}
    names = [f"input_{index}" for index in range(count)] if count > 1 else ["input"]
    for index in range(count):
        while names[index] in taken:
            names[index] += "_"
    return names


def _input_dtype(model: keras.Model, source: keras.KerasTensor) -> str:
    if _is_index(model, source):
        return "int32"  # int8 in steps would merge the indices, and TFLM has no CAST of other integers
    if "int" in source.dtype and _is_scaled(model, source):
        return "float32"  # TFLM has no CAST of bytes, and an int8 input takes them as they are
    return str(_full_precision(source.dtype))


def _is_index(model: keras.Model, tensor: keras.KerasTensor) -> bool:
    """Return whether only embeddings read a tensor, perhaps in another shape or inside of a nested model."""
    nodes = [node for node in nodes_in_order(model) if any(source is tensor for source in node.input_tensors)]
    readers = [_reads_index(model, node, tensor) for node in nodes]
    return True in readers and False not in readers and not any(output is tensor for output in model.outputs)


def _is_scaled(model: keras.Model, tensor: keras.KerasTensor) -> bool:
    """Return whether all that reads a tensor makes numbers of it first, perhaps inside of a nested model."""
    nodes = [node for node in nodes_in_order(model) if any(source is tensor for source in node.input_tensors)]
    return bool(nodes) and all(_scales(node, tensor) for node in nodes)


def _scales(node: Any, tensor: keras.KerasTensor) -> bool:
    reader = node.operation
    if isinstance(reader, keras.Model) and (inner := _inner_input(node, tensor)) is not None:
        return _is_scaled(reader, inner)
    casts = type(reader).__name__ == "Cast" and "float" in str(reader.dtype)
    return casts or isinstance(reader, keras.layers.Rescaling | keras.layers.Normalization)


def _reads_index(model: keras.Model, node: Any, tensor: keras.KerasTensor) -> bool | None:
    """Return whether a call takes a tensor as an index; `None` for a mask, which takes numbers of any kind."""
    reader = node.operation
    if isinstance(reader, keras.layers.Embedding):
        return True
    if type(reader).__name__ in ("NotEqual", "Equal"):  # of `mask_zero`
        return None
    if isinstance(reader, keras.Model) and (inner := _inner_input(node, tensor)) is not None:
        return _is_index(reader, inner)
    return type(reader).__name__ in _SHAPING and _is_index(model, node.output_tensors[0])


def _inner_input(node: Any, tensor: keras.KerasTensor) -> keras.KerasTensor | None:
    """Return the input of a nested model that a call gives a tensor to; `None` where that is not known."""
    sources, inputs = sources_of(node), getattr(node.operation, "inputs", ())
    if len(inputs) != len(sources):
        return None
    return next(inner for inner, source in zip(inputs, sources, strict=True) if source is tensor)


def _inner_inputs(model: keras.Model) -> Any:
    """Return inputs like a nested model's own, of integers where they are indices."""
    sources = [
        keras.Input(batch_shape=source.shape, dtype=_input_dtype(model, source), name=source.name)
        for source in model.inputs
    ]
    return sources[0] if isinstance(model, keras.Sequential) else keras.tree.pack_sequence_as(model.input, sources)


def _clone_layer(layer: keras.layers.Layer, *, changes: Mapping[str, Any]) -> keras.layers.Layer:
    if isinstance(layer, keras.layers.Lambda):
        dtype = _full_precision(layer.dtype_policy.name)
        return keras.layers.Lambda(layer.function, arguments=layer.arguments, name=layer.name, dtype=dtype)
    if not isinstance(layer, keras.layers.Layer):
        return operation_for_tflm(layer)
    return layer_for_tflm(layer, _changed(layer.get_config(), changes))


def _changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """Return a layer's configuration with other values, also in the layers inside of it, and in full precision."""
    if isinstance(config, dict):
        values = {key: _full_precision(value) if key == "dtype" else value for key, value in config.items()}
        return {key: changes[key] if key in changes else _changed(value, changes) for key, value in values.items()}
    return [_changed(value, changes) for value in config] if isinstance(config, list) else config


def _full_precision(dtype: Any) -> Any:
    """Return `"float32"` for a type or policy of half or double precision, which TFLite cannot compute in."""
    name = dtype["config"].get("name") if isinstance(dtype, dict) else dtype
    return "float32" if name in _OTHER_FLOATS else dtype


def without_state(model: keras.Model) -> keras.Model:
    """Return a model that takes any number of samples at once, a clone of one that keeps its state between them."""
    return _clone(model, None, {"stateful": False}) if has_state(model) else model


def has_state(model: keras.Model) -> bool:
    """Return whether a layer of a model keeps its state from one batch to the next."""
    return any(getattr(layer, "stateful", False) for layer in all_layers(model))


def _check_steps(model: keras.Model) -> None:
    for layer in all_layers(model):
        if getattr(layer, "unroll", True):
            continue
        shapes = layer.get_build_config()
        steps = (shapes.get("input_shape") or shapes["shapes_dict"]["sequences_shape"])[1]
        if steps is None or steps > _MAX_STEPS:
            raise ModelError(
                f"cannot quantize {model.name!r}: expected at most {_MAX_STEPS} time steps in a recurrent layer, "
                f"received {steps} in layer {layer.name!r}; shorten the samples, convert to dynamic or float16, or "
                "give the layer unroll=True and wait"
            )
