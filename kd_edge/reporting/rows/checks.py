"""The tables of a verification and a run as rows of text, for the terminal and for the page alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.energy import energy_text
from kd_edge.reporting.sentences.formatting import latency_text, measured_bytes
from kd_edge.reporting.sentences.metric_words import metric_of
from kd_edge.reporting.sentences.verdicts import WORDS, check_title, found_text, limit_text
from kd_edge.verification.verdict import read_gates

_ACCURACIES = {
    "float_keras": "float, Keras",
    "float_tflite": "float, LiteRT",
    "int8_litert": "{}, LiteRT",
    "int8_tflm": "{}, TFLM",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A table as text.

    Attributes:
        title: What it shows.
        header: One word or two per column; all empty for a table without a header.
        rows: The cells.
        text: The columns that are no numbers.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[int] = frozenset({0})


def fit_rows(verify: Result, budget: Result) -> Rows:
    """Return limits, predictions, what was measured, and whether it fits."""
    predicted, measured, off = verify["predicted"], verify["measured"], verify["prediction_error_percent"]
    marks = {name: WORDS[gate.verdict] for name, gate in read_gates(verify).items()}
    limit = "none" if budget["latency_ms"] is None else f"{budget['latency_ms']:g} ms"
    flash, ram = f"{budget['flash_bytes']:,} B", f"{budget['ram_bytes']:,} B"
    files = (measured_bytes(cost["flash_bytes"]) for cost in (predicted, measured))
    arenas = (measured_bytes(verify["predicted_host_arena_bytes"]), measured_bytes(measured["arena_bytes"]))
    smallest = measured_bytes(measured["arena_minimum_bytes"])
    reserved = measured_bytes(verify["ram_bytes"])
    latency = latency_text(predicted, unit=" ms", limit=budget["latency_ms"])
    rows = [
        ("flash (.tflite file)", marks["flash_bytes"], flash, *files, _percent(off.get("flash_bytes"))),
        ("RAM (arena to reserve)", marks["ram_bytes"], ram, reserved, "needs the board", ""),
        ("arena on the board", "", "", measured_bytes(predicted["arena_bytes"]), "needs the board", ""),
        ("arena on a PC", "", "", *arenas, _percent(off.get("arena_bytes"))),
        ("smallest arena on a PC", "", "", "", smallest, ""),
        ("latency", marks["latency_ms"], limit, latency, "needs the board", ""),
    ]
    if energy := verify.get("energy"):
        ends = energy_text(energy, limit=budget.get("energy_mj"))
        limit = "none" if budget.get("energy_mj") is None else f"{budget['energy_mj']:g} mJ"
        rows.append(("energy", marks.get("energy_mj", WORDS[None]), limit, ends, "needs the board", ""))
    header = ("", "", "limit", "predicted", "measured", "off by")
    return Rows("does it fit?", header, rows, frozenset({0, 1}))


def accuracy_rows(verify: Result) -> Rows:
    """Return the accuracies of a student and of its file."""
    header, rows = ("", metric_title(metric_of(verify["accuracy"])), "95 % interval"), list(_accuracies(verify))
    if (teacher := verify["accuracy"].get("teacher")) is not None:
        rows.append(("teacher, float", share_text(teacher), interval_text(verify["accuracy_ci95"]["teacher"])))
    return Rows(_accuracy_title(verify), header, rows)


def run_accuracy_rows(run: Result) -> Rows:
    """Return the accuracies and sizes of all networks of a run, last the student that is handed on.

    An older version knew no choice: the distilled one was handed on.
    """
    networks = {"teacher": "teacher", "baseline": "student without a teacher", "distill": "student distilled"}
    if not run["distill"].get("guided", True):
        del networks["distill"]
    shipped = "baseline" if run.get("choice", {}).get("shipped") == "alone" else "distill"
    title = networks.pop(shipped)
    sizes = {at: tuple(_count(run[at][figure]) for figure in ("macs", "params")) for at in (*networks, shipped)}
    rows = [
        *((f"{name}, float", share_text(run[at]["test_accuracy"]), "", *sizes[at]) for at, name in networks.items()),
        *((f"{title}, {name}", *cells, *sizes[shipped]) for name, *cells in _accuracies(run["verify"])),
    ]
    header = ("", metric_title(metric_of(run["verify"]["accuracy"])), "95 % interval", "MACs", "parameters")
    return Rows(_accuracy_title(run["verify"]), header, rows)


def noise_rows(noise: Sequence[Result]) -> Rows:
    """Return the noise of each op of a quantized file."""
    rows = [(str(op["index"]), op["op"], op["layer"], _decibels(op)) for op in noise]
    header = ("op", "kind", "layer", "signal to noise")
    return Rows("float against quantized (measured)", header, rows, frozenset({0, 1, 2}))


def check_rows(gates: Result, metric: str = "accuracy") -> Rows:
    """Return every check that has a figure or a limit with these; `metric` is what the answers are measured by."""
    checks = read_gates({"gates": gates})
    rows = [
        (check_title(name, metric), found_text(name, gate), limit_text(name, gate), WORDS[gate.verdict])
        for name, gate in checks.items()
        if not gate.measured is gate.limit is None
    ]
    return Rows("checks", ("", "found", "limit", ""), rows)


def precision(verify: Result) -> str:
    """Return in which numbers the file of a verification computes; "file" where an older version did not ask."""
    return str(verify.get("precision", "file"))


def metric_title(metric: str) -> str:
    """Return in words what answers are measured by; see `Task.metric`."""
    return {"accuracy": "share right", "label_accuracy": "labels right", "score": "score"}.get(metric, "skill")


def interval_text(interval: Result | None) -> str:
    """Return a 95 % interval, and of how many groups it was drawn where there are any."""
    if not interval:
        return ""
    groups = interval.get("num_groups")
    drawn = "" if groups is None else f", {groups} group{'' if groups == 1 else 's'}"
    low, high = ("unknown" if interval[end] is None else f"{interval[end]:z.3f}" for end in ("ci95_low", "ci95_high"))
    return f"{low} to {high}{drawn}"


def share_text(share: float | None) -> str:
    """Return a share of samples."""
    return "not measured" if share is None else f"{share:z.3f}"


def _accuracy_title(verify: Result) -> str:
    metric = metric_of(verify["accuracy"])
    if metric == "score":
        return "score on the test samples (measured; the mean of all outputs' own)"
    skill = "skill on the test samples (measured; 1 is the best, 0 as good as a constant answer)"
    return skill if metric == "skill" else "accuracy on the test samples (measured)"


def _accuracies(verify: Result) -> Iterator[tuple[str, str, str]]:
    for name, title in _ACCURACIES.items():
        known = verify["accuracy_ci95"].get(name)
        yield title.format(precision(verify)), share_text(verify["accuracy"][name]), interval_text(known)


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _decibels(op: Result) -> str:
    """Return the noise of an op; an older version did not say why there was no figure."""
    if (ratio := op["signal_to_noise_db"]) is not None:
        return f"{ratio:z.1f} dB"
    return str(op.get("unavailable_reason", {}).get("signal_to_noise_db", "no noise or no signal"))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+z.1f} %"
