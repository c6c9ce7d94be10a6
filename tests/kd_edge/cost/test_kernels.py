"""Scratch buffers of optimised kernels, by the runtime of the board."""

from dataclasses import replace

import pytest

from kd_edge.cost.devices import load_device
from kd_edge.cost.esp_nn_scratch import RELEASES, esp_nn_scratch
from kd_edge.cost.kernels import kernels_of, scratch_bytes, why_between
from kd_edge.cost.memory.arena import arena_bytes, least_arena_bytes
from kd_edge.cost.memory.timeline import memory_timeline
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower


def convolution(kind: str, image: tuple, weights: tuple, result: tuple, strides: tuple = (1, 1)) -> Graph:
    tensors = (Tensor((1, *image)), Tensor(weights, constant=True), Tensor((1, *result)))
    return Graph(tensors, (Op(kind, (0, 1), (2,), strides),), (0,), (2,))


def esp_nn(graph: Graph, chip: str, release: str) -> tuple[int, ...]:
    return esp_nn_scratch(graph.operands(graph.ops[0]), graph.ops[0], chip=chip, release=release)


@pytest.mark.parametrize(
    ("graph", "chip", "release", "expected"),
    [
        # 8 x 8 filters, a transposed block of 8 pixels twice, 32 of alignment.
        (convolution("CONV_2D", (4, 4, 8), (8, 1, 1, 8), (4, 4, 8)), "s3", "1.1", 8 * 8 + 2 * 8 * 8 + 32),
        # With 3 channels the image is copied with 8.
        (convolution("CONV_2D", (4, 4, 3), (8, 1, 1, 3), (4, 4, 8)), "p4", "1.1", 16 * 8 + 8 * 8 + 2 * 8 * 8 + 32),
        # Padded by 1 on each side; filters with 16 channels; a sum of 4 bytes per filter.
        (
            convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8)),
            "s3",
            "1.1",
            8 * 8 * 4 + 9 * 16 * 8 + 32 + 4 * 8,
        ),
        # The state of 2026 gathers 36 values, filled up to 48, of the image and keeps so many per filter.
        (
            convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8)),
            "s3",
            "2026",
            4 * 8 + 32 + 8 * 48 + 48 + 64,
        ),
        (convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8)), "p4", "2026", 4 * 8 + 36 + 32),
        # 9 x 16 weights and the padded image.
        (
            convolution("DEPTHWISE_CONV_2D", (6, 6, 16), (1, 3, 3, 16), (6, 6, 16)),
            "s3",
            "1.1",
            9 * 16 + 8 * 8 * 16 + 16,
        ),
        # 8 channels are worked on in 16 bits.
        (
            convolution("DEPTHWISE_CONV_2D", (6, 6, 8), (1, 3, 3, 8), (6, 6, 8)),
            "s3",
            "1.1",
            2 * (9 * 8 + 6 * 6 * 8) + 16,
        ),
    ],
)
def test_esp_nn_asks_for_what_its_size_functions_return(graph, chip, release, expected):
    assert esp_nn(graph, chip, release) == (expected,)


def test_depthwise_convolutions_need_no_buffer_on_a_p4_and_nothing_does_in_float():
    graph = convolution("DEPTHWISE_CONV_2D", (6, 6, 16), (1, 3, 3, 16), (6, 6, 16))
    assert esp_nn(graph, "p4", "1.1") == esp_nn(graph, "p4", "2026") == ()
    floats = graph._replace(tensors=tuple(tensor._replace(dtype="float32") for tensor in graph.tensors))
    assert esp_nn(floats, "s3", "1.1") == ()


def test_a_release_that_is_not_known_makes_an_interval():
    board = replace(load_device("esp32-s3"), runtime_version="")
    least, most = kernels_of(board)
    graph = convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8))
    sizes = [arena_bytes(graph, kernels=kernels).nonpersistent_bytes for kernels in (least, most)]
    # Input, output, and 560 or 1,472 bytes of scratch.
    assert sizes == [144 + 288 + 560, 144 + 288 + 1472]
    known = replace(board, runtime_version="esp-nn 1.1.2")
    assert kernels_of(known) == ("esp-nn-s3-1.1",) * 2


def test_the_kernels_of_any_chip_need_what_those_of_the_greediest_do():
    graph = convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8))
    sizes = [arena_bytes(graph, kernels=f"esp-nn-{chip}").nonpersistent_bytes for chip in ("s3", "p4", "any")]
    assert sizes[2] == max(sizes[:2]) == 144 + 288 + 1472
    assert "'my-chip' is none that tflm+esp-nn is known for" in why_between(
        replace(load_device("esp32-s3"), core="my-chip")
    )


def test_a_core_without_dsp_instructions_needs_no_scratch_of_cmsis_nn():
    board = replace(load_device("nucleo-l4r5zi"), core="cortex-m0+")
    graph = convolution("CONV_2D", (6, 6, 4), (8, 3, 3, 4), (6, 6, 8))
    operands = graph.operands(graph.ops[0])
    assert [scratch_bytes(operands, kernels=kernels) for kernels in kernels_of(board)] == [(), ()]


def test_newer_releases_of_cmsis_nn_need_no_buffer_for_a_depthwise_3x3_convolution():
    graph = convolution("DEPTHWISE_CONV_2D", (6, 6, 16), (1, 3, 3, 16), (6, 6, 16))
    operands = graph.operands(graph.ops[0])
    least, most = kernels_of(replace(load_device("nucleo-l4r5zi"), runtime_version=""))
    assert scratch_bytes(operands, kernels=least) == ()
    assert scratch_bytes(operands, kernels=most) == (2 * 9 * 16,)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "kernels", "more_percent"),
    # The lower bound of a plan against reference kernels, as others worked it out from the size functions.
    [("mlperf_kws_ref_model", "esp-nn-s3-1.1", 151), ("tflm_person_detect", "esp-nn-s3-1.1", 38)],
)
def test_published_models_need_far_more_with_esp_nn(shared_path, name, kernels, more_percent):
    graph = lower(shared_path / "models" / f"{name}.tflite")
    arena = arena_bytes(graph, kernels=kernels)
    live = max(step.live_bytes for step in memory_timeline(graph, kernels=kernels))
    bound = max(arena.persistent_bytes + live, arena.starting_bytes)
    assert round(100 * (bound / arena_bytes(graph).arena_bytes - 1)) == more_percent
    assert arena.arena_bytes >= bound >= least_arena_bytes(graph, kernels=kernels)


def test_an_op_that_reads_nothing_such_as_the_handle_of_a_variable_needs_no_scratch():
    graph = Graph((Tensor((1,), "resource", num_scales=0),), (Op("VAR_HANDLE", (), (0,)),), (), (0,))
    assert esp_nn(graph, "s3", RELEASES[0]) == ()
