"""Graphs of Keras models with layers that nothing here knows: what the converter itself makes of them."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from kd_edge.compat.keras import all_layers
from kd_edge.errors import KdEdgeError, reason_in
from kd_edge.ir.graph import Graph
from kd_edge.ir.tflite_reader import read_graph
from kd_edge.silence import quiet
from tflite_bench.model.reader import read_model

if TYPE_CHECKING:
    import keras

_LOOPS = frozenset({"While", "StatelessWhile"})
# More steps of a recurrent layer take too long to unroll.
_MAX_STEPS = 128
_KNOWN: "weakref.WeakKeyDictionary[Any, dict[bool, Graph | str | None]]" = weakref.WeakKeyDictionary()


def converted_graph(model: "keras.Model", *, quantized: bool) -> Graph | str | None:
    """Convert a model once with the weights it has, and read the result.

    Args:
        model: A Keras model whose inputs have a static shape.
        quantized: To int8, calibrated on random numbers: what it computes does not matter. A model with a loop that
            cannot be unrolled stays float, since TensorFlow's calibrator crashes on loops.

    Returns:
        The graph, why there is none, or `None` where the model cannot be called, since its inputs are not known.
    """
    known = _KNOWN.setdefault(model, {})
    if quantized not in known:
        known[quantized] = _convert(model, quantized)
    return known[quantized]


def _convert(model: "keras.Model", quantized: bool) -> Graph | str | None:
    sources = getattr(model, "inputs", None)
    if not sources or any(None in source.shape[1:] for source in sources):
        return None
    try:
        with quiet():
            return read_graph(read_model(_content(model, quantized)))
    except KdEdgeError as error:
        return str(error)
    except Exception as error:  # TensorFlow raises what its converter meets
        return reason_in(error)[:200]


def _content(model: "keras.Model", quantized: bool) -> bytes:
    import tensorflow as tf

    with _unrolled(model) if quantized else nullcontext():
        function = _traced(model)
    loops = any(operation.type in _LOOPS for operation in function.graph.get_operations())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if quantized and not loops:
        specs = function.inputs[: len(model.inputs)]  # behind them come constants and variables
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _samples(specs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _traced(model: "keras.Model") -> Any:
    """Return the model as a function of one sample."""
    import keras
    import tensorflow as tf

    specs = [tf.TensorSpec((1, *source.shape[1:]), source.dtype) for source in model.inputs]
    form = model.input if not isinstance(model, keras.Sequential) else model.inputs[0]
    function = tf.function(lambda *flat: model(keras.tree.pack_sequence_as(form, flat), training=False))
    return function.get_concrete_function(*specs)


def _samples(specs: Any) -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(2):
        yield [rng.normal(size=spec.shape).astype(spec.dtype.as_numpy_dtype) for spec in specs]


@contextmanager
def _unrolled(model: "keras.Model") -> Iterator[None]:
    """Let recurrent layers repeat their ops for every step, where these are not too many, as long as this is active."""
    layers = [layer for layer in all_layers(model) if getattr(layer, "unroll", None) is False]
    short = [layer for layer in layers if (_num_steps(layer) or _MAX_STEPS + 1) <= _MAX_STEPS]
    for layer in short:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in short:
            layer.unroll = False


def _num_steps(layer: Any) -> int | None:
    shapes = layer.get_build_config() or {}
    shape = shapes.get("input_shape") or shapes.get("shapes_dict", {}).get("sequences_shape")
    return shape[1] if shape else None
