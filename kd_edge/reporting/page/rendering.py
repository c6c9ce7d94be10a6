"""Templates filled in: pages that are one file and load nothing."""

import re
from collections.abc import Sequence
from typing import Any

import jinja2

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.runtime import chart_data, drawing_script
from kd_edge.reporting.sentences.sweep import INFEASIBLE
from kd_edge.reporting.sentences.verdicts import WORDS

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:B|kB|ms|dB|LSB|MHz)\b|%)")
_MARKS = {WORDS[HOLDS]: "ok", WORDS[BROKEN]: "bad"} | dict.fromkeys(
    (WORDS[NOT_PROVEN], WORDS[None], INFEASIBLE), "none"
)


def render(template: str, drawn: Sequence[Chart], **values: Any) -> str:
    """Return a page.

    Args:
        template: Its file in `templates`; that of the style sheet and that of the macros are at hand.
        drawn: All of its charts, each drawn where the macro `plot` puts it.
        **values: What the template names.
    """
    loader = jinja2.PackageLoader("kd_edge.reporting", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["tied"] = lambda text: _BEFORE_UNIT.sub("\u00a0", text)
    page = environment.get_template(template)
    return page.render(**values, chart_data=chart_data(drawn), drawing_script=drawing_script(), marks=_MARKS)
