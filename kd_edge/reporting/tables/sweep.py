"""The tables of a sweep within 80 columns."""

from collections.abc import Iterator

from rich.table import Table

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows
from kd_edge.reporting.rows.sweep import cell_rows, energy_rows
from kd_edge.reporting.sentences.sweep import (
    board_cells,
    infeasible_lines,
    merged_lines,
    open_lines,
    reached_lines,
    sweep_lines,
    teacher_marks,
)
from kd_edge.reporting.tables.plain import plain_table


def sweep_tables(result: Result) -> Iterator[Table | str]:
    """Yield the cells by boards, and what is to be said of them."""
    yield from sweep_lines(result)
    for board, cells in board_cells(result):
        yield ""
        yield _drawn(cell_rows(board, cells))
    if (energy := energy_rows(result)) is not None:
        yield ""
        yield _drawn(energy)
    yield ""
    if (marks := teacher_marks(result)) is not None:
        yield marks
    yield from reached_lines(result)
    yield from open_lines(result)
    yield from infeasible_lines(result)
    yield from merged_lines(result)


def _drawn(rows: Rows) -> Table:
    table = plain_table()
    table.title, table.title_justify = rows.title, "left"
    for index, name in enumerate(rows.header):
        table.add_column(name, justify="left" if index in rows.text else "right", overflow="fold")
    for row in rows.rows:
        table.add_row(*row)
    return table
