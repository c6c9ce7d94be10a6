"""The page of a sweep: one HTML file that needs no network."""

import base64
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from kd_edge.files import write_bytes
from kd_edge.reporting.documents import Result
from kd_edge.reporting.page.sweep_plots import plot_fronts
from kd_edge.reporting.rows.sweep import cell_rows, energy_rows, student_rows
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.sweep import (
    INFEASIBLE,
    MARKS,
    board_cells,
    budget_text,
    infeasible_lines,
    merged_lines,
    open_lines,
    reached_lines,
    sweep_lines,
)
from kd_edge.reporting.sentences.verdicts import WORDS

_MARKS = {WORDS["holds"]: "ok", WORDS["broken"]: "bad", WORDS["not_proven"]: "none", INFEASIBLE: "none"}


def write_sweep_page(document: dict[str, Any], path: Path) -> Path:
    """Write the page of a sweep.

    Args:
        document: As `sweep.json` holds it.
        path: Of the page.
    """
    result = document["result"]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        resources.files("kd_edge.reporting").joinpath("templates/sweep.html").read_text("utf-8")
    )
    text = template.render(
        data=result["data"],
        metric=metric_word(metric_of(result["teacher"])),
        lines=list(sweep_lines(result)),
        boards=[_board(result, board, cells) for board, cells in board_cells(result)],
        energy=energy_rows(result),
        students=student_rows(result),
        teacher_marks=MARKS,
        reached=list(reached_lines(result)),
        open=list(open_lines(result)),
        infeasible=list(infeasible_lines(result)),
        merged=list(merged_lines(result)),
        marks=_MARKS,
        document=document,
    )
    return write_bytes(path, text.encode())


def _board(result: Result, board: Result, cells: list[Result]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        picture = plot_fronts(result, board, cells, Path(name) / "fronts.svg").read_bytes()
    shown = ", ".join(f"{budget_text(cell)}: {cell['verdict'].replace('_', ' ')}" for cell in cells)
    return {
        "name": board["name"],
        "title": board["title"],
        "rows": cell_rows(board, cells),
        "picture": base64.b64encode(picture).decode(),
        "text": f"Trained networks by latency, RAM and flash on {board['name']}; {shown}",
    }
