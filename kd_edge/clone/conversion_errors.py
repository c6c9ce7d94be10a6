"""Why TensorFlow's converter refuses a model, with the layers that it fails at."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kd_edge.clone.layer_names import layer_in, names_of
from kd_edge.errors import reason_in

if TYPE_CHECKING:
    import keras

_NO_TFLITE_OP = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


def reason_of(error: Exception, model: "keras.Model", *, operations: Mapping[str, str] | None = None) -> str:
    """Return why TensorFlow could not convert a model, in one line with the layers that it failed at.

    Args:
        error: TensorFlow's.
        model: The model, or the one whose copy it was.
        operations: One name per kind of operation in the graph, for a copy in tf_keras: there the error has none.
    """
    text = str(error).strip()
    ops = sorted(set(_NO_TFLITE_OP.findall(text)))
    if not ops:
        return reason_in(error)
    known = {**(operations or {}), **dict(reversed(re.findall(r'fused\["(\w+):", "([^"@]+)', text)))}
    layers = [layer_in(known.get(op, ""), names_of(model)) for op in ops]
    made = ", ".join(f"{op} (layer {layer!r})" if layer else op for op, layer in zip(ops, layers, strict=True))
    return f"TFLite has no operator for {made}; replace the layer by one that is made of TFLite's operators"
