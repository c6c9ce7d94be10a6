"""The plots of a run, as PNG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kd_edge.files import write_file
from kd_edge.reporting.sentences.formatting import significant
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word, searched_metric

BLUE, ORANGE, GREEN, GREY = "#2a6fbb", "#d9822b", "#3a8f4d", "#7a7a7a"


def plot_run(stages: Mapping[str, Any], folder: str | Path) -> None:
    """Draw `training.png`, `cost.png` and `candidates.png` into a run's folder."""
    plot_training(stages["distill"], stages["baseline"], Path(folder) / "training.png")
    plot_cost(stages["verify"], stages["design"]["budget"], Path(folder) / "cost.png")
    plot_candidates(stages["design"], Path(folder) / "candidates.png")


def plot_training(distill: Mapping[str, Any], baseline: Mapping[str, Any], path: str | Path) -> Path:
    """Draw the validation metric per epoch, with guides, if there were any, and without, and when each was halted."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    drawn = [(distill, "distilled", BLUE)] if distill.get("guided", True) else []
    for stage, name, color in (*drawn, (baseline, "without a teacher", GREY)):
        values = stage["history"][f"val_{metric_of(stage)}"]
        axes.plot(range(1, len(values) + 1), values, color=color, label=f"student, {name}")
    for report in distill["halting"]:
        if report["epoch"] is not None:
            axes.axvline(report["epoch"], color=ORANGE, linestyle="--", label=f"{report['guide']} halted")
    axes.set(xlabel="epoch", ylabel=f"validation {metric_word(metric_of(baseline))}", title="Training of the student")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return _save(figure, path)


def plot_cost(verify: Mapping[str, Any], budget: Mapping[str, Any], path: str | Path) -> Path:
    """Draw what was predicted and measured as shares of the budget."""
    predicted, measured = verify["predicted"], verify["measured"]
    rows = [
        ("flash", budget["flash_bytes"], predicted["flash_bytes"], measured["flash_bytes"], "B", ""),
        ("RAM", budget["ram_bytes"], verify["ram_bytes"], None, "B", ""),
        ("latency", budget["latency_ms"], predicted["latency_ms"], None, "ms", ""),
    ]
    rows = [row for row in rows if row[1] is not None]
    shares = [max(guess, real or 0) / limit for _, limit, guess, real, _, _ in rows]
    figure, axes = plt.subplots(figsize=(7, 1.2 + 0.9 * len(rows)), layout="constrained")
    for position, (_, limit, guess, real, unit, where) in enumerate(rows):
        bars = (
            (-0.2, guess, BLUE, _amount(guess, unit)),
            (0.2, real, GREEN, "not measured" if real is None else f"{_amount(real, unit)}{where}"),
        )
        for offset, value, color, text in bars:
            axes.barh(position + offset, (value or 0) / limit, height=0.36, color=color)
            axes.text((value or 0) / limit + 0.01, position + offset, text, va="center")
    names = [axes.barh(0, 0, color=color, label=name) for color, name in ((BLUE, "predicted"), (GREEN, "measured"))]
    axes.set_yticks(range(len(rows)), [f"{row[0]}\n{_amount(row[1], row[4])}" for row in rows])
    axes.set(xlabel="share of the budget", title="Predicted and measured cost", xlim=(0, 0.35 + max(1.0, *shares)))
    axes.invert_yaxis()
    figure.legend(
        handles=[*names, axes.axvline(1.0, color="black", label="budget")], loc="outside lower center", ncols=3
    )
    return _save(figure, path)


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} B" if unit == "B" else f"{significant(value, 4)} {unit}"


def plot_candidates(design: Mapping[str, Any], path: str | Path) -> Path:
    """Draw what ranks the trained candidates against each limited cost, the Pareto front, the chosen one."""
    metric, objective = searched_metric(design)
    ranked_by = "accuracy" if objective is None else "score"
    panels = (
        ("latency_ms", "latency_ms", f"latency on {design['device']} (ms)", 1),
        ("ram_bytes", "ram_bytes", "RAM (kB)", 1024),
        ("flash_bytes", "flash_bytes", "flash (kB)", 1024),
    )
    figure, all_axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained", sharey=True)
    marks: tuple[tuple[Any, str, dict[str, Any]], ...] = (
        (design["candidates"], "trained", {"color": GREY}),
        (design["front"], "no other is better in everything", {"color": BLUE}),
        ([design["chosen"]], "chosen", {"s": 160, "facecolors": "none", "edgecolors": ORANGE, "linewidths": 2}),
    )
    for axes, (figure_name, limit_name, title, unit) in zip(all_axes, panels, strict=True):
        for candidates, label, style in marks:
            costs = [c["cost"][figure_name] / unit for c in candidates]
            axes.scatter(costs, [c[ranked_by] for c in candidates], label=label, **style)
        if (limit := design["budget"][limit_name]) is not None:
            axes.axvline(limit / unit, color="black", linestyle=":", label="budget")
        axes.set(xlabel=f"{title}, computed", xlim=(0, None))
        axes.grid(alpha=0.3)
    all_axes[0].set(ylabel=f"validation {metric_word(objective or metric)} after the search's training")
    figure.legend(*all_axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return _save(figure, path)


def _save(figure: Figure, path: str | Path) -> Path:
    """Write a figure and close it."""
    try:
        return write_file(path, lambda partial: figure.savefig(partial, dpi=120))
    finally:
        plt.close(figure)
