"""A network with several outputs is compared with a student's by their names."""

import keras
import numpy as np
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.outputs.names import in_order_of

WIDTHS = {"a": 2, "b": 3}


def network(order, names, *, as_dict=False):
    """A network with an output for each of `"a"` and `"b"` from layers of other names."""
    inputs = keras.Input((8,))
    outputs = {key: keras.layers.Dense(WIDTHS[key], name=names[key])(inputs) for key in order}
    return keras.Model(inputs, outputs if as_dict else list(outputs.values()))


OWN, OTHER = {"a": "a", "b": "b"}, {"a": "ta", "b": "tb"}


@pytest.mark.parametrize("model", [network("ab", OTHER, as_dict=True), network("ba", OTHER)], ids=["names", "places"])
def test_outputs_come_in_a_students_order_and_by_its_names(task, model):
    ordered = in_order_of(network("ba", OWN), model)
    assert ordered.output_names == ["b", "a"]
    expected = model(task.x)
    expected = [expected["b"], expected["a"]] if isinstance(expected, dict) else expected
    for ours, theirs in zip(ordered(task.x), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_network_with_the_students_names_in_its_order_is_left_as_it_is():
    model = network("ab", OTHER, as_dict=True)
    assert in_order_of(network("ab", OWN), model) is model


def test_a_trainee_like_a_teacher_with_layers_of_other_names_learns_by_the_students_names(task):
    losses = {name: LogitsDistillation(2.0) for name in WIDTHS}
    distiller = Distiller(network("ab", OTHER, as_dict=True), network("ba", OWN), losses, trainee="like_teacher")
    distiller.compile(
        "adam",
        loss={name: task.loss() for name in WIDTHS},
        metrics={name: ["accuracy"] for name in WIDTHS},
        run_eagerly=True,
    )
    history = distiller.fit(task.x, {"a": task.y % 2, "b": task.y}, epochs=1, verbose=0).history
    assert {"trainee_a_accuracy", "trainee_b_accuracy"} <= set(history)
