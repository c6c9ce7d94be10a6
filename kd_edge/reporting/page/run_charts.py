"""The charts of one run, from its document and its file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.model import CostModel, OpCost
from kd_edge.ir.graph import Graph
from kd_edge.reporting.page.answer_charts import answer_charts
from kd_edge.reporting.page.charts.bars import Bar, bar_chart
from kd_edge.reporting.page.charts.chart import Chart, rule_of_limit
from kd_edge.reporting.page.charts.curves import curve_chart
from kd_edge.reporting.page.charts.front import FrontPoint, Limit, front_chart
from kd_edge.reporting.page.memory_charts import held_bytes, memory_timeline_chart, op_words
from kd_edge.reporting.rows.checks import Rows
from kd_edge.reporting.sentences.formatting import latency_text
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word, searched_metric

Stages = Mapping[str, Any]

_TRAINED, _FRONT = "trained", "no other is better in everything"
COSTS = (
    ("latency_ms", "latency", "ms", 1.0),
    ("ram_bytes", "RAM", "kB", 1024.0),
    ("flash_bytes", "flash", "kB", 1024.0),
)


def run_charts(run: Stages, graph: Graph, device: DeviceProfile) -> dict[str, list[Chart]]:
    """Return the charts of a run by their sections of the page.

    Args:
        run: The result of a run's document.
        graph: Of its file.
        device: Its board.
    """
    model, budget, verify = CostModel(device), run["design"]["budget"], run["verify"]
    ops, held = model.per_op(graph), held_bytes(model, graph, verify["predicted"]["arena_persistent_bytes"])
    return {
        "cost": [cost_chart(verify, budget)],
        "candidates": list(candidate_charts(run["design"])),
        "training": [training_chart(run["distill"], run["baseline"])],
        "memory": [memory_timeline_chart(held, budget["ram_bytes"])],
        "latency": latency_charts(ops, device),
        "answers": list(answer_charts(verify, run["data"]["class_names"])),
    }


def cost_chart(verify: Stages, budget: Stages) -> Chart:
    """Return what was predicted and measured as shares of the budget."""
    predicted, measured = verify["predicted"], verify["measured"]
    ram = verify.get("ram_bytes", predicted["arena_bytes"])
    bars = []
    for row, limit, guess, real in (
        ("flash", budget["flash_bytes"], predicted["flash_bytes"], measured["flash_bytes"]),
        ("RAM", budget["ram_bytes"], ram, None),
    ):
        bars += [Bar(row, "predicted", guess / limit, f"{guess:,} B")] if guess is not None else []
        bars += [Bar(row, "measured", real / limit, f"{real:,} B")] if real is not None else []
    if (limit := budget["latency_ms"]) is not None and predicted["latency_ms"] is not None:
        low, high = (predicted[f"latency_{end}_ms"] / limit for end in ("low", "high"))
        text = latency_text(predicted, limit=limit)
        bars.append(Bar("latency", "predicted", predicted["latency_ms"] / limit, text, low, high))
    spec = bar_chart(bars, title="share of the budget", top=_top(bars), limits=rule_of_limit(1.0, "")[:1])
    table = Rows(
        "shares of the budget", ("", "", "share", ""), [(b.row, b.kind, f"{b.value:.1%}", b.text) for b in bars]
    )
    return Chart("cost", spec, "Predicted and measured cost as shares of the budget", table)


def _top(bars: Sequence[Bar]) -> float:
    return 1.4 * max(1.0, *(bar.high or bar.value for bar in bars))


def candidate_charts(design: Stages) -> Iterator[Chart]:
    """Yield what ranks the trained candidates against each cost: the front, the budget, the chosen one."""
    metric, objective = searched_metric(design)
    reached = f"validation {metric_word(objective or metric)}"
    ranked = "accuracy" if objective is None else "score"
    for name, word, unit, divisor in COSTS:
        points = sorted(_candidates(design, ranked, name, divisor), key=lambda point: point.series != _FRONT)
        if not points:
            continue
        limit = design["budget"].get(name)
        limits = [] if limit is None else [Limit(limit / divisor, f"budget {limit / divisor:.4g} {unit}")]
        joined = [_FRONT] if points[0].series == _FRONT else []
        spec = front_chart(points, x_title=f"{word} ({unit})", y_title=reached, limits=limits, joined=joined)
        rows = [
            (p.label, p.series + (", chosen" if p.chosen else ""), f"{p.x:,.4g} {unit}", f"{p.y:z.3f}") for p in points
        ]
        table = Rows(f"candidates by {word}", ("network", "", word, reached), rows, frozenset({0, 1}))
        text = f"{reached.capitalize()} and {word} of the trained candidates; the chosen one has a ring"
        yield Chart(f"candidates-{name.split('_')[0]}", spec, text, table)


def _candidates(design: Stages, ranked: str, name: str, divisor: float) -> Iterator[FrontPoint]:
    """Yield the trained candidates whose cost is known; an older version did not tell the RAM to reserve."""
    on_front, chosen = [candidate["values"] for candidate in design["front"]], design["chosen"]["values"]
    for number, candidate in enumerate(design["candidates"], start=1):
        cost, reached, values = candidate["cost"], candidate[ranked], candidate["values"]
        if cost.get(name) is None or reached is None:
            continue
        low, high = (cost.get(f"latency_{end}_ms") if name == "latency_ms" else None for end in ("low", "high"))
        series = _FRONT if values in on_front else _TRAINED
        at, ring = cost[name] / divisor, values == chosen
        yield FrontPoint(_values_text(values, number), series, at, reached, x_low=low, x_high=high, chosen=ring)


def _values_text(values: Stages, number: int) -> str:
    words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
    return words if len(words) <= 120 else f"number {number}: {words[:110]} ..."


def training_chart(distill: Stages, baseline: Stages) -> Chart:
    """Return the validation metric per epoch, with guides, if there were any, and without, and when each left."""
    curves = training_curves(distill, baseline)
    events = {f"{r['guide']} left": r["epoch"] for r in distill["halting"] if r["epoch"] is not None}
    metric = f"validation {metric_word(metric_of(baseline))}"
    table = training_rows(curves, events)
    text = f"{metric.capitalize()} per epoch: " + ", ".join(curves)
    text += "".join(f"; {words} after epoch {epoch}" for words, epoch in events.items())
    return Chart("training", curve_chart(curves, title=metric, events=events), text, table)


def training_rows(curves: Mapping[str, Sequence[float | None]], events: Mapping[str, int] | None = None) -> Rows:
    """Return the best and the last known figure of each training, and the epochs in which something happened."""
    rows = [(name, str(len(curve)), *_best_and_last(curve)) for name, curve in curves.items() if curve]
    rows += [(words, str(epoch), "", "") for words, epoch in (events or {}).items()]
    return Rows("training", ("", "epochs", "best", "last"), rows)


def _best_and_last(curve: Sequence[float | None]) -> tuple[str, str]:
    known = [value for value in curve if value is not None]
    return (f"{max(known):z.3f}", f"{known[-1]:z.3f}") if known else ("not finite", "not finite")


def training_curves(distill: Stages, baseline: Stages) -> dict[str, list[float | None]]:
    """Return the validation metric per epoch of the student with guides, if there were any, and without.

    `None` stands for a figure that is not finite.
    """
    drawn = [(distill, "distilled")] if distill.get("guided", True) else []
    stages = [*drawn, (baseline, "without a teacher")]
    return {f"student, {name}": stage["history"][f"val_{metric_of(stage)}"] for stage, name in stages}


def latency_charts(ops: Sequence[OpCost], device: DeviceProfile) -> list[Chart]:
    """Return the milliseconds of each op with the interval of the board's profile; nothing where one is not known."""
    spread, bars = 1 + device.error_percent / 100, []
    for op in ops:
        if (ms := op.latency_ms) is None:
            return []
        low, high = ms / spread, ms * spread
        text = latency_text({"latency_ms": ms, "latency_low_ms": low, "latency_high_ms": high})
        bars.append(Bar(f"{op.index} {op_words(op.op)}", "latency", ms, text, low, high))
    if not bars:
        return []
    table = Rows("latency per operator", ("operator", "latency"), [(bar.row, bar.text) for bar in bars])
    spec = bar_chart(bars, title="latency, computed (ms)", top=1.5 * max(bar.high or 0 for bar in bars))
    return [Chart("latency", spec, "Computed milliseconds of each operator on the board, with intervals", table)]
