"""A network with several outputs is compared with a student's by their names."""

from collections import OrderedDict

import keras
import numpy as np
import pytest
from keras.distillation import LogitsDistillation

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.outputs.names import in_order_of
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.ir.output_names import output_names

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


def ordered(names=OWN):
    """A network that answers `"b"` and then `"a"`, as an ordered mapping does and a plain one does not."""
    model = network("ba", names, as_dict=True)
    return keras.Model(model.input, OrderedDict((key, model.output[key]) for key in "ba"))


def ending(model):
    return keras.Sequential([keras.Input((8,)), model])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (network("ba", OTHER, as_dict=True), ["a", "b"]),
        (ordered(OTHER), ["b", "a"]),
        (network("ba", OTHER), ["tb", "ta"]),
        (ending(network("ba", OTHER, as_dict=True)), ["a", "b"]),
        (ending(ordered(OTHER)), ["b", "a"]),
        (ending(ending(network("ba", OTHER))), ["tb", "ta"]),
    ],
    ids=["dict", "ordered", "list", "in sequential", "ordered in sequential", "in two"],
)
def test_names_are_those_of_the_outputs_in_their_order(model, names):
    assert output_names(model) == names
    assert [output.shape[-1] for output in model.outputs] == [WIDTHS[name[-1]] for name in names]


def test_stored_targets_of_an_ordered_mapping_teach_the_outputs_of_their_names(task):
    teacher, losses = ordered(), {name: LogitsDistillation(2.0) for name in WIDTHS}
    wanted = teacher(task.x)
    targets = soft_targets(teacher, task.x)
    assert targets.names == ["b", "a"]
    for name, output in targets.lookup(task.x).items():
        np.testing.assert_allclose(output, wanted[name], atol=2e-3)
    for student in (network("ab", OWN), network("ab", OTHER, as_dict=True)):
        distiller = Distiller(targets, keras.models.clone_model(student), losses, student_loss_weight=0.0)
        distiller.student.set_weights(_weights_like(teacher, distiller.student))
        distiller.compile(keras.optimizers.SGD(0.0), loss={name: task.loss() for name in WIDTHS}, run_eagerly=True)
        history = distiller.fit(task.x, {"a": task.y % 2, "b": task.y}, epochs=1, verbose=0).history
        assert history["distillation_loss"][0] == pytest.approx(0.0, abs=1e-4)


def _weights_like(teacher, student):
    """Return the weights of a teacher's layers in the order of the student's, which differ in what they are called."""
    return [next(w for w in teacher.get_weights() if w.shape == own.shape) for own in student.get_weights()]
