"""True classes against those that a file names, with the recall of each."""

from collections.abc import Sequence

from kd_edge.reporting.page.charts.chart import Spec, layered

_MAX_NUMBERED_CLASSES = 15
RECALL = "recall"


def recalls(table: Sequence[Sequence[int]]) -> list[float | None]:
    """Return the share of each true class's samples that are named right; `None` of a class without samples."""
    return [row[place] / sum(row) if sum(row) else None for place, row in enumerate(table)]


def confusion_chart(table: Sequence[Sequence[int]], class_names: Sequence[str]) -> Spec:
    """Return the confusion matrix: a cell is as strong as its share of the row, the last column is the recall.

    Args:
        table: Counts; rows are the true classes.
        class_names: In the order of the rows.
    """
    names = [f"{place}: {name}" for place, name in enumerate(class_names)]
    cells = [_cell(names, table[row], row, column) for row in range(len(names)) for column in range(len(names))]
    found = recalls(table)
    ends = [
        {"true": name, "named": RECALL, "text": "-" if share is None else f"{share:.1%}"}
        for name, share in zip(names, found, strict=True)
    ]
    numbered = len(names) <= _MAX_NUMBERED_CLASSES
    x: Spec = {"field": "named", "type": "nominal", "sort": [*names, RECALL], "title": "named by the file"}
    x["axis"] = {"labelAngle": -50, "labelLimit": 90}
    y: Spec = {"field": "true", "type": "nominal", "sort": names, "title": "true class", "axis": {"labelLimit": 90}}
    size = {"type": "quantitative"}
    tooltip: list[Spec] = [{"field": "true", "title": "true class"}, {"field": "named", "title": "named"}]
    tooltip += [
        {"field": "count", "title": "samples", **size},
        {"field": "share", "title": "share", "format": ".1%", **size},
    ]
    strength: Spec = {"field": "share", "scale": {"domain": [0, 1], "range": [0, 1]}, "legend": None, **size}
    ink: Spec = {"condition": {"test": "datum.share > 0.55", "value": "var(--strong)"}, "value": "var(--ink)"}
    box = {"type": "rect", "color": "var(--series-1)", "stroke": "var(--line)"}
    text: Spec = {"type": "text", "fontSize": 11}
    layers: list[Spec] = [
        {
            "data": {"values": cells},
            "mark": box,
            "encoding": {"x": x, "y": y, "fillOpacity": strength, "tooltip": tooltip},
        },
        {
            "data": {"values": ends},
            "mark": {**text, "fontWeight": "bold", "color": "var(--ink)"},
            "encoding": {"x": x, "y": y, "text": {"field": "text"}},
        },
    ]
    if numbered:
        counted = [cell for cell in cells if cell["count"]]
        layers.append(
            {
                "data": {"values": counted},
                "mark": {**text, "tooltip": None},
                "encoding": {"x": x, "y": y, "text": {"field": "count"}, "color": ink},
            }
        )
    return layered(layers, height={"step": 30 if numbered else 16})


def _cell(names: Sequence[str], row: Sequence[int], place: int, column: int) -> Spec:
    return {"true": names[place], "named": names[column], "count": row[column], "share": row[column] / max(1, sum(row))}
