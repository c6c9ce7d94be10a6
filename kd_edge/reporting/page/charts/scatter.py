"""Answers of tasks without classes: against the true values, and anomalies against false alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

from kd_edge.reporting.page.charts.chart import Spec, layered


def value_chart(points: Sequence[Sequence[float]], *, unit: str = "") -> Spec:
    """Return the chart of answers against true values, with the line on which they are the same.

    Args:
        points: Pairs of a true value and an answer.
        unit: Of both.
    """
    values = [{"true": true, "answered": answered} for true, answered in points]
    ends = [end(value for pair in points for value in pair) for end in (min, max)]
    behind = f" ({unit})" if unit else ""
    line = {"mark": {"type": "line", "strokeDash": [5, 4], "color": "var(--soft)"}}
    encoding = _axes("true", f"true{behind}", "answered", f"answered{behind}", {"zero": False})
    dots = {"mark": {"type": "point", "filled": True, "size": 30, "tooltip": {"content": "data"}}, "encoding": encoding}
    level = {**line, "data": {"values": [{"true": end, "answered": end} for end in ends]}, "encoding": encoding}
    return layered([level, {**dots, "data": {"values": values}}])


def roc_chart(found: Mapping[str, Any]) -> Spec:
    """Return the chart of anomalies found against normal samples called anomalies, for all thresholds.

    Args:
        found: With `roc`, pairs of both; `recall` and `false_positive_rate` at the threshold, or `None`.
    """
    titles = "false", "normal samples called anomalies", "found", "anomalies found"
    encoding = _axes(*titles, {"domain": [0, 1]})
    curve = [{"false": x, "found": y} for x, y in found["roc"] or ()]
    chance = [{"false": end, "found": end} for end in (0, 1)]
    dashed = {"type": "line", "strokeDash": [5, 4], "color": "var(--soft)"}
    layers: list[Spec] = [{"data": {"values": chance}, "mark": dashed, "encoding": encoding}]
    layers.append({"data": {"values": curve}, "mark": {"type": "line", "tooltip": True}, "encoding": encoding})
    if None not in (found["false_positive_rate"], found["recall"]):
        at = [{"false": found["false_positive_rate"], "found": found["recall"]}]
        mark = {"type": "point", "filled": True, "size": 90, "color": "var(--ring)", "tooltip": True}
        layers.append({"data": {"values": at}, "mark": mark, "encoding": encoding})
    return layered(layers)


def _axes(x: str, x_title: str, y: str, y_title: str, scale: Spec) -> Spec:
    return {
        name: {"field": field, "title": title, "type": "quantitative", "scale": scale, "axis": {"format": ".3~g"}}
        for name, field, title in (("x", x, x_title), ("y", y, y_title))
    }
