"""Level bars: one row per thing, one bar per kind of figure, with intervals."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kd_edge.reporting.page.charts.chart import Spec, layered


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        row: What it belongs to.
        kind: Which figure it is: its color, where there is more than one kind.
        value: Its length.
        text: Words beside it and under the mouse.
        low: Lower end of the value's interval; no interval by default.
        high: Upper end.
    """

    row: str
    kind: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


def bar_chart(bars: Sequence[Bar], *, title: str, top: float | None = None, limits: Sequence[Spec] = ()) -> Spec:
    """Return the chart of level bars; rows and kinds stay in their order.

    Args:
        bars: The bars.
        title: What their length is, with its unit.
        top: End of the axis; by default what fits.
        limits: Layers on top; see `rule_of_limit`.
    """
    values = [asdict(bar) for bar in bars]
    rows, kinds = (list(dict.fromkeys(value[name] for value in values)) for name in ("row", "kind"))
    end = top or 1.25 * max([value["high"] or value["value"] for value in values], default=1.0) or 1.0
    y: Spec = {"field": "row", "type": "nominal", "sort": rows, "title": None, "axis": {"ticks": False}}
    x: Spec = {"field": "value", "type": "quantitative", "title": title, "scale": {"domain": [0, end]}}
    color: Spec = {"field": "kind", "type": "nominal", "scale": {"domain": kinds}}
    color |= {} if len(kinds) > 1 else {"legend": None}
    places: Spec = {"y": y, "x": x, "color": color, "tooltip": _tooltip(title)}
    places |= {"yOffset": {"field": "kind", "sort": kinds}} if len(kinds) > 1 else {}
    known = [value for value in values if value["low"] is not None and value["high"] is not None]
    ends: Spec = {**places, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": {"value": "var(--ink)"}}
    words: Spec = {**places, "text": {"field": "text"}, "color": {"value": "var(--ink)"}}
    words["x"] = {**x, "field": "end"}
    values = [{**value, "end": value["high"] or value["value"]} for value in values]
    layers: list[Spec] = [
        {"mark": {"type": "bar", "cornerRadiusEnd": 2}, "encoding": places},
        {"data": {"values": known}, "mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": ends},
        {"mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 12}, "encoding": words},
    ]
    return layered([*layers, *limits], height={"step": 22 if len(kinds) > 1 else 26}, data={"values": values})


def _tooltip(title: str) -> list[Spec]:
    ends = [{"field": name, "title": f"{name} end", "type": "quantitative"} for name in ("low", "high")]
    length: Spec = {"field": "value", "title": title, "type": "quantitative"}
    figures = [{**figure, "format": ".4~g"} for figure in (length, *ends)]
    return [{"field": "row", "title": " "}, {"field": "kind", "title": "shown"}, *figures]
