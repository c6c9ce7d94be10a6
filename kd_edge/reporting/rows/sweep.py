"""The tables of a sweep as rows of text, one table a board, for the terminal and for the page alike."""

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows
from kd_edge.reporting.sentences.energy import energy_text
from kd_edge.reporting.sentences.formatting import interval_text, short_size
from kd_edge.reporting.sentences.sweep import TEACHER, binds_text, budget_text, verdict_word

_METRICS = {"accuracy": "right", "label_accuracy": "labels right", "score": "score"}


def cell_rows(board: Result, cells: list[Result]) -> Rows:
    """Return the cells of a board, a line each."""
    known = "" if board["quality"] in ("measured", "calibrated") else ", not measured on that board"
    title = f"{board['name']} ({board['core']}, times ±{board['error_percent']:g} %{known})"
    metric = _METRICS.get(next(iter(cells))["metric"], "skill")
    header = ("budget", metric, "95 %", "", "latency in ms", "RAM", "flash", "binds", "verdict")
    return Rows(title, header, [_row(cell) for cell in cells], frozenset({0, 3, 7, 8}))


def energy_rows(result: Result) -> Rows | None:
    """Return the energy of one inference in each cell of the boards whose power is known; `None` without one."""
    rows = [
        (cell["device"], budget_text(cell), _energy(cell), cell["energy"]["source"])
        for cell in result["cells"]
        if cell["energy"] is not None
    ]
    return (
        Rows("energy of one inference", ("board", "budget", "mJ", "power from"), rows, frozenset({0, 1, 3}))
        if rows
        else None
    )


def student_rows(result: Result) -> Rows:
    """Return the networks that were trained to the end, with what guides are worth to each."""
    rows = []
    for student in result["students"]:
        distill, alone = student["distill"], student["baseline"]
        guided = f"{distill['test_accuracy']:z.3f}" if distill["guided"] else "not trained"
        cells = (str(len(student["cells"])), f"{distill['macs']:,}", f"{student['convert']['flash_bytes']:,} B")
        rows.append((student["name"], *cells, guided, f"{alone['test_accuracy']:z.3f}", student["choice"]["shipped"]))
    header = ("network", "cells", "MACs", "file", "distilled", "alone", "handed on")
    return Rows(
        "the networks that were trained to the end (float, on the test samples)", header, rows, frozenset({0, 6})
    )


def _row(cell: Result) -> tuple[str, ...]:
    ends = budget_text(cell), binds_text(cell), verdict_word(cell)
    if cell["student"] is None:
        return (ends[0], "", "", "", "", "", "", *ends[1:])
    interval = cell["accuracy_ci95"]
    return (
        ends[0],
        f"{cell['accuracy']:z.3f}",
        "" if interval is None else "-".join(map(_end, (interval["ci95_low"], interval["ci95_high"]))),
        TEACHER[cell["teacher"]],
        _latency(cell),
        *(short_size(cell[name], limit=cell.get("budget", {}).get(name)) for name in ("ram_bytes", "flash_bytes")),
        *ends[1:],
    )


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:z.2f}"


def _latency(cell: Result) -> str:
    if cell["latency_ms"] is None:
        return "unknown"
    ends = (cell[f"latency{end}_ms"] for end in ("", "_low", "_high"))
    return interval_text(*ends, limit=cell.get("budget", {}).get("latency_ms"))


def _energy(cell: Result) -> str:
    return energy_text(cell["energy"], unit="", limit=cell.get("budget", {}).get("energy_mj"))
