"""The charts of a sweep: what the trained networks cost on a board against what they reach, and its budgets."""

from collections.abc import Iterator

from kd_edge.reporting.documents import Result
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.front import FrontPoint, Limit, front_chart
from kd_edge.reporting.rows.checks import Rows
from kd_edge.reporting.sentences.formatting import latency_text, short_size
from kd_edge.reporting.sentences.metric_words import metric_word
from kd_edge.reporting.sentences.sweep import budget_text

_PANELS = (("latency_ms", "latency (ms)", 1), ("ram_bytes", "RAM (kB)", 1024), ("flash_bytes", "flash (kB)", 1024))
_FRONT, _OTHER = "on the front of a budget", "trained"


def board_charts(result: Result, board: Result, cells: list[Result], place: str) -> Iterator[Chart]:
    """Yield the charts of a board: latency, RAM and flash; the first has the figures of all.

    Args:
        result: The sweep.
        board: The board.
        cells: Its budgets.
        place: Begins the names of its charts.
    """
    chosen = _chosen(result, board, cells)
    reached = f"validation {metric_word(result['objective'])} in the search"
    for name, title, unit in _PANELS:
        described = f"{title} of the trained networks on {board['name']} against {reached}, with the budgets as lines"
        chart = front_chart(
            list(_points(board, cells, chosen, name, unit)),
            x_title=title,
            y_title=reached,
            limits=_limits(cells, name, unit),
            log=True,
        )
        figures = _figures(board, chosen) if name == "latency_ms" else Rows("", (), ())
        yield Chart(f"{place}-{name.split('_')[0]}", chart, described, figures)


def _chosen(result: Result, board: Result, cells: list[Result]) -> dict[str, list[str]]:
    """Return by the trial of each candidate which budgets have it as their student."""
    values = {student["name"]: student["values"] for student in result["students"]}
    return {
        candidate["trial"]: [
            budget_text(cell) for cell in cells if cell["student"] and values[cell["student"]] == candidate["values"]
        ]
        for candidate in board["candidates"]
    }


def _points(
    board: Result, cells: list[Result], chosen: dict[str, list[str]], name: str, unit: int
) -> Iterator[FrontPoint]:
    front = {trial for cell in cells for trial in cell["front"]}
    for candidate in sorted(board["candidates"], key=lambda c: c["trial"] not in front):
        cost, budgets = candidate["cost"], chosen[candidate["trial"]]
        timed = name == "latency_ms"
        yield FrontPoint(
            label=f"network {candidate['trial']}" + (f", chosen for {', '.join(budgets)}" if budgets else ""),
            series=_FRONT if candidate["trial"] in front else _OTHER,
            x=cost[name] / unit,
            y=_rank(candidate),
            x_low=cost["latency_low_ms"] if timed else None,
            x_high=cost["latency_high_ms"] if timed else None,
            chosen=bool(budgets),
        )


def _limits(cells: list[Result], name: str, unit: int) -> list[Limit]:
    """Return one line a limit, with the budgets that have it; of one that all have with that word."""
    budgets: dict[float, list[str]] = {}
    for cell in cells:
        if (limit := cell["budget"][name]) is not None:
            budgets.setdefault(limit, []).append(budget_text(cell))
    alike = len(budgets) == 1 and len(cells) > 1
    return [Limit(value / unit, "all budgets" if alike else ", ".join(texts)) for value, texts in budgets.items()]


def _figures(board: Result, chosen: dict[str, list[str]]) -> Rows:
    rows = []
    for candidate in sorted(board["candidates"], key=_rank, reverse=True):
        cost = candidate["cost"]
        sizes = short_size(cost["ram_bytes"]), short_size(cost["flash_bytes"])
        budgets = ", ".join(chosen[candidate["trial"]])
        rows.append((candidate["trial"], f"{_rank(candidate):z.3f}", latency_text(cost), *sizes, budgets))
    header = ("network", "reached", "latency", "RAM", "flash", "chosen for")
    return Rows(f"The trained networks on {board['name']}", header, rows, frozenset({0, 5}))


def _rank(candidate: Result) -> float:
    return float(candidate["accuracy"] if candidate["score"] is None else candidate["score"])
