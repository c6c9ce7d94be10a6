"""The tables of a network's cost."""

from collections.abc import Iterator

from rich import box
from rich.table import Table

from kd_edge.cost.gate import Gate
from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.conversion import refusal_lines
from kd_edge.reporting.sentences.energy import energy_lines
from kd_edge.reporting.sentences.formatting import latency_text, significant
from kd_edge.reporting.sentences.verdicts import found_text, untimed_lines
from kd_edge.reporting.tables.console import titled_table
from kd_edge.reporting.tables.plain import known_speed

# Of a latency; below it a difference is one of rounding.
_LEAST_SHARE = 1e-6


def cost_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a network costs, op by op and in total, and whether it fits."""
    fits = {"holds": "fits", "broken": "does NOT fit", "not_proven": "is NOT proven to fit"}[result["verdict"]]
    fits = "does NOT run" if result["refusals"] else fits
    yield f"{result['model']} on {result['device']}: {fits}"
    yield from refusal_lines(result["refusals"])
    yield _op_table(result)
    yield _limit_table(result)
    whose = "times are those of" if known_speed(result["quality"]) else "times under"
    yield f"{whose} {result['runtime']} there: {result['quality']}"
    yield from untimed_lines(result, result)
    reasons = [gate["reason"] for gate in result["gates"].values() if gate["verdict"] == "not_proven"]
    yield from (f"not proven: {reason}" for reason in reasons if reason not in result["unavailable_reason"].values())
    left = result["remainder"]
    if runtime := result["runtime_flash"]:
        yield (
            f"flash with the runtime: {left['total_flash_low_bytes']:,} to {left['total_flash_high_bytes']:,} B; the "
            f"board has {left['flash_left_low_bytes']:,} to {left['flash_left_high_bytes']:,} B left"
        )
        yield (
            f"of these the runtime and its kernels take {runtime['low_bytes']:,} to {runtime['high_bytes']:,} B "
            f"({runtime['source']})"
        )
    yield f"RAM: the board has {left['ram_left_bytes']:,} B left beside what the firmware reserves for the model"
    yield from energy_lines(result.get("energy"))


def _op_table(result: Result) -> Table:
    had = "times calibrated, the rest computed" if known_speed(result["quality"]) else "computed"
    title = f"per op ({had}), * marks the peak of the arena"
    table = titled_table(title, "", "op", "layer", "output", "MACs", "B alive", "ms", "share")
    table.box, table.pad_edge, table.show_edge, table.padding = box.SIMPLE_HEAD, False, False, (0,)
    for column in table.columns[1:3]:
        column.justify, column.overflow = "left", "fold"
    total_ms = result["latency_ms"] or 1.0
    for op in result["ops"]:
        alive = f"{op['live_bytes']:,}{'*' if op['peak'] else ' '}"
        share = "" if op["latency_ms"] is None else f"{op['latency_ms'] / total_ms:.0%}"
        shape = "x".join(map(str, op["output_shape"]))
        cells = (str(op["index"]), op["op"], op["layer"] or "", shape, _count(op["macs"]), alive)
        table.add_row(*cells, _milliseconds(op["latency_ms"]), share)
    table.add_row("", "kept throughout", "", "", "", f"{result['arena_persistent_bytes']:,} ", "", "")
    beside_ms = (result["latency_ms"] or 0.0) - sum(op["latency_ms"] or 0.0 for op in result["ops"])
    if beside_ms > _LEAST_SHARE * total_ms:
        share = f"{beside_ms / total_ms:.0%}"
        table.add_row("", "beside the ops", "", "", "", "", _milliseconds(beside_ms), share)
    table.add_row("", "all", "", "", _count(result["macs"]), "", _milliseconds(result["latency_ms"]), "")
    return table


def _limit_table(result: Result) -> Table:
    budget, flash = result["budget"], _flash_text(result)
    had = "calibrated" if known_speed(result["quality"]) else "computed"
    latency = latency_text(result, limit=budget["latency_ms"])
    latency += "" if result["latency_ms"] is None else f", {had}"
    low, high = result["ram_low_bytes"], result["ram_bytes"]
    ram = f"{high:,} B, computed" if low == high else f"{low:,} to {high:,} B, computed"
    table = titled_table("does it fit?", "", "needs", "limit", "")
    for title, name, needs, unit in (
        ("flash (.tflite file)", "flash_bytes", flash, "B"),
        ("RAM (arena to reserve)", "ram_bytes", ram, "B"),
        ("latency", "latency_ms", latency, "ms"),
    ):
        limit = "none" if budget[name] is None else f"{budget[name]:,{'.0f' if unit == 'B' else 'g'}} {unit}"
        table.add_row(title, needs, limit, _limit_verdict(result, name, unit))
    if gate := result["gates"].get("energy_mj"):
        found = "unknown" if gate["measured"] is None else f"{found_text('energy_mj', Gate(**gate))}, computed"
        table.add_row("energy", found, f"{gate['limit']:,g} mJ", _limit_verdict(result, "energy_mj", "mJ"))
    return table


def _limit_verdict(result: Result, name: str, unit: str) -> str:
    if name in result["excess"]:
        excess = result["excess"][name]
        return f"{f'{excess:,.0f}' if unit == 'B' else significant(excess, 3)} {unit} too much"
    gate = result["gates"][name]
    if gate["verdict"] == "not_proven":
        return "not proven"
    return "not checked" if gate["measured"] is None else "ok"


def _count(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _flash_text(result: Result) -> str:
    if (measured := result["measured"]["flash_bytes"]) is not None:
        return f"{measured:,} B, measured"
    gate = result["gates"]["flash_bytes"]
    return f"{result['flash_bytes']:,} B ({gate['low']:,} to {gate['high']:,}), computed"


def _milliseconds(latency_ms: float | None) -> str:
    return "unknown" if latency_ms is None else significant(latency_ms)
