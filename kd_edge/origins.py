"""Finds the Keras layer that an op of a `.tflite` file came from, by the names that the converter leaves."""

import re
from collections.abc import Collection

from tflite_bench.model import ModelInfo, OpInfo

_RUNNING_NUMBER = re.compile(r"_\d+$")


def layer_of(info: ModelInfo, op: OpInfo, known: Collection[str] = ()) -> str:
    """Return the name of the layer that made an op.

    The converter names a tensor by the path of its layer, such as `"student_1/conv2d_1/convolution"`; where it has
    replaced that name, as for the model's output, the op's weights still have theirs.

    Args:
        info: The file.
        op: One of its ops.
        known: Names of the model's layers; with them the number that tracing appends to a name is taken off.

    Returns:
        The layer's name; the tensor's name where it is no path.
    """
    constants = [info.tensors[i].name for i in op.inputs if i >= 0 and info.tensors[i].constant]
    names = [info.tensors[i].name for i in op.outputs if i >= 0] + constants
    found = [layer_in(name, known) for name in names]
    return next((layer for layer in found if layer), next(iter(names), ""))


def layer_in(path: str, known: Collection[str] = ()) -> str | None:
    """Return the layer named in a tensor's path, `None` where it is no path.

    Args:
        path: Paths of fused layers are separated by semicolons, the one with the weights comes last.
        known: Names of the model's layers.
    """
    parts = path.split(";")[-1].split("/")
    if len(parts) < 2:
        return None
    for part in reversed(parts):
        for name in (part, _RUNNING_NUMBER.sub("", part)):
            if name in known:
                return name
    return "/".join(parts[1:-1]) or parts[0]
