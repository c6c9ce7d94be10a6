"""The fronts of a sweep: what ranks the trained networks against latency, RAM and flash on a board."""

from pathlib import Path

import matplotlib.pyplot as plt

from kd_edge.reporting.documents import Result
from kd_edge.reporting.page.plots import BLUE, GREY, ORANGE, save
from kd_edge.reporting.sentences.metric_words import metric_word
from kd_edge.reporting.sentences.sweep import budget_text

_PANELS = (("latency_ms", "latency in ms", 1), ("ram_bytes", "RAM in kB", 1024), ("flash_bytes", "flash in kB", 1024))


def plot_fronts(result: Result, board: Result, cells: list[Result], path: Path) -> Path:
    """Draw all trained networks on a board, the front, the chosen ones and the limits.

    Args:
        result: The sweep.
        board: The board.
        cells: Its budgets.
        path: Of the picture.
    """
    figure, all_axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
    front = {trial for cell in cells for trial in cell["front"]}
    chosen = {cell["candidates"][0] for cell in cells if cell["candidates"]}
    styles = (
        (None, "trained", {"color": GREY, "s": 18}),
        (front, "on the front of a budget", {"color": BLUE, "s": 26}),
        (chosen, "chosen", {"s": 130, "facecolors": "none", "edgecolors": ORANGE, "linewidths": 2}),
    )
    for axes, (name, title, unit) in zip(all_axes, _PANELS, strict=True):
        for trials, label, style in styles:
            shown = [c for c in board["candidates"] if trials is None or c["trial"] in trials]
            axes.scatter([c["cost"][name] / unit for c in shown], [_rank(c) for c in shown], label=label, **style)
        for cell in cells:
            if (limit := cell["budget"][name]) is not None:
                axes.axvline(limit / unit, color="black", linestyle=":", linewidth=1)
                axes.annotate(
                    budget_text(cell), (limit / unit, 0.02), xycoords=("data", "axes fraction"), fontsize=7, rotation=90
                )
        axes.set(xlabel=title, xscale="log")
        axes.grid(alpha=0.3)
    all_axes[0].set(ylabel=f"validation {metric_word(result['objective'])}\nafter the search's training")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return save(figure, path)


def _rank(candidate: Result) -> float:
    return float(candidate["accuracy"] if candidate["score"] is None else candidate["score"])
