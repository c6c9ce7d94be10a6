"""The plot of a file's answers: a confusion matrix, or what a task without classes has in its place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from kd_edge.reporting.page.plots import BLUE, GREY, ORANGE, plot_confusion, save

_MAX_PANELS = 4


class PlotText(NamedTuple):
    """The words around the plot on the page.

    Attributes:
        short: In the list of sections.
        title: The heading.
        description: What the plot shows.
    """

    short: str
    title: str
    description: str


_CONFUSION = PlotText("Confusion", "Confusion matrix", "Test samples per true class and class named by the file")
_TEXTS = {
    "multilabel": PlotText("Labels", "Labels", "Recall and precision of each label"),
    "regression": PlotText("Values", "Answers against true values", "Answers of the file against true values"),
    "reconstruction": PlotText("Anomalies", "Anomalies found", "Anomalies found against false alarms"),
}


def answers_text(verify: Mapping[str, Any]) -> PlotText:
    """Return the words around the plot of a verification's answers."""
    return _TEXTS.get(verify.get("task", "multiclass"), _CONFUSION)


def asked_for(verify: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return in words what was asked, to follow the shape of the samples; `names` are those of classes or values."""
    count = len(names)
    asked = {
        "multilabel": f" with any of {count} labels",
        "regression": f", of which {count} value{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} measured",
        "reconstruction": ", to be reconstructed: what is not is an anomaly",
    }
    return asked.get(verify.get("task", "multiclass"), f" in {count} classes")


def plot_answers(verify: Mapping[str, Any], class_names: Sequence[str], path: str | Path) -> Path:
    """Draw what fits the task: confusion matrix, recall and precision of labels, answers against true values, or ROC.

    Args:
        verify: A verification's plain data.
        class_names: Of the data.
        path: The file to write.
    """
    found, task = verify.get("task_metrics"), verify.get("task", "multiclass")
    if found is None:
        return plot_confusion(verify["confusion"], class_names, path)
    draw = {"multilabel": _plot_labels, "regression": _plot_values, "reconstruction": _plot_roc}[task]
    return draw(found, path)


def _plot_labels(found: Mapping[str, Any], path: str | Path) -> Path:
    labels = found["labels"]
    figure, axes = plt.subplots(figsize=(7, 1.5 + 0.5 * len(labels)), layout="constrained")
    for offset, name, color in ((-0.2, "recall", BLUE), (0.2, "precision", ORANGE)):
        places = np.arange(len(labels)) + offset
        axes.barh(places, [label[name] or 0 for label in labels], height=0.36, color=color, label=name)
    axes.set_yticks(range(len(labels)), [f"{label['name']} ({label['support']:,})" for label in labels])
    axes.set(xlabel="share", xlim=(0, 1))
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside lower center", ncols=2)
    return save(figure, path)


def _plot_values(found: Mapping[str, Any], path: str | Path) -> Path:
    values = found["values"][:_MAX_PANELS]
    figure, all_axes = plt.subplots(
        1, len(values), figsize=(max(4.5, 3.4 * len(values)), 4), layout="constrained", squeeze=False
    )
    for axes, value in zip(all_axes[0], values, strict=True):
        points, unit = np.asarray(value["points"]), f" ({value['unit']})" if value["unit"] else ""
        ends = [points.min(), points.max()]
        axes.plot(ends, ends, color=GREY, linestyle="--")
        axes.scatter(points[:, 0], points[:, 1], color=BLUE, s=14)
        axes.set(xlabel=f"true{unit}", ylabel=f"answered{unit}", title=value["name"])
        axes.grid(alpha=0.3)
    return save(figure, path)


def _plot_roc(found: Mapping[str, Any], path: str | Path) -> Path:
    figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="chance")
    if found["roc"]:
        axes.plot(*np.asarray(found["roc"]).T, color=BLUE, label=f"AUC {found['auc']:.3f}")
    rates = found["false_positive_rate"], found["recall"]
    if None not in rates:
        axes.plot(*rates, marker="o", color=ORANGE, linestyle="", label="at the threshold")
    axes.set(xlabel="normal samples called anomalies", ylabel="anomalies found", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return save(figure, path)
