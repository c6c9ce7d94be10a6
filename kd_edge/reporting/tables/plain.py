"""The look of tables that have to keep to 80 columns: no frame, one space between columns."""

from rich import box
from rich.table import Table


def plain_table() -> Table:
    """Return an empty table without a frame."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)


def known_speed(quality: str) -> bool:
    """Return whether a device's times rest on a measurement of that board."""
    return quality in ("measured", "calibrated")
