"""What is installed and what is missing, as `kd-edge doctor` shows it."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from rich import box
from rich.table import Table
from rich.text import Text

from kd_edge.reporting.documents import Result


def installation_tables(result: Result) -> Iterator[Table | str]:
    """Yield the packages by what they are for, then what models can be measured on."""
    table = _table("", "package", "version", "expected")
    for extra, group in groupby(result["packages"], itemgetter("extra")):
        packages = list(group)
        table.add_row("", Text(packages[0]["needed_for"], style="bold"), "", "")
        for package in packages:
            version = package["installed"] or "missing"
            table.add_row("" if package["fits"] else "!", f"  {package['name']}", version, package["expected"])
        if extra and any(not package["fits"] for package in packages):
            table.add_row("", f"  pip install 'kd-edge[{extra}]'", "", "")
    yield table
    runners = _table("", "measured on (--on)", "")
    for runner in result["runners"]:
        runners.add_row("" if runner["ready"] else "!", runner["on"], runner["detail"])
    yield runners
    own = ", ".join(result["own_devices"]) or "none; `kd-edge devices add` adds one"
    yield f"boards of your own: {own}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
