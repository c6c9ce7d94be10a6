"""Finds the Keras layer that an op of a `.tflite` file came from, by the names that the converter leaves."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from kd_edge.clone.valid_names import valid_names
from kd_edge.compat.keras import all_layers, all_operations, maker_of
from tflite_bench.model.info import ModelInfo, OpInfo

if TYPE_CHECKING:
    import keras

_RUNNING_NUMBER = re.compile(r"_\d+$")
# What the operation with a layer's weights is called, and what BatchNormalization is that was folded into it.
_WEIGHTED = re.compile(r"/(convolution|depthwise|conv_transpose|MatMul|Tensordot|Conv2D|DepthwiseConv2d)")
_FOLDED = "/batchnorm/"
# A name of `short_names`; with the part after the colon a constant's, or not its layer's first. `:0` is TensorFlow's.
_SHORT = re.compile(r"(?P<layer>[A-Za-z0-9.][A-Za-z0-9_.-]*)(?P<part>:(?:[a-z]\w*|[1-9]\d*))?")
# How tensorflow-model-optimization renames a layer.
_TUNED_PREFIX = "quant_"


class LayerNames(NamedTuple):
    """Names of the layers of a Keras model; empty where there is no model beside the file.

    Attributes:
        known: All layers and operations, those of nested models too. With them the
            number that tracing appends is taken off.
        outputs: The layer that makes each output, whose name the converter replaces.
        renamed: Names that TensorFlow refuses, by those that stand for them in the file.
        model: The model itself. A path that begins with just this name was not traced by Keras 3, so nothing is
            appended to the names behind it.
    """

    known: frozenset[str] = frozenset()
    outputs: tuple[str, ...] = ()
    model: str = ""
    renamed: Mapping[str, str] = MappingProxyType({})


UNNAMED = LayerNames()


def names_of(model: "keras.Model | None") -> LayerNames:
    """Return the names of a model's layers; none for `None`."""
    if model is None:
        return UNNAMED
    outputs = tuple(maker_of(output)[0].name for output in model.outputs)
    every = (*all_layers(model), *all_operations(model))
    inside = [each.name for each in every if each is not model]
    valid = valid_names(each.name for each in every)
    known = frozenset(valid.get(name, name) for name in inside)
    renamed = {other: name for name, other in valid.items()}
    return LayerNames(known, outputs, valid.get(model.name, model.name), renamed)


def layer_of(info: ModelInfo, op: OpInfo, names: LayerNames = UNNAMED, *, subgraph: int = 0) -> str:
    """Return the name of the layer that made an op.

    The converter names a tensor by the path of its layer, such as `"student_1/conv2d_1/convolution"`; where it has
    replaced that name, as for the model's output, the op's weights still have theirs.

    Args:
        info: The file.
        op: One of its ops.
        names: Names of the model's layers.
        subgraph: Position of the subgraph that has the op.

    Returns:
        The layer's name; the tensor's name where no layer is named.
    """
    own = info.subgraphs[subgraph].tensors
    constants = [own[i].name for i in op.inputs if i >= 0 and own[i].constant]
    tensors = [own[i].name for i in op.outputs if i >= 0] + constants
    found = [_named_shortly(name, names) or layer_in(name, names) for name in tensors]
    ends = () if subgraph else zip(info.outputs, names.outputs, strict=False)
    at_end = [name for i, name in ends if i in op.outputs]
    return next((layer for layer in (*found, *at_end) if layer), next(iter(tensors), ""))


def _named_shortly(tensor: str, names: LayerNames) -> str | None:
    """Return the layer that gave a tensor its short name, `None` where it has none; see `short_names`."""
    found = _SHORT.fullmatch(tensor)
    if found is None or not (found["layer"] in names.known or (found["part"] and not names.known)):
        return None
    return names.renamed.get(found["layer"], found["layer"])


def layer_in(path: str, names: LayerNames = UNNAMED) -> str | None:
    """Return the layer named in a tensor's path, `None` where it is no path.

    Args:
        path: Paths of fused layers are separated by semicolons; the one with the weights counts.
        names: Names of the model's layers.
    """
    paths = [one.split("/") for one in _candidates(path.split(";")) if "/" in one]
    for parts in reversed(paths):
        # The last part is what a layer computes: `add_1` of a BatchNormalization is no layer `add`.
        for part in reversed(parts[:-1]):
            if name := _known(part, names, traced=parts[0] != names.model):
                return name
    return ("/".join(paths[-1][1:-1]) or paths[-1][0]) if paths else None


def _known(part: str, names: LayerNames, *, traced: bool) -> str | None:
    """Return the layer that a part of a path stands for.

    Keras 3 opens two scopes of a layer's name when it is called, and TensorFlow numbers the second one: `conv1d_1` is
    layer `conv1d` then, also beside a layer `conv1d_1`, which is called `conv1d_1_2`.
    """
    bare = part.removeprefix(_TUNED_PREFIX)
    numbered = _RUNNING_NUMBER.sub("", part)
    readings = (numbered, part, bare) if traced else (part, bare, numbered)
    found = next((name for name in readings if name in names.known), None)
    return found if found is None else names.renamed.get(found, found)


def _candidates(paths: list[str]) -> list[str]:
    weighted = [path for path in paths if _WEIGHTED.search(path)]
    return weighted or [path for path in paths if _FOLDED not in path] or paths
