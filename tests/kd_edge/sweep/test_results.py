"""What the figures of a sweep say of how they were had."""

from kd_edge.cost.budget import Budget
from kd_edge.cost.gate import at_most
from kd_edge.sweep.results import CellResult
from tflite_bench.provenance import provenance_of


def test_the_checks_of_a_cell_are_had_as_those_of_a_run():
    loss, energy = at_most(0.01, 0.02, low=0.0, high=0.03), at_most(0.2, 1.0, low=0.1, high=0.3)
    cell = CellResult(
        name="board-1mJ", device="board", budget=Budget(1, 1), verdict="not_proven", asked=("1mJ",),
        gates={"energy_mj": energy}, teacher_loss=loss,
    )  # fmt: skip
    found = provenance_of(cell)
    assert {found[f"gates.energy_mj.{name}"] for name in ("measured", "low", "high")} == {"computed"}
    assert (found["teacher_loss.measured"], found["teacher_loss.low"]) == ("measured", "computed")
