"""Which networks of a space fit each cell of a sweep, and what is proved of the cells where none does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.model import Cost, CostModel
from kd_edge.errors import BudgetError
from kd_edge.search.space.feasibility import NothingFitsError
from kd_edge.search.space.screening import Screening, Size
from kd_edge.search.space.student_space import StudentSpace, Values
from kd_edge.sweep.cells import Cell
from tflite_bench.provenance import Computed, Given


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why no network of the space fits a cell.

    Attributes:
        explanation: The sentence: what binds, how that is known, and what would fit.
        binds: The limits that even the network that needs least of that figure exceeds; empty where each limit can be
            kept, but not all by one network.
        limits: What was allowed, by the names of a cost's figures.
        smallest: The least that any network was found to need.
        alone: The figure that would be enough if the other limits stayed.
        together: The exceeded figures of the network that exceeds least.
        proof: How it is known.
    """

    explanation: str
    binds: tuple[str, ...] = ()
    limits: Given[Mapping[str, float] | None] = None
    smallest: Computed[Mapping[str, float] | None] = None
    alone: Computed[Mapping[str, float] | None] = None
    together: Computed[Mapping[str, float] | None] = None
    proof: str = ""


class BoardCosts:
    """Costs of a space's networks on a board, each computed once.

    Args:
        space: The networks.
        device: The board.
        beside_bytes: See `CostModel`.
    """

    def __init__(self, space: StudentSpace, device: DeviceProfile, *, beside_bytes: int) -> None:
        self.model = CostModel(device, beside_bytes=beside_bytes)
        self._space = space
        self._known: dict[tuple[int | float, ...], Cost] = {}

    def cost(self, values: Values) -> Cost:
        """Return what a network costs on the board."""
        key = tuple(values[name] for name in self._space.choices)
        if key not in self._known:
            self._known[key] = self.model.estimate(self._space.graph(values))
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Feasible:
    """A cell that some networks of the space fit.

    Attributes:
        cell: The board and the budget.
        costs: Of networks on the board.
        screening: What costing many networks said.
        max_macs: The most multiply-accumulates of a candidate: the teacher's share.
        least: A candidate that is trained for this cell is no smaller.
    """

    cell: Cell
    costs: BoardCosts
    screening: Screening
    max_macs: float
    least: Size

    def fits(self, values: Values) -> bool:
        """Return whether a network keeps the budget."""
        cost = self.costs.cost(values)
        return cost.known_macs <= self.max_macs and cost.fits(self.cell.budget)

    def wants(self, values: Values) -> bool:
        """Return whether a network is one of those that are trained for this cell."""
        return Size.of(self.costs.cost(values)).reaches(self.least) and self.fits(values)

    def known(self) -> Sequence[Values]:
        """Return networks that are wanted, the largest first."""
        return [values for values in self.screening.feasible_values[::-1] if self.wants(values)]


def screen_cells(
    cells: Sequence[Cell], space: StudentSpace, *, beside_bytes: int, max_macs: float, num_trials: int, seed: int
) -> tuple[tuple[Feasible, ...], dict[str, Infeasible]]:
    """Return the cells that some network fits, and by their names why none fits the others.

    Args:
        cells: Boards and budgets.
        space: The networks.
        beside_bytes: See `CostModel`.
        max_macs: Most multiply-accumulates of a network.
        num_trials: How many candidates a cell is to have.
        seed: Draws the networks that are costed.
    """
    from kd_edge.search.sizing import least_size

    boards: dict[str, BoardCosts] = {}
    feasible, infeasible = [], {}
    for cell in cells:
        costs = boards.setdefault(cell.device.name, BoardCosts(space, cell.device, beside_bytes=beside_bytes))
        try:
            screening = space.screen(costs.model, cell.budget, max_macs=max_macs, seed=seed)
        except BudgetError as error:
            infeasible[cell.name] = _why(error, cell.budget)
        else:
            feasible.append(Feasible(cell, costs, screening, max_macs, least_size(screening, num_trials)))
    return tuple(feasible), infeasible


def _why(error: BudgetError, budget: Budget) -> Infeasible:
    if not isinstance(error, NothingFitsError):
        return Infeasible(str(error), ("refusals",))
    found, limit = error.result, budget.latency_figure
    binds = tuple(name for name, least in found.smallest.items() if least > found.limits[name])
    named = tuple("latency_ms" if name == limit else "teacher_ratio" if name == "macs" else name for name in binds)
    finite = {name: value for name, value in found.limits.items() if value < math.inf}
    return Infeasible(str(error), named, finite, found.smallest, found.alone, found.together, found.proof)
