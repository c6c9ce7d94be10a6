"""Tables and lines on a console, or as the text of a file."""

import io
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from kd_edge.reporting.rows.checks import Rows

# Columns where the output is no terminal.
WIDTH = 110


def show(parts: Iterable[Any]) -> None:
    """Print tables and lines on stdout: as wide as the terminal or as `COLUMNS` says, else 110 columns."""
    console = plain_console()
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    _print_parts(console if known and console.width else plain_console(width=WIDTH), parts)


def as_text(parts: Iterable[Any], *, width: int = WIDTH) -> str:
    """Return tables and lines as the text of a file, wherever it is written: no colours, no spaces at ends of lines.

    Args:
        parts: The tables and lines.
        width: Columns.
    """
    file = io.StringIO()
    _print_parts(plain_console(file=file, width=width, force_terminal=False, force_jupyter=False), parts)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def plain_console(**options: Any) -> Console:
    """Return a console that prints names as they are: brackets are no markup, `:cat:` is no emoji.

    Args:
        **options: As for `rich.console.Console`.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)


def _print_parts(console: Console, parts: Iterable[Any]) -> None:
    for part in parts:
        console.print(part)


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
