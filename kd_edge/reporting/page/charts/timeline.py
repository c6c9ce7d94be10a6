"""What lives in the arena while each operator runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kd_edge.reporting.page.charts.chart import Spec, layered

PERSISTENT, TENSORS, SCRATCH = "TFLM's own structures", "tensors", "scratch buffers"
_MAX_NAMED_OPS = 24


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that live while one operator runs.

    Attributes:
        index: Position of the operator.
        op: Its name.
        kind: `PERSISTENT`, `TENSORS` or `SCRATCH`.
        what: Which tensor, for example `"tensor 3, 32 x 1 x 48"`.
        num_bytes: How many.
        peak: Whether no operator has more alive.
    """

    index: int
    op: str
    kind: str
    what: str
    num_bytes: int
    peak: bool


def memory_chart(held: Sequence[Held], *, limits: Sequence[Spec] = (), height: int = 300) -> Spec:
    """Return the chart of live bytes in the order of execution, the peak outlined.

    Args:
        held: Everything that lives, by operator.
        limits: Layers on top; see `rule_of_limit`.
        height: In pixels.
    """
    values = [{**asdict(part), "place": f"{part.index} {part.op}", "order": _KINDS.index(part.kind)} for part in held]
    places = list(dict.fromkeys(value["place"] for value in values))
    axis: Spec = {"labelAngle": -50, "labelOverlap": True} if len(places) <= _MAX_NAMED_OPS else {"labels": False}
    peaks = {value["place"]: 0 for value in values if value["peak"]}
    for value in values:
        if value["peak"]:
            peaks[value["place"]] += value["num_bytes"]
    x: Spec = {"field": "place", "type": "nominal", "sort": places, "title": "operators in their order", "axis": axis}
    y: Spec = {
        "field": "num_bytes",
        "type": "quantitative",
        "title": "bytes",
        "axis": {"format": ",d"},
        "stack": "zero",
    }
    tooltip: list[Spec] = [{"field": "place", "title": "operator"}, {"field": "what", "title": "holds"}]
    tooltip += [{"field": "num_bytes", "title": "bytes", "format": ",d"}]
    kind: Spec = {"field": "kind", "type": "nominal", "scale": {"domain": _KINDS, "range": _COLORS}}
    top = [{"place": place, "total": total, "text": f"peak {total:,} B"} for place, total in peaks.items()]
    total: Spec = {"field": "total", "type": "quantitative"}
    outline = {"type": "bar", "filled": False, "stroke": "var(--ring)", "strokeWidth": 2, "tooltip": None}
    layers: list[Spec] = [
        {
            "data": {"values": values},
            "mark": {"type": "bar", "stroke": "var(--page)", "strokeWidth": 1},
            "encoding": {"x": x, "y": y, "color": kind, "order": {"field": "order"}, "tooltip": tooltip},
        },
        {"data": {"values": top}, "mark": outline, "encoding": {"x": x, "y": total}},
        {
            "data": {"values": top[:1]},
            "mark": {"type": "text", "dy": -7, "color": "var(--ink)", "fontSize": 12},
            "encoding": {"x": x, "y": total, "text": {"field": "text"}},
        },
    ]
    return layered([*layers, *limits], height=height)


_KINDS = [PERSISTENT, TENSORS, SCRATCH]
_COLORS = ["var(--series-8)", "var(--series-1)", "var(--series-2)"]
