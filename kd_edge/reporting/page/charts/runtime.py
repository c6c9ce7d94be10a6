"""What draws the charts of a page, put into it: Vega, Vega-Lite and Vega-Embed, and one theme.

Colors are variables of the page's style sheet, so that charts follow it into the dark and onto paper.
"""

import functools
import json
from collections.abc import Iterable

import vl_convert

from kd_edge.reporting.page.charts.chart import Chart, Spec

NUM_COLORS = 8

_START = """
const charts = JSON.parse(document.getElementById("charts").textContent);
const options = {actions: false, renderer: "svg", mode: "vega-lite"};
for (const [name, spec] of Object.entries(charts)) vegaEmbed(document.getElementById("plot-" + name), spec, options);
"""
_AXIS = {"labelColor": "var(--soft)", "titleColor": "var(--soft)", "gridColor": "var(--line)"}
_AXIS |= {"domainColor": "var(--line)", "tickColor": "var(--line)"}
_SIZES = {"labelFontSize": 12, "titleFontSize": 12}
_THEME: Spec = {
    "aria": False,
    "mark": {"aria": False},
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "axis": {**_AXIS, **_SIZES, "titleFontWeight": "normal", "labelLimit": 150},
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--soft)", "orient": "bottom"}
    | {"columns": {"expr": "width < 400 ? 1 : 2"}}
    | {"labelLimit": 280, "symbolSize": 80, "title": None, **_SIZES},
    "view": {"stroke": None},
    "range": {"category": [f"var(--series-{number})" for number in range(1, NUM_COLORS + 1)]},
}


@functools.cache
def drawing_script() -> str:
    """Return the script that draws every chart of the page: about 0.9 MB, which load nothing."""
    return str(vl_convert.javascript_bundle(_START)).replace("</script", "<\\/script")


def chart_data(charts: Iterable[Chart]) -> str:
    """Return the specifications of a page's charts as JSON that may stand inside an element `script`.

    Args:
        charts: Each with a name of its own.

    Raises:
        ValueError: Two have the same name: the page would show one of them twice.
    """
    charts = list(charts)
    names = [chart.name for chart in charts]
    if len(set(names)) < len(names):
        raise ValueError(f"cannot draw the charts of a page: expected a name of each its own, received {names}")
    specs = {chart.name: {**chart.spec, "config": _THEME} for chart in charts}
    return json.dumps(specs, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
