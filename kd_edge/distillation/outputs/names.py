"""Which output of a network answers which of the tasks of its data, where there are several."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kd_edge.data.dataset import Dataset
from kd_edge.errors import ModelError


def output_names(model: keras.Model) -> list[str]:
    """Return what the outputs of a network are called, in the order of `outputs`."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    structure = model.output
    return sorted(structure) if isinstance(structure, Mapping) else list(model.output_names)


def check_outputs(model: keras.Model, data: Dataset) -> None:
    """Check that a network has the outputs that data of several ask for, by their names; of one output nothing.

    Raises:
        ModelError: It has not, or not with as many numbers.
    """
    if not data.task.parts:
        return
    if not getattr(model, "outputs", None):
        raise ModelError(
            f"{model.name!r} has outputs that are not known: expected a functional model for several outputs"
        )
    found = {name: output.shape[-1] for name, output in zip(output_names(model), model.outputs, strict=True)}
    wanted = data.heads
    if found != wanted:
        expected, received = (
            ", ".join(f"{name!r} ({count})" for name, count in side.items()) for side in (wanted, found)
        )
        raise ModelError(
            f"{model.name!r} has other outputs than {data.name}: expected {expected}, received {received}; call its "
            "last layers so, or let it return a dict by these names"
        )


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
    """Return a network with several outputs in the order in which a student has outputs of the same names."""
    if not all(len(getattr(network, "outputs", None) or ()) > 1 for network in (student, model)):
        return model
    places = places_of(output_names(student), output_names(model), len(model.outputs))
    if places == sorted(places):
        return model
    return keras.Model(model.inputs, [model.outputs[place] for place in places], name=model.name)
