"""Keras 3 models as models of tf_keras, the Keras that tensorflow-model-optimization works with."""

import inspect
import os
import re
from typing import Any

import keras
import tensorflow as tf

from kd_edge.errors import ModelError
from kd_edge.quiet import quiet

# What shapes the training only, or is said otherwise in tf_keras.
_LEFT_OUT = re.compile(r"dtype|.*_(initializer|regularizer|constraint)|batch_(input_)?shape")


def load_optimization() -> Any:
    """Import tensorflow-model-optimization beside Keras 3 and return it.

    It sets an environment variable that makes `tf.keras` the old Keras from then on, in this process and its children;
    here that is undone.
    """
    _ = tf.keras.layers  # what `tf.keras` is, is decided at its first use
    name = "TF_USE_LEGACY_KERAS"
    before = os.environ.get(name)
    try:
        with quiet():
            import tensorflow_model_optimization
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
    return tensorflow_model_optimization


def to_tf_keras(model: keras.Model) -> Any:
    """Return a copy of a model in tf_keras, layer by layer, with the same weights, names and outputs.

    Args:
        model: A functional or sequential model of built-in layers, each called once, with one input and one output.

    Raises:
        ModelError: The model is of another kind, or a layer has no counterpart in tf_keras.
    """
    import tf_keras

    if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"cannot copy {model.name!r} to tf_keras: expected a functional or sequential model with one input and "
            "one output, built"
        )
    copies: dict[int, Any] = {}

    def visit(value: Any) -> Any:
        layer, call, _ = value._keras_history
        if id(layer) not in copies:
            if call or len(layer._inbound_nodes) > 1:
                raise ModelError(f"cannot copy layer {layer.name!r} to tf_keras: expected a layer that is called once")
            sources = [visit(source) for source in layer._inbound_nodes[0].input_tensors]
            copies[id(layer)] = _copy(layer, sources)
        return copies[id(layer)]

    outputs = visit(model.outputs[0])
    return tf_keras.Model(visit(model.inputs[0]), outputs, name=model.name)


def _copy(layer: Any, sources: list[Any]) -> Any:
    import tf_keras

    kind = type(layer).__name__
    if kind == "InputLayer":
        return tf_keras.Input(layer.batch_shape[1:], dtype=layer.dtype, name=layer.name)
    counterpart = getattr(tf_keras.layers, kind, None)
    if counterpart is None or type(layer).__module__.split(".")[0] != "keras":
        raise ModelError(f"cannot copy layer {layer.name!r} ({kind}) to tf_keras: expected a layer of Keras' own")
    known = inspect.signature(counterpart.__init__).parameters
    config = {key: value for key, value in layer.get_config().items() if key in known and not _LEFT_OUT.fullmatch(key)}
    if odd := [key for key, value in config.items() if isinstance(value, dict)]:
        raise ModelError(f"cannot copy layer {layer.name!r} ({kind}) to tf_keras: expected a plain value of {odd[0]}")
    copy = counterpart.from_config({"name": layer.name, **config})
    result = copy(sources[0] if len(sources) == 1 else sources)
    copy.set_weights(layer.get_weights())
    return result
