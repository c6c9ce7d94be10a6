"""Of the zoo and of students: graph, size and arena are those of the converter's file and of the real interpreter."""

import functools

import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.cost.file_size import flash_bytes
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.ir.lowering import lower, read_blueprint
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.runners.tflm import measure_arena
from tools.networks import zoo

ZOO = [pytest.param(name, marks=pytest.mark.slow) if name in zoo.SLOW else name for name in zoo.NETWORKS]


@pytest.fixture(scope="module")
def zoo_model():
    """Returns a network of the zoo by its name."""
    return functools.cache(zoo.build)


@pytest.fixture(scope="module")
def zoo_file(zoo_model):
    """Returns a network of the zoo as the converter's int8 file, by its name."""
    return functools.cache(lambda name: convert(zoo_model(name), zoo.samples(zoo_model(name))))


@pytest.fixture(scope="module")
def students():
    """Random students of every family: their graph and the converter's file."""
    rng = np.random.default_rng(3)
    pairs = []
    for name, shape in (("ds_cnn", (64, 6)), ("ds_cnn", (16, 16, 1)), ("resnet", (64, 6)), ("resnet", (16, 16, 3))):
        space = StudentSpace.family(name, shape, 5)
        blueprint = space.blueprint(space.sample(rng))
        model = blueprint.to_keras()
        # As after a training: of a fresh network the converter would drop or merge the equal biases.
        noise = [np.abs(rng.normal(1, 0.1, w.shape)) if w.ndim == 1 else w for w in model.get_weights()]
        model.set_weights(noise)
        pairs.append((blueprint.to_graph(), convert(model, rng.normal(size=(8, *shape)))))
    return pairs


@pytest.mark.parametrize("name", ZOO)
def test_a_network_of_the_zoo_is_lowered_as_the_converter_does(name, zoo_model, zoo_file):
    assert lower(zoo_model(name)) == lower(zoo_file(name)).canonical()


@pytest.mark.parametrize("name", ZOO)
def test_a_network_of_the_zoo_survives_the_trip_through_a_blueprint(name, zoo_model):
    model = zoo_model(name)
    blueprint = read_blueprint(model)
    again = blueprint.to_keras()
    assert read_blueprint(again) == blueprint
    assert lower(again) == blueprint.to_graph() == lower(model)
    assert [t.shape for t in again.outputs] == [t.shape for t in model.outputs]


@pytest.mark.parametrize("name", ZOO)
def test_the_size_of_a_file_of_the_zoo_is_met_within_one_percent_or_128_bytes(name, zoo_model, zoo_file):
    real = len(zoo_file(name))
    assert flash_bytes(lower(zoo_model(name))) == pytest.approx(real, rel=0.01, abs=128)
    # With the names of the file known, nothing is left but the padding of tables.
    assert flash_bytes(lower(zoo_file(name))) == pytest.approx(real, rel=0.001, abs=128)


@pytest.mark.parametrize("name", ZOO)
def test_the_arena_of_a_network_of_the_zoo_is_the_interpreters_to_the_byte(name, zoo_model, zoo_file):
    content = zoo_file(name)
    predicted = arena_bytes(lower(content), pointer_bytes=8)
    assert arena_bytes(lower(zoo_model(name)), pointer_bytes=8) == predicted
    real = measure_arena(content)
    assert predicted.nonpersistent_bytes == real.nonpersistent_bytes
    assert predicted.persistent_bytes == real.persistent_bytes


@pytest.mark.parametrize("name", ["two_inputs", "two_outputs", "two_towers"])
def test_inputs_and_outputs_keep_the_order_of_the_model(name, zoo_model, zoo_file):
    model, graph = zoo_model(name), lower(zoo_file(name))
    for side in ("inputs", "outputs"):
        expected = [tuple(tensor.shape[1:]) for tensor in getattr(model, side)]
        assert [graph.tensors[i].shape[1:] for i in getattr(graph, side)] == expected


def test_the_graphs_of_students_are_the_converters(students):
    for graph, content in students:
        assert lower(content).canonical() == graph


def test_the_size_of_students_is_met_within_one_percent_or_128_bytes(students):
    for graph, content in students:
        assert flash_bytes(graph) == pytest.approx(len(content), rel=0.01, abs=128)
