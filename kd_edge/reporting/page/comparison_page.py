"""Finished runs beside each other as one HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_edge.files import write_bytes
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.curves import curve_chart
from kd_edge.reporting.page.charts.front import FrontPoint, front_chart
from kd_edge.reporting.page.rendering import render
from kd_edge.reporting.page.run_charts import COSTS, training_curves
from kd_edge.reporting.rows.checks import Rows, interval_text, share_text
from kd_edge.reporting.run_files import read_run
from kd_edge.reporting.sentences.formatting import latency_text, measured_bytes
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.verdicts import WORDS
from kd_edge.verification.verdict import outcome


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    results: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def stages(self) -> Mapping[str, Any]:
        return dict(self.results["result"])


def write_comparison(run_folders: Sequence[str | Path], path: str | Path) -> Path:
    """Write a page with the figures of several finished runs beside each other, and return its path.

    Args:
        run_folders: Two or more, each with `results.json` and `config.json`.
        path: Of the page.

    Raises:
        ModelError: A run is not finished.
    """
    folders = [Path(folder) for folder in run_folders]
    read = map(read_run, folders)
    runs = [_Run(name, *files) for name, files in zip(_names(folders), read, strict=True)]
    charts = [*_cost_charts(runs), _curves(runs)]
    text = render("comparison.html", charts, charts=charts, figures=_figures(runs), names=[run.name for run in runs])
    return write_bytes(path, text.encode())


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' names, whole paths where two have the same."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _figures(runs: Sequence[_Run]) -> Rows:
    columns = [_column(run) for run in runs]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return Rows("the figures of the runs", ("", *(run.name for run in runs)), rows)


def _column(run: _Run) -> dict[str, str]:
    stages = run.stages
    verify, budget, config = stages["verify"], stages["design"]["budget"], run.config
    accuracy, ends, cost = verify["accuracy"], verify["accuracy_ci95"], verify["predicted"]
    macs, teacher = cost["macs"], stages["teacher"].get(f"test_{metric_of(stages['teacher'])}")
    limits = [f"{budget['flash_bytes']:,} B flash", f"{budget['ram_bytes']:,} B RAM"]
    limits += [] if budget["latency_ms"] is None else [f"{budget['latency_ms']:g} ms"]
    return {
        "verdict": WORDS[outcome(verify)],
        "device": stages["design"]["device"],
        "limits": ", ".join(limits),
        "data": stages["data"]["name"],
        "computes in": config["convert"]["quantize"],
        "measured by": metric_word(metric_of(accuracy)),
        "the file reaches": share_text(accuracy["int8_litert"]),
        "95 % interval": interval_text(ends.get("int8_litert")),
        "the float student": share_text(accuracy["float_keras"]),
        "the teacher": share_text(teacher),
        "size of the file": measured_bytes(verify["measured"]["flash_bytes"]),
        "RAM to reserve": measured_bytes(verify.get("ram_bytes")),
        "latency, computed": latency_text(cost, unit=" ms"),
        "multiply-accumulates": "unknown" if macs is None else f"{macs:,}",
        "parameters in the file": f"{cost['params']:,}",
        "handed on": {"distilled": "distilled", "alone": "without a teacher"}.get(
            stages.get("choice", {}).get("shipped", "distilled"), "distilled"
        ),
        "seed": str(run.results["seed"]),
        "made": run.results["created"][:16].replace("T", " "),
    }


def _cost_charts(runs: Sequence[_Run]) -> list[Chart]:
    charts = []
    for name, word, unit, divisor in COSTS:
        points = [_point(run, name, divisor) for run in runs]
        known = [point for point in points if point is not None]
        if known:
            reached = f"test {metric_word(metric_of(runs[0].stages['verify']['accuracy']))}"
            spec = front_chart(known, x_title=f"{word} ({unit})", y_title=f"{reached} of the file")
            charts.append(Chart(f"cost-{name.split('_')[0]}", spec, f"{reached.capitalize()} and {word} of each run"))
    return charts


def _point(run: _Run, name: str, divisor: float) -> FrontPoint | None:
    verify = run.stages["verify"]
    sizes = {**verify["predicted"], **{key: verify[key] for key in ("ram_bytes",) if key in verify}}
    sizes["flash_bytes"] = verify["measured"]["flash_bytes"]
    cost, reached = sizes.get(name), verify["accuracy"]["int8_litert"]
    if cost is None or reached is None:
        return None
    timed = name == "latency_ms"
    low, high = (sizes.get(f"latency_{end}_ms") if timed else None for end in ("low", "high"))
    ends = verify["accuracy_ci95"].get("int8_litert") or {}
    interval = ends.get("ci95_low"), ends.get("ci95_high")
    return FrontPoint(run.name, run.name, cost / divisor, reached, low, high, *interval)


def _curves(runs: Sequence[_Run]) -> Chart:
    curves = {
        f"{run.name}: {name}": curve
        for run in runs
        for name, curve in training_curves(run.stages["distill"], run.stages["baseline"]).items()
    }
    title = f"validation {metric_word(metric_of(runs[0].stages['baseline']))}"
    rows = [(name, str(len(curve)), f"{max(curve):.3f}", f"{curve[-1]:.3f}") for name, curve in curves.items() if curve]
    table = Rows("training", ("", "epochs", "best", "last"), rows)
    return Chart("training", curve_chart(curves, title=title), f"{title.capitalize()} per epoch of each run", table)
