"""The time of what calls subgraphs is that of what it calls, and none is told where nobody knows it."""

from dataclasses import replace

import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.comparison import compare_boards
from kd_edge.cost.devices import KernelCost, load_device
from kd_edge.cost.latency import latency_ms
from kd_edge.cost.model import CostModel
from kd_edge.errors import ModelError
from kd_edge.ir.graph import Graph, Op, Tensor

NUCLEO = load_device("nucleo-l4r5zi")
CALL = KernelCost(fixed_cycles=1000.0)
# At 1 MHz a dense layer takes 1 ms, and so does an addition.
COSTS = replace(NUCLEO.int8, dense=CALL, elementwise=CALL)
BOARD = replace(NUCLEO, clock_mhz=1.0, int8=COSTS, float32=None, int8_ops={}, int8_inference_cycles=0.0)
ROW = Tensor((1, 8))


def dense() -> Graph:
    """One dense layer: 1 ms."""
    weights = Tensor((8, 8), constant=True)
    return Graph((ROW, weights, ROW), (Op("FULLY_CONNECTED", (0, 1), (2,)),), (0,), (2,))


def additions(count: int) -> Graph:
    """As many additions: 1 ms each."""
    ops = tuple(Op("ADD", (0, 0), (1,)) for _ in range(count))
    return Graph((ROW, ROW), ops, (0,), (1,))


def calling(kind: str, *subgraphs: Graph, repeats: int | None = None) -> Graph:
    op = Op(kind, (0,), (1,), calls=tuple(range(1, len(subgraphs) + 1)), repeats=repeats)
    return Graph((ROW, ROW), (op,), (0,), (1,), subgraphs=subgraphs)


def ms(graph: Graph) -> float:
    latency = latency_ms(graph, BOARD)
    assert CostModel(BOARD).estimate(graph).latency_ms == pytest.approx(latency.ms)
    return latency.ms


def test_a_loop_costs_all_its_rounds_and_one_more_look_at_its_condition():
    assert ms(calling("WHILE", additions(1), dense(), repeats=5)) == pytest.approx(5 * 1 + 6 * 1)


def test_of_two_branches_the_dearer_one_counts():
    assert ms(calling("IF", additions(3), dense())) == pytest.approx(3)


def test_what_is_called_once_costs_no_inference_anything():
    assert ms(calling("CALL_ONCE", dense())) == 0


def test_a_loop_within_a_branch_counts():
    inner = Graph((ROW, ROW), (Op("WHILE", (0,), (1,), calls=(2, 3), repeats=4),), (0,), (1,))
    assert ms(
        calling("IF", inner, additions(1), dense())._replace(ops=(Op("IF", (0,), (1,), calls=(1, 2)),))
    ) == pytest.approx(5 * 1 + 4 * 1)


UNKNOWN = {
    "a loop whose rounds nobody knows": calling("WHILE", additions(1), dense()),
    "a loop without MACs whose rounds nobody knows": calling("WHILE", additions(1), additions(2)),
    "an operator that nobody knows": Graph((ROW, ROW), (Op("my-own-op", (0,), (1,)),), (0,), (1,)),
}


@pytest.mark.parametrize("graph", UNKNOWN.values(), ids=list(UNKNOWN))
def test_a_limit_of_a_time_that_nobody_knows_is_not_proven(graph):
    with pytest.raises(ModelError, match=r"no latency on nucleo-l4r5zi: (nobody knows|only the inference)"):
        latency_ms(graph, BOARD)
    cost, reasons = CostModel(BOARD).estimate_known(graph)
    assert cost.latency_ms is None
    assert set(reasons) == {"latency_ms", "latency_low_ms", "latency_high_ms"}
    assert cost.ram_bytes > 0
    assert CostModel(BOARD).per_op(graph)[0].latency_ms is None
    (row,) = compare_boards(graph, [BOARD], lambda board: replace(Budget.of(board), latency_ms=1000.0)).devices
    assert row.latency_ms is None
    assert "latency_ms" in row.open
    assert row.verdict != "holds"
