"""The page of a sweep: one HTML file that needs no network."""

import re
from pathlib import Path
from typing import Any

import jinja2

from kd_edge.files import write_bytes
from kd_edge.reporting.page.charts.runtime import chart_data, drawing_script
from kd_edge.reporting.page.sweep_charts import board_charts
from kd_edge.reporting.rows.sweep import cell_rows, energy_rows, student_rows
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.sweep import (
    INFEASIBLE,
    MARKS,
    board_cells,
    infeasible_lines,
    merged_lines,
    open_lines,
    reached_lines,
    sweep_lines,
)
from kd_edge.reporting.sentences.verdicts import WORDS

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:B|ms|%)\b)")
_MARKS = {WORDS["holds"]: "ok", WORDS["broken"]: "bad", WORDS["not_proven"]: "none", INFEASIBLE: "none"}


def write_sweep_page(document: dict[str, Any], path: Path) -> Path:
    """Write the page of a sweep.

    Args:
        document: As `sweep.json` holds it.
        path: Of the page.
    """
    result = document["result"]
    loader = jinja2.PackageLoader("kd_edge.reporting", "templates")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    environment.filters["tied"] = lambda text: _BEFORE_UNIT.sub("\u00a0", text)
    boards = [
        {
            "name": board["name"],
            "title": board["title"],
            "rows": cell_rows(board, cells),
            "charts": list(board_charts(result, board, cells)),
        }
        for board, cells in board_cells(result)
    ]
    text = environment.get_template("sweep.html").render(
        data=result["data"],
        metric=metric_word(metric_of(result["teacher"])),
        lines=list(sweep_lines(result)),
        boards=boards,
        energy=energy_rows(result),
        students=student_rows(result),
        teacher_marks=MARKS,
        reached=list(reached_lines(result)),
        open=list(open_lines(result)),
        infeasible=list(infeasible_lines(result)),
        merged=list(merged_lines(result)),
        marks=_MARKS,
        document=document,
        chart_json=chart_data(chart for board in boards for chart in board["charts"]),
        script=drawing_script(),
    )
    return write_bytes(path, text.encode())
