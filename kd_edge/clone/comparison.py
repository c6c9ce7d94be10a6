"""Compares the clone that is converted with its model, float against float."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from kd_edge.compat.keras import all_layers, nodes_in_order
from kd_edge.errors import ConversionWarning, ModelError, reason_in

NUM_COMPARED = 32
# Of the largest output: the rounding of a clone whose operators are written otherwise, or of layers that computed in
# half precision and do so no longer.
_TOLERANCES = {"float32": 1e-4, "float16": 5e-2, "bfloat16": 2e-1}

Arrays = Sequence[np.ndarray]


def check_clone(model: keras.Model, clone: keras.Model, samples: Arrays) -> None:
    """Check that a clone computes what its model computes; neither is changed by it.

    Args:
        model: A functional or sequential model.
        clone: Its clone for one sample at a time.
        samples: One array of samples per input; the first 32 are compared, of a model with a fixed batch as many as
            that holds, of one that keeps a state between samples the first one.

    Raises:
        ModelError: The outputs differ beyond rounding; the message names the layer at which they part.

    Warns:
        ConversionWarning: The model answers differently from call to call, so that nothing can be compared.
    """
    theirs, own = batches(model, samples)
    try:
        expected, received = answers(model, theirs, len(own[0])), answers(clone, own)
    except Exception as error:
        raise ModelError(
            f"cannot convert {model.name!r}: expected samples that it can read, as for an embedding indices from 0 to "
            f"its size, received ones that it fails on: {reason_in(error)}"
        ) from error
    tolerance = _tolerance(model)
    differences = [_excess(a, b, tolerance) for a, b in zip(expected, received, strict=True)]
    if not any(differences):
        return
    again = answers(model, theirs, len(own[0]))
    if any(_excess(a, b, tolerance) for a, b in zip(expected, again, strict=True)):
        warnings.warn(
            f"{model.name!r} was not compared with what is converted: its answers differ from call to call, at layer "
            f"{_parting(model, model, theirs, theirs, tolerance)!r}",
            ConversionWarning,
            stacklevel=3,
        )
        return
    raise ModelError(
        f"cannot convert {model.name!r}: expected a clone that computes what the model computes, received outputs that "
        f"differ by {max(differences):.2g}; they part at layer {_parting(model, clone, theirs, own, tolerance)!r}. "
        "What a layer knows beside its weights must come from its get_config or its save_own_variables"
    )


def drawn_samples(model: keras.Model) -> list[np.ndarray]:
    """Return random samples for a model that was given none: indices where an embedding reads them."""
    rng, limits = np.random.default_rng(0), _index_limits(model)
    shapes = [(NUM_COMPARED, *source.shape[1:]) for source in model.inputs]
    return [
        rng.integers(0, limits.get(id(source), 2), shape).astype(source.dtype)
        if id(source) in limits or "float" not in source.dtype
        else rng.normal(size=shape).astype(np.float32)
        for source, shape in zip(model.inputs, shapes, strict=True)
    ]


def _index_limits(model: keras.Model) -> dict[int, int]:
    """Return how many indices the embeddings know that read an input; of one further inside, any input may be it."""
    limits: dict[int, int] = {}
    inside = {id(layer): layer for layer in all_layers(model) if isinstance(layer, keras.layers.Embedding)}
    for node in nodes_in_order(model):
        if isinstance(node.operation, keras.layers.Embedding):
            inside.pop(id(node.operation), None)
            source = id(node.input_tensors[0])
            limits[source] = min(node.operation.input_dim, limits.get(source, node.operation.input_dim))
    if inside:
        fewest = min(layer.input_dim for layer in inside.values())
        limits = {id(source): min(fewest, limits.get(id(source), fewest)) for source in model.inputs}
    return limits


def batches(model: keras.Model, samples: Arrays) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what the model reads, and of it what its clone reads: the same, but for a fixed batch or a state.

    Args:
        model: A functional or sequential model.
        samples: See `check_clone`.
    """
    size = model.inputs[0].shape[0]
    if size is None:
        size = NUM_COMPARED
        theirs = [array[:size] for array in samples]
    else:
        theirs = [np.resize(array[:size], (size, *array.shape[1:])) for array in samples]
    return theirs, [array[:1] for array in theirs] if _remembers(model) else theirs


def _remembers(model: keras.Model) -> bool:
    return any(getattr(layer, "stateful", False) for layer in all_layers(model))


def _tolerance(model: keras.Model) -> float:
    kinds = {layer.compute_dtype for layer in all_layers(model)}
    return max(_TOLERANCES[kind] for kind in {"float32", *(kinds & _TOLERANCES.keys())})


def answers(model: keras.Model, samples: Arrays, count: int | None = None) -> list[np.ndarray]:
    """Return the outputs for samples that stand alone; of a stateful model as from its beginning.

    Args:
        model: Left as it was.
        samples: One array per input.
        count: How many of the samples are answered; all by default.
    """
    with _untouched(model):
        given = [array.astype(source.dtype) for source, array in zip(model.inputs, samples, strict=True)]
        structured = keras.tree.pack_sequence_as(_inputs_of(model), given)
        outputs = keras.tree.flatten(model(structured, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(output))[:count] for output in outputs]


def _inputs_of(model: keras.Model) -> Any:
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


@contextmanager
def _untouched(model: keras.Model) -> Iterator[None]:
    """Start recurrent layers from zeros meanwhile, and leave all state as it was."""
    layers = [layer for layer in all_layers(model) if getattr(layer, "stateful", False)]
    states = [state for layer in layers for state in keras.tree.flatten(getattr(layer, "states", None) or [])]
    kept = {id(variable): variable for variable in (*states, *model.non_trainable_variables)}
    values = {key: keras.ops.convert_to_numpy(variable).copy() for key, variable in kept.items()}
    for state in states:
        state.assign(np.zeros(state.shape, state.dtype))
    try:
        yield
    finally:
        for key, variable in kept.items():
            variable.assign(values[key])


def _excess(expected: np.ndarray, received: np.ndarray, tolerance: float) -> float:
    """Return the largest difference where it is more than rounding, 0 where it is not."""
    if expected.shape != received.shape:
        return float("inf")
    if expected.dtype.kind not in "fc":
        return float(np.count_nonzero(expected != received))
    theirs, own = expected.astype(np.float64), received.astype(np.float64)
    known = np.isfinite(theirs)
    if not np.array_equal(theirs[~known], own[~known], equal_nan=True):
        return float("inf")
    difference = np.abs(theirs - own)[known].max(initial=0.0)
    return 0.0 if difference <= max(tolerance * np.abs(theirs[known]).max(initial=0.0), 1e-7) else float(difference)


def _parting(model: keras.Model, clone: keras.Model, theirs: Arrays, own: Arrays, tolerance: float) -> str:
    """Return the first layer, in the order of execution, whose outputs differ; its path in nested models."""
    nodes = list(zip(nodes_in_order(model), nodes_in_order(clone), strict=True))
    values = _values(model, [node for node, _ in nodes], theirs), _values(clone, [node for _, node in nodes], own)
    for one, other in nodes:
        pairs = zip(one.output_tensors, other.output_tensors, strict=True)
        if not any(_excess(values[0][id(a)][: len(values[1][id(b)])], values[1][id(b)], tolerance) for a, b in pairs):
            continue
        inner = one.operation
        if len(getattr(inner, "inputs", None) or ()) != len(one.input_tensors):
            return str(inner.name)
        fed, given = ([values[i][id(tensor)] for tensor in (one, other)[i].input_tensors] for i in (0, 1))
        return f"{inner.name}/{_parting(inner, other.operation, fed, given, tolerance)}"
    return str(model.name)


def _values(model: keras.Model, nodes: list[Any], samples: Arrays) -> dict[int, np.ndarray]:
    """Return the values of all tensors between a model's layers, by the tensors' ids."""
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    every = keras.Model(model.inputs, tensors)
    return dict(zip(map(id, tensors), answers(every, samples), strict=True))
