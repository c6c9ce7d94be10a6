"""Which output of a network answers which of the tasks of its data, where there are several."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kd_edge.data.dataset import Dataset
from kd_edge.errors import ModelError
from kd_edge.ir.output_names import output_names


def check_outputs(model: keras.Model, data: Dataset) -> None:
    """Check that a network has as many numbers as data ask for; of several outputs each by its name.

    Raises:
        ModelError: It has not; or its outputs are not known where several are asked for.
    """
    outputs = getattr(model, "outputs", None)
    if not data.task.parts:
        count, kind = data.num_outputs, data.task.kind
        if outputs and (len(outputs) != 1 or not answers_with(outputs[0], count, kind)):
            shapes = ", ".join(str(tuple(output.shape[1:])) for output in outputs)
            raise ModelError(
                f"{model.name!r} has other outputs than {data.name}: expected one of {count} numbers as the task "
                f"{kind!r} needs, received shape {shapes}"
            )
        return
    if not outputs:
        raise ModelError(
            f"{model.name!r} has outputs that are not known: expected a functional model for several outputs"
        )
    found, wanted = dict(_numbers_of(model, data)), data.heads
    if found != wanted:
        expected, received = (
            ", ".join(f"{name!r} ({count})" for name, count in side.items()) for side in (wanted, found)
        )
        raise ModelError(
            f"{model.name!r} has other outputs than {data.name}: expected {expected}, received {received}; call its "
            "last layers so, or let it return a dict by these names"
        )


def _numbers_of(model: keras.Model, data: Dataset) -> Iterator[tuple[str, int | tuple[int | None, ...]]]:
    """Yield each output's name, and how many numbers it has; its shape where the task does not take that."""
    for name, output in zip(output_names(model), model.outputs, strict=True):
        count, part = num_numbers(output), data.task.by_output.get(name)
        fits = part is None or answers_with(output, count, part.kind)
        yield name, count if fits else tuple(output.shape[1:])


def answers_with(output: Any, count: int, kind: str) -> bool:
    """Return whether a Keras tensor has as many numbers for a sample, in one row but for a reconstruction."""
    return num_numbers(output) == count and (kind == "reconstruction" or output.shape[-1] == count)


def num_numbers(output: Any) -> int:
    """Return how many numbers a Keras tensor has for a sample; 0 where its shape is not known."""
    return math.prod(size or 0 for size in output.shape[1:])


def output_of(model: keras.Model, name: str) -> keras.Model:
    """Return a network with one of several outputs alone; it shares the layers.

    Args:
        model: The network.
        name: Of the output.
    """
    return keras.Model(model.inputs, model.outputs[output_names(model).index(name)], name=model.name)


def answered(model: keras.Model, answers: Any, data: Dataset) -> Any:
    """Return a network's answers as `Task.decisions` takes them: of several outputs by their names.

    Args:
        model: The network.
        answers: What it answered.
        data: What it was asked.
    """
    if not data.task.parts:
        return answers
    return dict(zip(output_names(model), keras.tree.flatten(answers), strict=True))


def by_name(model: keras.Model, data: Dataset) -> keras.Model:
    """Return a network that answers several outputs as a mapping of their names; it shares the layers."""
    if not data.task.parts:
        return model
    check_outputs(model, data)
    return keras.Model(model.inputs, dict(zip(output_names(model), model.outputs, strict=True)), name=model.name)


def places_of(names: Sequence[str], others: Sequence[str], count: int) -> list[int]:
    """Return where each output of a network is among the `count` of another: at its name, or where that is not known at
    the same place.

    Args:
        names: Of its outputs, in order.
        others: Of the other's outputs, in order.
        count: How many the other has.
    """
    if len(names) != len(others) or set(names) != set(others):
        return list(range(count))
    return [others.index(name) for name in names]


def in_order_of(student: keras.Model, model: keras.Model) -> keras.Model:
    """Return a network with several outputs in the order in which a student has outputs, and by the same names."""
    counts = [len(getattr(network, "outputs", None) or ()) for network in (student, model)]
    if counts[0] != counts[1] or counts[0] < 2:
        return model
    names, others = output_names(student), output_names(model)
    if names == others:
        return model
    places = places_of(names, others, len(others))
    ordered = keras.Model(model.input, [model.outputs[place] for place in places], name=model.name)
    ordered.output_names = names  # a loss or metric of `compile` is found by them
    return ordered
