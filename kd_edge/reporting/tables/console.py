"""Tables and lines on a console."""

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from kd_edge.reporting.rows.checks import Rows

# Columns where the output is no terminal.
WIDTH = 110


def show(parts: Iterable[Any]) -> None:
    """Print tables and lines on stdout: as wide as the terminal or as `COLUMNS` says, else 110 columns."""
    console = Console(highlight=False)
    known = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    print_parts(console if known else Console(highlight=False, width=WIDTH), parts)


def print_parts(console: Console, parts: Iterable[Any]) -> None:
    """Print tables and lines on a console, brackets in lines as they are."""
    for part in parts:
        console.print(part, markup=False) if isinstance(part, str) else console.print(part)


def drawn(rows: Rows) -> Table:
    """Return rows of text as a table for the terminal."""
    table = Table(title=rows.title or None, title_justify="left", show_header=any(rows.header))
    for index, name in enumerate(rows.header):
        table.add_column(name, justify="left" if index in rows.text else "right", no_wrap=index == 0)
    for row in rows.rows:
        table.add_row(*row)
    return table


def titled_table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    return table
