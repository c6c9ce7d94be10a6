"""Finished runs beside each other as one HTML page."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_edge.errors import ConfigError
from kd_edge.files import write_bytes
from kd_edge.reporting.page.charts.chart import Chart
from kd_edge.reporting.page.charts.curves import curve_chart
from kd_edge.reporting.page.charts.front import FrontPoint, front_chart
from kd_edge.reporting.page.rendering import render
from kd_edge.reporting.page.run_charts import COSTS, training_curves, training_rows
from kd_edge.reporting.rows.checks import Rows, interval_text, share_text
from kd_edge.reporting.run_files import read_run, understood
from kd_edge.reporting.sentences.formatting import latency_text, measured_bytes
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.verdicts import WORDS
from kd_edge.verification.verdict import outcome

_BEGINNING = b"<!doctype html"


@dataclass(frozen=True, slots=True)
class _Run:
    """What the page shows of a run.

    Attributes:
        name: What it is called.
        metric: What its answers are measured by.
        column: Its figures in words, by what they are.
        points: Its file among the costs, by the cost.
        curves: Its networks' training, by the network.
    """

    name: str
    metric: str
    column: Mapping[str, str]
    points: Mapping[str, FrontPoint | None]
    curves: Mapping[str, Sequence[float | None]]


def write_comparison(run_folders: Sequence[str | Path], path: str | Path) -> Path:
    """Write a page with the figures of several finished runs beside each other, and return its path.

    Runs whose answers are measured by different metrics have charts of their own.

    Args:
        run_folders: Two or more, each with `results.json` and `config.json`.
        path: Of the page. An earlier page there is replaced, another file is not.

    Raises:
        ConfigError: A run is given twice, or a file that is no page is there.
        ModelError: A run is not finished, or its results are older or damaged.
    """
    _check_place(Path(path))
    folders = [Path(folder) for folder in run_folders]
    _check_different(folders)
    runs = list(map(_read, _names(folders), folders))
    groups = [[run for run in runs if run.metric == metric] for metric in dict.fromkeys(run.metric for run in runs)]
    costs = [chart for number, group in enumerate(groups) for chart in _cost_charts(group, number)]
    curves = [_curves(group, number) for number, group in enumerate(groups)]
    words = {"figures": _figures(runs), "names": [run.name for run in runs]}
    text = render("comparison.html", [*costs, *curves], costs=costs, curves=curves, **words)
    return write_bytes(path, text.encode())


def _check_place(path: Path) -> None:
    """Refuse a file that is there and by neither its name nor its beginning a page, such as the model of a run."""
    if not os.path.isfile(path) or path.suffix.lower() in (".html", ".htm"):
        return
    try:
        with path.open("rb") as file:
            is_page = file.read(len(_BEGINNING)).lower() == _BEGINNING
    except OSError:
        is_page = False
    if not is_page:
        raise ConfigError(f"bad --output: expected a page or nothing there, found another file, {path}; choose another")


def _check_different(folders: Sequence[Path]) -> None:
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"the same run twice: expected different ones, received {folder} more than once")


def _read(name: str, folder: Path) -> _Run:
    results, config = read_run(folder)
    with understood(folder):
        run = results["result"]
        return _Run(
            name,
            metric=metric_of(run["verify"]["accuracy"]),
            column=_column(results, config),
            points={cost: _point(name, run["verify"], cost, divisor) for cost, _, _, divisor in COSTS},
            curves=training_curves(run["distill"], run["baseline"]),
        )


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' names, whole paths where two have the same."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _figures(runs: Sequence[_Run]) -> Rows:
    rows = [(name, *(run.column[name] for run in runs)) for name in runs[0].column]
    return Rows("the figures of the runs", ("", *(run.name for run in runs)), rows)


def _column(results: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    stages = results["result"]
    verify, budget = stages["verify"], stages["design"]["budget"]
    accuracy, ends, cost = verify["accuracy"], verify["accuracy_ci95"], verify["predicted"]
    macs, teacher = cost["macs"], stages["teacher"].get("test_accuracy")
    expected = " expected" if budget.get("latency_at") == "expected" else ""
    limits = [f"{budget['flash_bytes']:,} B flash", f"{budget['ram_bytes']:,} B RAM"]
    limits += [] if budget["latency_ms"] is None else [f"{budget['latency_ms']:g} ms{expected}"]
    limits += [] if budget.get("energy_mj") is None else [f"{budget['energy_mj']:g} mJ"]
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
        "seed": str(results["seed"]),
        "made": results["created"][:16].replace("T", " "),
    }


def _cost_charts(runs: Sequence[_Run], number: int) -> list[Chart]:
    """Return the charts of runs of one metric, the `number`th of the page."""
    charts = []
    for name, word, unit, _ in COSTS:
        known = [point for run in runs if (point := run.points[name]) is not None]
        if known:
            reached = f"test {metric_word(runs[0].metric)}"
            spec = front_chart(known, x_title=f"{word} ({unit})", y_title=f"{reached} of the file")
            place = f"cost-{name.split('_')[0]}-{number}"
            charts.append(Chart(place, spec, f"{reached.capitalize()} and {word} of each run"))
    return charts


def _point(run: str, verify: Mapping[str, Any], name: str, divisor: float) -> FrontPoint | None:
    sizes = {**verify["predicted"], **{key: verify[key] for key in ("ram_bytes",) if key in verify}}
    sizes["flash_bytes"] = verify["measured"]["flash_bytes"]
    cost, reached = sizes.get(name), verify["accuracy"]["int8_litert"]
    if cost is None or reached is None:
        return None
    timed = name == "latency_ms"
    low, high = (sizes.get(f"latency_{end}_ms") if timed else None for end in ("low", "high"))
    ends = verify["accuracy_ci95"].get("int8_litert") or {}
    interval = ends.get("ci95_low"), ends.get("ci95_high")
    return FrontPoint(run, run, cost / divisor, reached, low, high, *interval)


def _curves(runs: Sequence[_Run], number: int) -> Chart:
    curves = {f"{run.name}: {name}": curve for run in runs for name, curve in run.curves.items()}
    title = f"validation {metric_word(runs[0].metric)}"
    text = f"{title.capitalize()} per epoch of each run"
    return Chart(f"training-{number}", curve_chart(curves, title=title), text, training_rows(curves))
