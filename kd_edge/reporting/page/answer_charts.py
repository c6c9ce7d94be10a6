"""The charts of a file's answers: a confusion matrix, or what a task without classes has in its place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kd_edge.data.options import SEVERAL
from kd_edge.reporting.page.charts.bars import Bar, bar_chart
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.confusion import confusion_chart
from kd_edge.reporting.page.charts.scatter import roc_chart, value_chart
from kd_edge.reporting.rows.outputs import results_by_output


def answer_charts(verify: Mapping[str, Any], class_names: Sequence[str]) -> Iterator[Chart]:
    """Yield what fits the task.

    Args:
        verify: A verification's plain data.
        class_names: Of the data.
    """
    found, task = verify.get("task_metrics"), verify.get("task", "multiclass")
    if task == SEVERAL:
        yield from _charts_by_output(verify)
    elif found is None:
        spec = confusion_chart(verify["confusion"], class_names)
        yield Chart(
            "answers", spec, f"Test samples per true class and class named by the file, {len(class_names)} classes"
        )
    elif task == "multilabel":
        yield Chart("answers", _label_chart(found["labels"]), "Recall and precision of each label")
    elif task == "regression":
        for number, value in enumerate(found["values"], start=1):
            spec = value_chart(value["points"], unit=value["unit"] or "")
            yield Chart(f"answers-{number}", spec, f"{value['name']}: answers of the file against true values")
    else:
        yield Chart("answers", roc_chart(found), "Anomalies found against normal samples called anomalies")


def _charts_by_output(verify: Mapping[str, Any]) -> Iterator[Chart]:
    for number, (name, own) in enumerate(results_by_output(verify).items(), start=1):
        classes = own["classification"]
        if classes is not None:
            own["confusion"] = classes["confusion"]
        for chart in answer_charts(own, [row["name"] for row in classes["classes"]] if classes else ()):
            place = chart.name.replace("answers", f"answers-of-{number}")
            yield replace(chart, name=place, description=f"{name}: {chart.description}")


def _label_chart(labels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    bars = [
        Bar(f"{label['name']} ({label['support']:,})", kind, label[kind] or 0.0, _share(label[kind], unknown))
        for label in labels
        for kind, unknown in (("recall", "no sample has it"), ("precision", "never named"))
    ]
    return bar_chart(bars, title="share", top=1.2)


def _share(value: float | None, unknown: str) -> str:
    return unknown if value is None else f"{value:.3f}"
