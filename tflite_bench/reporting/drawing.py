"""Tables as text, as wide and in such letters as stdout takes."""

import os
import sys
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

# Columns where the output is no terminal.
_WIDTH = 120


def drawn(table: Table) -> str:
    """Return a table as text: as wide as the terminal or as `COLUMNS` says, else 120 columns.

    Args:
        table: The table; its lines become ASCII where stdout has no others.
    """
    if not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf"):
        table.box = box.ASCII
    file = StringIO()
    Console(file=file, width=_width(), markup=False, emoji=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _width() -> int:
    known = (sys.stdout is not None and sys.stdout.isatty()) or os.environ.get("COLUMNS", "").isdigit()
    return (Console().width if known else 0) or _WIDTH
