"""Shows the study of boards and budgets as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.studies.devices.sets import BOARDS, LATENCIES, SETS
from tools.studies.halting.rows import Row

_MARKS = {"reached": " =", "below": " <", "not_shown": " ~", None: ""}


def render(document: Mapping[str, Any]) -> str:
    """Return the tables of the study, and first what of it has been run."""
    rows = document["result"]["rows"]
    lines = [*_head(document, rows)]
    for name in dict.fromkeys(row["set"] for row in rows):
        lines += ["", *_table(name, [row for row in rows if row["set"] == name])]
    return "\n".join(lines)


def _head(document: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    done = [name for name in SETS if _cells(rows, name) >= len(BOARDS) * len(LATENCIES)]
    missing = [SETS[name].title for name in SETS if name not in done]
    if missing:
        yield f"**Not finished.** Not run with all samples, boards and budgets: {'; '.join(missing)}."
    parts = [name for name in dict.fromkeys(row["set"] for row in rows) if name not in SETS]
    if parts:
        yield ""
        tried = "; ".join(parts)
        yield f"Run only to try the tool, with few samples and epochs, which says nothing of the method: {tried}."
    if rows:
        versions, machine = document["versions"], document["machine"]
        yield ""
        yield f"`{document['tool']}`; Keras {versions['keras']}, TensorFlow {versions['tensorflow']}, {machine['cpu']}."


def _cells(rows: Sequence[Row], name: str) -> int:
    return sum(row["set"] == name and row["network"] == "kd_edge" for row in rows)


def _table(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line a cell: the accuracy of each network that fits it."""
    networks = [network for network in dict.fromkeys(row["network"] for row in rows) if network != "teacher"]
    teacher = next((row for row in rows if row["network"] == "teacher"), None)
    yield f"### {name}"
    yield ""
    if teacher is not None and teacher["accuracy"] is not None:
        yield f"The teacher: {teacher['accuracy']:.3f}, {teacher['macs']:,} MACs, {teacher['epochs']} epochs."
        yield ""
    yield f"| board and budget | {' | '.join(networks)} | binds |"
    yield f"|---|{'---|' * len(networks)}---|"
    for cell in dict.fromkeys(row["cell"] for row in rows if row["cell"]):
        own = {row["network"]: row for row in rows if row["cell"] == cell}
        binds = ", ".join(own.get("kd_edge", {}).get("binds", []))
        yield f"| {cell} | {' | '.join(_text(own.get(network)) for network in networks)} | {binds} |"


def _text(row: Row | None) -> str:
    if row is None:
        return ""
    if not row["fits"]:
        return "does not fit" if row["network"] != "kd_edge" else "infeasible"
    open_verdict = "" if row["verdict"] == "holds" else f", {row['verdict'].replace('_', ' ')}"
    interval = f"{row['accuracy_low']:.3f} to {row['accuracy_high']:.3f}"
    return f"{row['accuracy']:.3f}{_MARKS[row.get('teacher')]} ({interval}){open_verdict}"
