"""Graphs of Keras models with layers that nothing here knows: what the converter itself makes of them."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from kd_edge.compat.keras import all_layers
from kd_edge.errors import KdEdgeError
from kd_edge.ir.graph import Graph
from kd_edge.ir.tflite_reader import read_graph
from kd_edge.silence import quiet
from tflite_bench.model.reader import read_model

if TYPE_CHECKING:
    import keras

_LOOPS = frozenset({"While", "StatelessWhile"})
# More steps of a recurrent layer take too long to unroll.
_MAX_STEPS = 128
_NUM_SAMPLES = 2
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
    from kd_edge.clone.conversion_errors import reason_of

    try:
        with quiet():
            return read_graph(read_model(_content(model, quantized)))
    except KdEdgeError as error:
        return str(error)
    except Exception as error:  # TensorFlow raises what its converter meets
        return reason_of(error, model)[:200]


def _content(model: "keras.Model", quantized: bool) -> bytes:
    """Return the file that `convert` makes, of a model that cannot be cloned that of the model itself."""
    import tensorflow as tf

    from kd_edge.clone.file_order import in_order_of
    from kd_edge.clone.inference_clone import batch_of_one
    from kd_edge.clone.layer_names import names_of
    from kd_edge.clone.short_names import with_short_names
    from kd_edge.clone.tflm_operators import with_tflm_operators

    clone = None
    with suppress(KdEdgeError):
        clone = batch_of_one(model)
    source = model if clone is None else clone
    with _unrolled(source) if quantized else nullcontext():
        function = _traced(source)
        converter = (
            tf.lite.TFLiteConverter.from_concrete_functions([function])
            if clone is None
            else tf.lite.TFLiteConverter.from_keras_model(clone)
        )
        if quantized and not any(operation.type in _LOOPS for operation in function.graph.get_operations()):
            _quantize(converter, source)
        content = with_tflm_operators(bytes(converter.convert()))
    return content if clone is None else with_short_names(in_order_of(clone, content), names_of(model))


def _quantize(converter: Any, model: "keras.Model") -> None:
    import tensorflow as tf

    from kd_edge.clone.comparison import drawn_samples

    names, samples = [source.name for source in model.inputs], [x[:_NUM_SAMPLES] for x in drawn_samples(model)]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        dict(zip(names, (row[None] for row in rows), strict=True)) for rows in zip(*samples, strict=True)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8


def _traced(model: "keras.Model") -> Any:
    """Return the model as a function of one sample."""
    import keras
    import tensorflow as tf

    specs = [tf.TensorSpec((1, *source.shape[1:]), source.dtype) for source in model.inputs]
    form = model.input if not isinstance(model, keras.Sequential) else model.inputs[0]
    function = tf.function(lambda *flat: model(keras.tree.pack_sequence_as(form, flat), training=False))
    return function.get_concrete_function(*specs)


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
