"""The table of one network on many boards, within 80 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.formatting import interval_text, short_size
from kd_edge.reporting.tables.plain import known_speed, plain_table

_WIDEST_NAME = 24
_FITS = {"holds": "yes", "broken": "no", "not_proven": "not proven"}


def comparison_tables(result: Result) -> Iterator[Table | str]:
    """Yield a row per board: whether the network fits, what is left, and how long it takes."""
    devices = result["devices"]
    yield f"{result['model']}: proven to fit with {result['num_fitting']} of {len(devices)} profiles"
    table = plain_table()
    table.add_column("device", overflow="fold", max_width=_WIDEST_NAME)
    table.add_column("fits", no_wrap=True)
    for name in ("flash\nleft", "RAM\nleft", "ms\n(9 of 10 within)", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for row in devices:
        table.add_row(*_cells(row))
    yield table
    if not all(known_speed(row["quality"]) for row in devices):
        yield "* not measured: the costs are those of relatives, in a wide interval"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    latencies = [row[f"latency{end}_ms"] for end in ("", "_low", "_high")]
    return (
        row["device"],
        _FITS[row["verdict"]],
        short_size(row["flash_left_bytes"]),
        short_size(row["ram_left_bytes"]),
        "unknown" if row["latency_ms"] is None else interval_text(*latencies),
        "" if known_speed(row["quality"]) else "*",
    )
