"""A chart as a page shows it: its specification, its words, its figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kd_edge.reporting.rows.checks import Rows

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as a page shows it.

    Attributes:
        name: Of its place in the page: lower case letters, digits and hyphens.
        spec: In Vega-Lite's words, without a theme; see `layered`.
        description: What it shows, for who cannot see it.
        figures: The same as a table, which the page offers below it.
    """

    name: str
    spec: Spec
    description: str
    figures: Rows = field(default=Rows("", (), ()))


def layered(layers: Sequence[Spec], *, height: int | Spec = 300, **more: Any) -> Spec:
    """Return a specification as wide as its place in the page.

    Args:
        layers: Of Vega-Lite, each with its data.
        height: In pixels, or `{"step": 22}` per category.
        **more: Other properties of the top level.
    """
    return {"width": "container", "height": height, "layer": list(layers), **more}


# Pixels from one line of text to the next.
LINE = 14
# An axis of shares or skills: where all values are the same Vega rounds its labels to whole numbers.
SCORES: Spec = {"format": ".4~g"}


def rule_of_limit(value: float, label: str, *, axis: str = "x", row: int = 0, before: bool = True) -> list[Spec]:
    """Return the layers of one dashed line across a chart, with its words.

    Args:
        value: Where it crosses the axis.
        label: Its words, for example `"budget 15 ms"`.
        axis: `"x"` for an upright line, `"y"` for a level one.
        row: How many lines of text its words are below the top, so that those of lines close by stay apart.
        before: Whether the words of an upright line stand to its left, else to its right.
    """
    at = {axis: {"datum": value}}
    side: Spec = {"align": "right", "dx": -4} if before else {"align": "left", "dx": 4}
    beside: Spec = {**side, "dy": 4 + LINE * row, "baseline": "top"}
    other: Spec = {"y": {"value": 0}}
    if axis == "y":
        beside, other = {"align": "right", "dy": -4, "baseline": "bottom"}, {"x": {"value": "width"}}
    data = {"values": [{"label": label}]}
    rule = {"type": "rule", "strokeDash": [5, 4], "color": "var(--limit)", "strokeWidth": 1.5}
    text = {"type": "text", "color": "var(--limit)", "fontSize": 12, **beside}
    return [
        {"data": data, "mark": rule, "encoding": {**at, "tooltip": {"field": "label"}}},
        {"data": data, "mark": text, "encoding": {**at, **other, "text": {"field": "label"}}},
    ]
