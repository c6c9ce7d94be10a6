"""The page of a sweep: one HTML file that needs no network."""

from pathlib import Path
from typing import Any

from kd_edge.files import write_bytes
from kd_edge.reporting.page.rendering import render
from kd_edge.reporting.page.sweep_charts import board_charts
from kd_edge.reporting.rows.sweep import cell_rows, energy_rows, student_rows
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.sweep import (
    board_cells,
    infeasible_lines,
    merged_lines,
    open_lines,
    reached_lines,
    sweep_lines,
    teacher_marks,
)


def write_sweep_page(document: dict[str, Any], path: Path) -> Path:
    """Write the page of a sweep.

    Args:
        document: As `sweep.json` holds it.
        path: Of the page.
    """
    result = document["result"]
    boards = [
        {
            "name": board["name"],
            "place": f"board-{number}",
            "title": board["title"],
            "rows": cell_rows(board, cells),
            "charts": list(board_charts(result, board, cells, f"board-{number}")),
        }
        for number, (board, cells) in enumerate(board_cells(result), start=1)
    ]
    text = render(
        "sweep.html",
        [chart for board in boards for chart in board["charts"]],
        data=result["data"],
        precision=result["students"][0]["convert"]["quantize"],
        metric=metric_word(metric_of(result["teacher"])),
        lines=list(sweep_lines(result)),
        boards=boards,
        energy=energy_rows(result),
        students=student_rows(result),
        teacher_marks=teacher_marks(result),
        reached=list(reached_lines(result)),
        open=list(open_lines(result)),
        infeasible=list(infeasible_lines(result)),
        merged=list(merged_lines(result)),
        document=document,
    )
    return write_bytes(path, text.encode())
