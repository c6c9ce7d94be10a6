"""Which of the trained students a board with a budget takes."""

import pytest

from kd_edge.config.inputs import BudgetConfig
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.screening import screen_cells
from kd_edge.sweep.students import serve_cells
from kd_edge.sweep.wanted import SweepConfig

SPACE = StudentSpace.family("ds_cnn", (28, 28, 1), 10)
SMALL = {name: values[0] for name, values in SPACE.choices.items()}
LARGE = {name: values[len(values) // 2] for name, values in SPACE.choices.items()}


@pytest.fixture(scope="module")
def cells():
    wanted = SweepConfig("nrf52840", latency="20ms,600s")
    found, infeasible = screen_cells(
        cells_of(wanted, BudgetConfig("nrf52840")), SPACE, beside_bytes=0, max_macs=1e12, num_trials=1, seed=0
    )
    assert not infeasible
    assert [[own.fits(network) for network in (SMALL, LARGE)] for own in found] == [[True, False], [True, True]]
    return found


@pytest.mark.parametrize(
    ("small", "large", "taken"),
    [(0.8, 0.9, (0, 1)), (0.9, 0.8, (0, 0)), (0.9, 0.9, (0, 0))],
    ids=["better", "worse", "equal and slower"],
)
def test_a_cell_takes_the_best_student_that_fits_it_of_equal_ones_the_fastest(cells, small, large, taken):
    names = [own.cell.name for own in cells]
    expected = tuple(tuple(n for n, by in zip(names, taken, strict=True) if by == student) for student in (0, 1))
    assert serve_cells(cells, [SMALL, LARGE], [small, large]) == expected
