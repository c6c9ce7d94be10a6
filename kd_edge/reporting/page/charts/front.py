"""Networks by what they cost and what they reach: fronts, limits, and which one was chosen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kd_edge.reporting.page.charts.chart import LINE, SCORES, Spec, layered, rule_of_limit


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One network in a chart of fronts.

    Attributes:
        label: Its name, shown under the mouse.
        series: Which color and shape it has; the legend names it.
        x: What it costs.
        y: What it reaches.
        x_low: Lower end of the cost's interval; no interval by default.
        x_high: Upper end.
        y_low: Lower end of the interval of what it reaches; no interval by default.
        y_high: Upper end.
        chosen: Whether it has a ring.
    """

    label: str
    series: str
    x: float
    y: float
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A dashed line across a chart.

    Attributes:
        value: Where it crosses the axis.
        label: Its words, for example `"budget 15 ms"`.
        axis: `"x"` for a limit of the cost, `"y"` for a level to reach, such as the teacher's.
    """

    value: float
    label: str
    axis: str = "x"


def front_chart(
    points: Sequence[FrontPoint],
    *,
    x_title: str,
    y_title: str,
    limits: Sequence[Limit] = (),
    joined: Sequence[str] = (),
    log: bool = False,
    height: int = 280,
) -> Spec:
    """Return the chart of networks by cost and by what they reach.

    Args:
        points: The networks; series are colored in the order in which they come first.
        x_title: The cost with its unit, for example `"latency (ms)"`.
        y_title: What is reached, for example `"test accuracy"`.
        limits: Budgets and levels, each a dashed line with its words.
        joined: The series that are fronts: a step line says what is reached at most at each cost.
        log: Whether the cost has a logarithmic scale, for boards that lie far apart; all costs are above 0 then.
        height: In pixels.
    """
    values = [asdict(point) for point in points]
    series = list(dict.fromkeys(point.series for point in points))
    scale = {"type": "log"} if log else {"zero": True, "nice": True}
    x = {"field": "x", "type": "quantitative", "title": x_title, "scale": scale}
    upright = [limit for limit in limits if limit.axis == "x"]
    room = LINE * (1 + len(upright))
    levels = {"zero": False, "nice": False, "padding": room}
    y = {"field": "y", "type": "quantitative", "title": y_title, "scale": levels, "axis": SCORES}
    legend = {"symbolOpacity": 1}
    color: Spec = {"field": "series", "type": "nominal", "scale": {"domain": series}, "legend": legend}
    shape = {**color, "scale": {"domain": series}}
    tooltip = [{"field": "label", "title": " "}, {"field": "series", "title": "shown as"}]
    tooltip += [_figure("x", x_title), _figure("y", y_title)]
    places = {"x": x, "y": y, "color": color}
    layers = [_front(values, name, {"x": x, "y": y, "color": color, "detail": {"field": "series"}}) for name in joined]
    layers += _intervals(values, places)
    layers += [
        {
            "data": {"values": values},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.9},
            "encoding": {**places, "shape": shape, "tooltip": tooltip},
        }
    ]
    if chosen := [value for value in values if value["chosen"]]:
        ring = {"type": "point", "filled": False, "size": 260, "strokeWidth": 2.5, "color": "var(--ring)"}
        layers.append({"data": {"values": chosen}, "mark": ring, "encoding": {"x": x, "y": y, "tooltip": tooltip}})
    for limit in limits:
        row = upright.index(limit) if limit in upright else 0
        layers += rule_of_limit(limit.value, limit.label, axis=limit.axis, row=row)
    return layered(layers, height=height)


def _figure(field: str, title: str) -> Spec:
    return {"field": field, "title": title, "type": "quantitative", "format": ".4~g"}


def _front(values: Sequence[Spec], name: str, encoding: Spec) -> Spec:
    mine: list[Spec] = []
    for value in sorted((v for v in values if v["series"] == name), key=lambda v: (v["x"], -v["y"])):
        mine += [value] if not mine or value["y"] > mine[-1]["y"] else []
    mark = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5, "opacity": 0.7}
    return {"data": {"values": mine}, "mark": mark, "encoding": encoding}


def _intervals(values: Sequence[Spec], places: Spec) -> list[Spec]:
    layers = []
    for axis in ("x", "y"):
        known = [v for v in values if v[f"{axis}_low"] is not None and v[f"{axis}_high"] is not None]
        ends = {axis: {**places[axis], "field": f"{axis}_low"}, f"{axis}2": {"field": f"{axis}_high"}}
        mark = {"type": "rule", "opacity": 0.5}
        layers += [{"data": {"values": known}, "mark": mark, "encoding": {**places, **ends}}] if known else []
    return layers
