"""Costs of whole networks and of their ops."""

import pytest

from kd_edge.blueprint import Sketch
from kd_edge.cost import CostModel
from kd_edge.devices import load_device
from kd_edge.graph import Graph
from kd_edge.latency import latency_ms
from kd_edge.layers import Add, Conv2D, Dense, DepthwiseConv2D, GlobalAveragePooling2D
from kd_edge.memory import arena_bytes
from kd_edge.planner import memory_timeline


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
    assert sum(row.latency_ms for row in rows) == pytest.approx(cost.latency_ms)
    assert [row.latency_ms for row in rows] == list(latency_ms(graph, model.device).per_op)
    assert max(row.live_bytes for row in rows) <= cost.arena_nonpersistent_bytes


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
