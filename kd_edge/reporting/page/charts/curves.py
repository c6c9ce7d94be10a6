"""Curves over epochs, and when something happened."""

from collections.abc import Mapping, Sequence
from typing import Any

from kd_edge.reporting.page.charts.chart import SCORES, Spec, layered, rule_of_limit


def curve_chart(
    curves: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    events: Mapping[str, int] | None = None,
    height: int = 300,
) -> Spec:
    """Return the chart of what was measured after each epoch.

    Args:
        curves: By their names, from epoch 1 on; `None` is a gap.
        title: What was measured.
        events: By their words the epochs in which something happened: each is a dashed line.
        height: In pixels.
    """
    values = [
        {"curve": name, "epoch": epoch, "value": value}
        for name, curve in curves.items()
        for epoch, value in enumerate(curve, start=1)
    ]
    x = {"field": "epoch", "type": "quantitative", "title": "epoch", "axis": {"tickMinStep": 1, "format": "d"}}
    y = {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": False}, "axis": SCORES}
    named = {"field": "curve", "type": "nominal", "scale": {"domain": list(curves)}, "legend": {"symbolType": "stroke"}}
    tooltip: list[Spec] = [{"field": "curve", "title": " "}, {"field": "epoch"}]
    tooltip += [{"field": "value", "title": title, "type": "quantitative", "format": ".4f"}]
    places: dict[str, Any] = {"x": x, "y": y, "color": named, "tooltip": tooltip}
    dashes = {**named, "scale": {"domain": list(curves), "range": [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]}}
    layers: list[Spec] = [
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**places, "strokeDash": dashes}},
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0},
            "params": [_NEAREST],
            "encoding": {**places, "opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}},
        },
    ]
    last = max(map(len, curves.values()), default=0)
    for words, epoch in (events or {}).items():
        layers += rule_of_limit(epoch, words, before=2 * epoch > last)
    return layered(layers, height=height, data={"values": values})


_NEAREST = {"name": "near", "select": {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}}
