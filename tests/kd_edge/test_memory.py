"""The arena and the file size against the real interpreter and the real converter."""

import numpy as np
import pytest

from kd_edge.graph import Graph, Op, Tensor
from kd_edge.memory import arena_bytes, flash_bytes


def chain(*sizes):
    """Return a graph whose activations have these many bytes, each made from the one before."""
    tensors = tuple(Tensor((1, size)) for size in sizes)
    ops = tuple(Op("RELU", (i,), (i + 1,)) for i in range(len(sizes) - 1))
    return Graph(tensors, ops, (0,), (len(sizes) - 1,))


def test_a_chain_needs_the_largest_pair_of_neighbours():
    assert arena_bytes(chain(160, 320, 64, 480, 16)).nonpersistent_bytes == max(160 + 320, 320 + 64, 64 + 480, 480 + 16)


def test_every_buffer_is_aligned_to_16_bytes():
    assert arena_bytes(chain(1, 17)).nonpersistent_bytes == 16 + 32


def test_a_value_that_is_read_late_stays():
    tensors = tuple(Tensor((1, 160)) for _ in range(4))
    ops = (Op("RELU", (0,), (1,)), Op("RELU", (1,), (2,)), Op("ADD", (2, 0), (3,)))
    # In the second op the input, its own input and its output are alive.
    assert arena_bytes(Graph(tensors, ops, (0,), (3,))).nonpersistent_bytes == 3 * 160


def test_the_plan_is_greedy_and_so_may_be_larger_than_the_sum_of_what_is_alive():
    # By size: 9 (ops 3 to 4) at 0, 6 (0 to 1) at 0, then of the equal ones the later: 4 (2 to 3) after the 9, and 4
    # (1 to 2), for which the gap from 6 to 9 is too small, after that.
    graph = chain(6 * 16, 4 * 16, 4 * 16, 9 * 16, 16)
    assert arena_bytes(graph).nonpersistent_bytes == (9 + 4 + 4) * 16


def test_pointers_of_a_microcontroller_take_less():
    graph = chain(160, 320)
    board, host = arena_bytes(graph, pointer_bytes=4), arena_bytes(graph, pointer_bytes=8)
    assert board.nonpersistent_bytes == host.nonpersistent_bytes
    assert board.persistent_bytes < host.persistent_bytes


@pytest.fixture(scope="module")
def converted():
    """Random students of every family: their graph and the converter's file."""
    from kd_edge.conversion import convert
    from kd_edge.space import StudentSpace

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


def test_the_arena_is_the_one_that_the_interpreter_reports(converted):
    from tflite_bench.tflm import measure_arena

    for graph, content in converted:
        real, predicted = measure_arena(content), arena_bytes(graph, pointer_bytes=8)
        assert predicted.nonpersistent_bytes == real.nonpersistent_bytes
        assert predicted.arena_bytes == pytest.approx(real.arena_bytes, abs=256)


def test_the_size_of_the_file_is_met_within_one_percent_or_half_a_kilobyte(converted):
    for graph, content in converted:
        assert flash_bytes(graph) == pytest.approx(len(content), rel=0.01, abs=512)


def test_the_graph_is_the_converters(converted):
    from kd_edge.lowering import lower

    for graph, content in converted:
        assert lower(content).canonical() == graph


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "persistent", "nonpersistent"),
    [
        # Reported by tflite-micro 0.dev20261023 on a 64-bit host.
        ("mlperf_kws_ref_model", 8272, 16000),
        ("mlperf_pretrainedResnet_quant", 6832, 49152),
        ("tflm_person_detect", 29968, 55296),
        ("mlperf_vww_96_int8", 29952, 73728),
        ("mlperf_ad01_int8", 3216, 768),
        ("tflm_hello_world_int8", 1472, 32),
        ("tflm_micro_speech_quantized", 1616, 5968),
    ],
)
def test_the_arenas_of_published_models_are_met(shared_path, name, persistent, nonpersistent):
    from kd_edge.lowering import lower

    arena = arena_bytes(lower(shared_path / "models" / f"{name}.tflite"), pointer_bytes=8)
    assert arena.nonpersistent_bytes == nonpersistent
    assert arena.persistent_bytes == pytest.approx(persistent, abs=16)
