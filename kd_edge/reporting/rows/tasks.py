"""How good a file is by its task's own metrics, as rows of text."""

from collections.abc import Callable, Iterator

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows, interval_text, precision, share_text
from kd_edge.reporting.sentences.formatting import significant


def task_rows(verify: Result) -> list[Rows]:
    """Return the tables of a task without classes; none where there is nothing of the kind."""
    found = verify.get("task_metrics")
    return [] if found is None else list(_ROWS[verify["task"]](verify, found))


def _label_rows(verify: Result, found: Result) -> Iterator[Rows]:
    known = verify["accuracy_ci95"] | {"label_accuracy": verify["accuracy_ci95"].get("int8_litert")}
    known |= verify["task_metrics_ci95"]
    scores = {
        "labels right": ("label_accuracy", found["label_accuracy"]),
        "samples with all labels right": ("exact_match", found["exact_match"]),
        "macro-F1": ("macro_f1", found["macro_f1"]),
        "labels right, each always its more frequent value": ("constant_share", found["constant_share"]),
    }
    rows = [(title, share_text(share), interval_text(known.get(name))) for title, (name, share) in scores.items()]
    yield Rows(f"{precision(verify)}, LiteRT, over all labels (measured)", ("", "", "95 % interval"), rows)
    labels = [
        (row["name"], f"{row['support']:,}", *(_share(row[figure]) for figure in ("recall", "precision", "f1")))
        for row in found["labels"]
    ]
    header = ("label", "samples", "recall", "precision", "F1")
    yield Rows(f"{precision(verify)}, LiteRT, label by label (measured)", header, labels)


def _value_rows(verify: Result, found: Result) -> Iterator[Rows]:
    rows = []
    for row in found["values"]:
        interval = verify["task_metrics_ci95"].get(f"mae.{row['name']}")
        figures = [significant(row[name], 3) for name in ("mae", "rmse", "constant_mae")]
        ends = [] if interval is None else [interval["ci95_low"], interval["ci95_high"]]
        between = " to ".join("unknown" if end is None else significant(end, 3) for end in ends)
        r2 = "" if row["r2"] is None else f"{row['r2']:z.3f}"
        rows.append((row["name"], row["unit"], figures[0], between, figures[1], r2, figures[2]))
    header = ("value", "unit", "mean error", "95 % interval", "RMS error", "R2", "of the median")
    yield Rows(f"{precision(verify)}, LiteRT, value by value (measured)", header, rows, frozenset({0, 1}))


def _anomaly_rows(verify: Result, found: Result) -> Iterator[Rows]:
    known, limit = verify["task_metrics_ci95"], f"{found['max_false_positive_rate']:g}"
    rows = [
        ("area under the curve (AUC)", share_text(found["auc"]), interval_text(known.get("auc"))),
        (
            f"partial AUC, up to a false positive rate of {limit}",
            share_text(found["partial_auc"]),
            interval_text(known.get("partial_auc")),
        ),
        (
            f"threshold of the score, {found['threshold_percentile']:g} % of the training's",
            significant(found["threshold"], 3),
            "",
        ),
        (f"anomalies above it, of {found['num_anomalies']:,}", share_text(found["recall"]), ""),
        (f"normal samples above it, of {found['num_normal']:,}", share_text(found["false_positive_rate"]), ""),
    ]
    yield Rows(f"{precision(verify)}, LiteRT, anomalies (measured)", ("", "", "95 % interval"), rows)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:z.3f}"


_ROWS: dict[str, Callable[[Result, Result], Iterator[Rows]]] = {
    "multilabel": _label_rows,
    "regression": _value_rows,
    "reconstruction": _anomaly_rows,
}
