"""The known boards, one line each within 80 columns, and all that is known of a single one."""

from collections.abc import Iterator

from rich.table import Table

from kd_edge.reporting.documents import Result
from kd_edge.reporting.tables.plain import known_speed, plain_table


def device_tables(result: Result) -> Iterator[Table | str]:
    """Yield the devices, of a single one everything."""
    devices = result["devices"]
    if len(devices) == 1:
        yield from _details(devices[0])
        return
    yield _list(devices)
    if not all(known_speed(device["quality"]) for device in devices):
        yield "* not measured on that board: its times are those of relatives"
    yield "`kd-edge devices NAME` shows runtime and sources of one; its own model, measured once, narrows the interval"


def _list(devices: list[Result]) -> Table:
    table = plain_table()
    for name in ("device", "core"):
        table.add_column(name, no_wrap=True)
    for name in ("MHz", "flash", "RAM", "times"):
        table.add_column(name, justify="right", no_wrap=True)
    for device in devices:
        table.add_row(*_cells(device), f"±{device['error_percent']:g} %{_mark(device)}")
    return table


def _cells(device: Result) -> tuple[str, ...]:
    memory = (_size(device[f"{name}_bytes"]) for name in ("flash", "ram"))
    return device["name"], device["core"], f"{device['clock_mhz']:g}", *memory


def _mark(device: Result) -> str:
    return "  " if known_speed(device["quality"]) else " *"


def _details(device: Result) -> Iterator[Table | str]:
    runtime = f"{device['runtime']} {device['runtime_version']}".rstrip()
    name, core, clock, flash, ram = _cells(device)
    facts = {
        "core": f"{core} at {clock} MHz",
        "memory": f"{flash} flash, {ram} RAM",
        "memory from": device["memory_source"] or "no source given",
        "runtime": runtime,
        "times": f"{device['quality']}, 9 of 10 within ±{device['error_percent']:g} %",
        "times from": device["source"],
    }
    yield f"{name}: {device['title']}"
    table = Table.grid(padding=(0, 2, 0, 0))
    for title, text in facts.items():
        table.add_row(title, text)
    yield table


def _size(size: int) -> str:
    return f"{size / 1024:,.0f} KiB" if size % 1024**2 else f"{size // 1024**2:,} MiB"
