"""Costs of whole networks and of their ops."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.file_size import flash_bytes
from kd_edge.cost.latency import latency_ms
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.cost.memory.timeline import memory_timeline
from kd_edge.cost.model import CostModel
from kd_edge.cost.runtime_size import runtime_flash
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.layers import Add, Conv2D, DepthwiseConv2D, GlobalAveragePooling2D
from kd_edge.ir.layers.core import Dense
from kd_edge.search.space.student_space import StudentSpace
from tflite_bench.model.operators.registry import register_op
from tflite_bench.model.operators.spec import OpSpec
from tflite_bench.provenance import provenance_of


@pytest.fixture(scope="module")
def graph() -> Graph:
    sketch = Sketch((8, 8, 3))
    x = sketch.add(Conv2D(4, (3, 3), padding="same", activation="relu"))
    sketch.add(DepthwiseConv2D((3, 3), padding="same"))
    sketch.add(Add(), x, sketch.last)
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(5))).to_graph()


def test_the_rows_per_op_add_up_to_the_cost_of_the_network(graph: Graph) -> None:
    model = CostModel(load_device("nucleo-l4r5zi"))
    cost, rows = model.estimate(graph), model.per_op(graph)
    assert [row.op for row in rows] == ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"]
    assert [row.index for row in rows] == [0, 1, 2, 3, 4]
    assert [row.macs for row in rows] == [64 * 4 * 27, 64 * 4 * 9, 0, 0, 4 * 5]
    assert sum(row.macs for row in rows) == cost.macs
    beside_ms = model.device.int8_inference_cycles / 1000 / model.device.clock_mhz
    assert sum(row.latency_ms for row in rows) + beside_ms == pytest.approx(cost.latency_ms)
    assert [row.latency_ms for row in rows] == list(latency_ms(graph, model.device).per_op)
    assert max(row.live_bytes for row in rows) <= cost.arena_nonpersistent_bytes


def test_without_costs_of_a_networks_numbers_all_but_the_latency_is_known(graph: Graph) -> None:
    board = load_device("nucleo-l4r5zi")
    floats = Graph(tuple(t._replace(dtype="float32") if t.dtype == "int8" else t for t in graph.tensors), *graph[1:])
    cost, reasons = CostModel(board).estimate_known(floats)
    timed = CostModel(replace(board, float32=board.int8)).estimate(floats)
    assert asdict(cost) == asdict(timed) | dict.fromkeys(reasons)
    assert list(reasons) == ["latency_ms", "latency_low_ms", "latency_high_ms"]
    assert [row.latency_ms for row in CostModel(board).per_op(floats)] == [None] * 5
    roomy = Budget(64_000, 32_000)
    assert (cost.fits(roomy), cost.fits(replace(roomy, latency_ms=1e9)), cost.fits(Budget(1, 32_000))) == (
        True,
        False,
        False,
    )
    assert CostModel(board).estimate_known(graph) == (CostModel(board).estimate(graph), {})


def test_the_row_of_the_peak_is_marked(graph: Graph) -> None:
    rows = CostModel(load_device("esp32")).per_op(graph)
    # The addition has both branches and its result alive: three images of 8x8x4.
    assert [(row.op, row.live_bytes) for row in rows if row.peak] == [("ADD", 3 * 8 * 8 * 4)]


def test_the_kernels_of_the_device_decide_about_scratch_buffers(graph: Graph) -> None:
    cmsis, reference = CostModel(load_device("nucleo-l4r5zi")), CostModel(load_device("esp32"))
    assert cmsis.device.runtime == "tflm+cmsis-nn"
    assert cmsis.estimate(graph).arena_bytes == arena_bytes(graph, kernels="cmsis-nn").arena_bytes
    assert reference.estimate(graph).arena_bytes == arena_bytes(graph).arena_bytes
    scratch = [step.scratch_bytes for step in memory_timeline(graph, kernels="cmsis-nn")]
    # Two patches of 3x3x3 in int16, one of 3x3x4, and of the mean 4 sums, 4 indices and 2 axes; each aligned to 16.
    assert scratch == [112, 80, 0, 16 + 16 + 16, 0]


def test_what_was_estimated_before_does_not_change_an_estimate() -> None:
    rng = np.random.default_rng(0)
    device = load_device("nucleo-l4r5zi")
    model = CostModel(device)
    for family, shape in (("ds_cnn", (64, 6)), ("resnet", (32, 32, 3)), ("mlp", (20,)), ("ds_cnn", (64, 6))):
        space = StudentSpace.family(family, shape, 5)
        for _ in range(40):
            graph = space.blueprint(space.sample(rng)).to_graph()
            arena = arena_bytes(graph, kernels="cmsis-nn")
            cost = model.estimate(graph)
            assert (cost.macs, cost.params) == (graph.total_macs, graph.params)
            assert cost.flash_bytes == flash_bytes(graph)
            assert cost.arena_persistent_bytes == arena.persistent_bytes
            assert cost.arena_nonpersistent_bytes == arena.nonpersistent_bytes
            assert cost.latency_ms == latency_ms(graph, device).ms


def test_an_absent_bias_is_not_taken_for_the_last_tensor() -> None:
    tensors = (Tensor((1, 8)), Tensor((4, 8), constant=True), Tensor((1, 4)), Tensor((4,), "int32", True, 4))
    dense = Op("FULLY_CONNECTED", (0, 1, -1), (2,))
    without = Graph(tensors[:3], (dense,), (0,), (2,))
    unused = Graph(tensors, (dense,), (0,), (2,))
    used = Graph(tensors, (dense._replace(inputs=(0, 1, 3)),), (0,), (2,))
    model = CostModel(load_device("esp32"))
    book = model._book
    used, without, unused = (book.look_up(graph).structures[0] for graph in (used, without, unused))
    assert without is unused
    assert used is not without


def test_what_is_remembered_is_bounded(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd_edge.cost.op_cache._MAX_KEPT", 30)
    model = CostModel(load_device("esp32"))
    space = StudentSpace.family("mlp", (20,), 5)
    rng = np.random.default_rng(0)
    for _ in range(50):
        model.estimate(space.blueprint(space.sample(rng)).to_graph())
        assert len(model._book._ops) + len(model._book._tensors) < 60
    assert model.estimate(graph) == CostModel(load_device("esp32")).estimate(graph)


def test_an_operator_that_is_registered_is_costed_by_its_row() -> None:
    board = load_device("nucleo-l4r5zi")
    tensors = (Tensor((1, 10)), Tensor((5, 10), constant=True), Tensor((1, 5)))
    plain, known = (Graph(tensors, (Op(kind, (0, 1), (2,)),), (0,), (2,)) for kind in ("TEST_PLAIN", "TEST_GATED"))
    register_op(
        OpSpec(
            "TEST_GATED",
            "dense",
            macs=lambda op: 2 * op.outputs[0].num_elements * op.weights[-1],
            op_data_bytes=(64, 48, 32),
            scratch_bytes=lambda op: (4 * op.outputs[0].num_elements,),
            file_options_bytes=12,
            kernel_code_bytes=1000,
        )
    )
    before, after = (CostModel(board).estimate(graph) for graph in (plain, known))
    assert (before.macs, after.macs) == (None, 2 * 5 * 10)
    assert known.total_macs == after.macs
    assert after.flash_bytes - before.flash_bytes == 12
    # Input, output and 20 bytes of scratch live at once, each aligned to 16.
    assert (before.arena_nonpersistent_bytes, after.arena_nonpersistent_bytes) == (16 + 16, 16 + 16 + 32)
    assert arena_bytes(known, kernels="cmsis-nn").persistent_bytes < arena_bytes(known).persistent_bytes
    cycles = 100 * board.int8.dense.cycles_per_mac + 15 * board.int8.dense.cycles_per_byte
    cycles += board.int8.dense.fixed_cycles + board.int8_inference_cycles
    assert after.latency_ms == pytest.approx(cycles / 1000 / board.clock_mhz)
    assert runtime_flash({"TEST_GATED"}).high_bytes == runtime_flash({"TEST_PLAIN"}).high_bytes + 1000


def test_every_figure_of_a_cost_says_how_it_was_had(graph: Graph) -> None:
    model = CostModel(load_device("nucleo-l4r5zi"))
    sizes = {"macs", "params", "flash_bytes", "ram_bytes", "arena_bytes"}
    sizes |= {"arena_persistent_bytes", "arena_nonpersistent_bytes"}
    times = {"latency_ms", "latency_low_ms", "latency_high_ms"}
    assert provenance_of(model.estimate(graph)) == dict.fromkeys(sizes, "computed") | dict.fromkeys(times, "calibrated")
    assert provenance_of(model.per_op(graph)[0])["latency_ms"] == "calibrated"
    assert set(provenance_of(model.timeline(graph)[0]).values()) == {"computed"}
    assert set(provenance_of(model.device).values()) == {"given"}
    assert set(provenance_of(Budget.of(model.device, latency_ms=3.0)).values()) == {"given"}
