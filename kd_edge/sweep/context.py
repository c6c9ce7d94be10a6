"""The context of a sweep: what all students share, and which networks fit which cell."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kd_edge.config.by_task import objective_for
from kd_edge.config.inputs import BudgetConfig
from kd_edge.config.run import RunConfig
from kd_edge.errors import BudgetError, ConfigError
from kd_edge.search.local_workers import is_worker
from kd_edge.search.strategies import find_strategy
from kd_edge.stages.context import Progress, RunContext, check_costs
from kd_edge.stages.shaping import teacher_shape
from kd_edge.sweep.cells import Cell
from kd_edge.sweep.screening import Feasible, Infeasible, screen_cells


class SweepContext(RunContext):
    """What the steps of a sweep hand on.

    Args:
        config: Data, teacher, search and training.
        cells: Boards and budgets.
        folder: Of the sweep.
        progress: Told what is going on.
    """

    def __init__(self, config: RunConfig, cells: Sequence[Cell], folder: Path, progress: Progress) -> None:
        for cell in cells:
            check_costs(config.convert.quantize, cell.device, cell.budget)
        super().__init__(replace(config, budget=BudgetConfig(config.budget.device)), folder, progress)
        self.cells = tuple(cells)

    def check(self, first: str) -> None:
        """Say what is wrong, or that nothing fits any cell, before `first` and with it anything is made."""
        self.check_recipes()
        _ = self.screened

    def check_worker(self) -> None:
        """Say that a worker of another machine has come too early: the chief trains the teacher.

        Raises:
            ConfigError: There is no trained teacher yet.
        """
        if is_worker() and not (self.store.folder / "stages" / "teacher.json").is_file():
            raise ConfigError(
                f"a worker found no trained teacher in {self.store.folder}: expected the chief's; start it again once "
                "the chief says 'search'"
            )

    @property
    def objective(self) -> str:
        """What candidates are ranked by."""
        return objective_for(self.config.design.objective, self.data.task)

    @property
    def teacher_shape(self) -> tuple[object, ...]:
        """What shapes the teacher: its file may have changed under its name."""
        return teacher_shape(self)

    @functools.cached_property
    def beside_bytes(self) -> int:
        """What the file of each student holds beside its network."""
        from kd_edge.conversion.metadata import metadata_bytes

        return metadata_bytes(self.data)

    @functools.cached_property
    def screened(self) -> tuple[tuple[Feasible, ...], dict[str, Infeasible]]:
        """The cells that some network fits, and why none fits the others.

        Raises:
            BudgetError: None fits any.
            ConfigError: The space is too large for the search.
        """
        from kd_edge.search.sizing import macs_limit

        wanted = self.config.design
        find_strategy(wanted.search).check(self.space)
        max_macs = macs_limit(self.teacher, wanted.teacher_ratio)
        feasible, infeasible = screen_cells(
            self.cells,
            self.space,
            beside_bytes=self.beside_bytes,
            max_macs=max_macs,
            num_trials=wanted.trials,
            seed=self.config.seed,
        )
        if not feasible:
            name, why = next(iter(infeasible.items()))
            none = "the budget cannot" if len(infeasible) == 1 else f"none of {len(infeasible)} boards and budgets can"
            raise BudgetError(f"{none} be kept; {name}: {why.explanation}")
        return feasible, infeasible
