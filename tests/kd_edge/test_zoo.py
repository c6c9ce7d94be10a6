"""Networks of the zoo: their graph, size and arena are those of the converter's file and of the real interpreter."""

import pytest

from kd_edge.cost.file_size import flash_bytes
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.ir.lowering import lower, read_blueprint
from tflite_bench.runners.tflm import measure_arena
from tools.networks import zoo

ZOO = [pytest.param(name, marks=pytest.mark.slow) if name in zoo.SLOW else name for name in zoo.NETWORKS]


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
def test_the_size_of_a_file_of_the_zoo_is_met_within_one_percent_or_half_a_kilobyte(name, zoo_model, zoo_file):
    real = len(zoo_file(name))
    assert flash_bytes(lower(zoo_model(name))) == pytest.approx(real, rel=0.01, abs=512)
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
