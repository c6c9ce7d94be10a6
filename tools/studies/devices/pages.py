"""Shows the study of boards and budgets as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.studies.devices.sets import BOARDS, LATENCIES, SETS
from tools.studies.halting.rows import Row

OURS, NARROWER, TEACHER = "kd_edge", "teacher, narrower", "teacher"
# Before the name of a family that students were drawn from besides.
FAMILIES = f"{OURS}, "
_MARKS = {"reached": " =", "below": " <", "not_shown": " ~", None: ""}


def render(document: Mapping[str, Any]) -> str:
    """Return the tables of the study, and first what of it has been run."""
    rows = document["result"]["rows"]
    lines = [*_head(document, rows)]
    found = {row["set"] for row in rows}
    for name in [*(name for name in SETS if name in found), *sorted(found - SETS.keys())]:
        lines += ["", *_section(name, [row for row in rows if row["set"] == name])]
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
        versions, machine, date = document["versions"], document["machine"], document["created"][:10]
        yield ""
        yield (
            f"`{document['tool']}`, {date}; Keras {versions['keras']}, TensorFlow {versions['tensorflow']}, "
            f"{machine['cpu']}.{_times(document)}"
        )


def _times(document: Mapping[str, Any]) -> str:
    """Return what each set has taken, as far as that is known."""
    minutes = {name: document.get("seconds", {}).get(name, 0.0) / 60 for name in SETS}
    if not all(minutes.values()):
        return ""
    each = ", ".join(f"{name} {taken:.0f}" for name, taken in minutes.items())
    return f" Minutes of processor time that the data sets took: {each}; together {sum(minutes.values()):.0f}."


def _cells(rows: Sequence[Row], name: str) -> int:
    return sum(row["set"] == name and row["network"] == OURS for row in rows)


def _section(name: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"### {SETS[name].title if name in SETS else name}"
    yield ""
    teacher = next((row for row in rows if row["network"] == TEACHER), None)
    if teacher is not None and teacher["accuracy"] is not None:
        yield f"The teacher: {teacher['accuracy']:.3f}, {teacher['macs']:,} MACs, {teacher['epochs']} epochs."
        yield ""
    cells = [_Cell(row, rows) for row in rows if row["network"] == OURS]
    yield " ".join(_summary(cells))
    yield ""
    yield from _by_cell(cells)
    yield ""
    if families := list(dict.fromkeys(family for cell in cells for family in cell.families)):
        yield from _by_family(cells, families)
        yield ""
    yield from _by_network(rows, len(cells))


class _Cell:
    """A board with a budget: the sweep's student, and what of others fits."""

    def __init__(self, ours: Row, rows: Sequence[Row]) -> None:
        self.ours = ours
        self.board, self.budget = ours["cell"].rsplit("-", 1)
        here = [row for row in rows if row["cell"] == ours["cell"] and row is not ours]
        fitting = [row for row in here if row["fits"]]
        self.narrower = next((row for row in fitting if row["network"] == NARROWER), None)
        self.families = {row["network"]: row for row in here if row["network"].startswith(FAMILIES)}
        public = [row for row in fitting if row["network"] != NARROWER and row["network"] not in self.families]
        self.best = max(public, key=lambda row: row["accuracy"], default=None)

    @property
    def ahead_of(self) -> float | None:
        """How much more the student gets right than the best that fits beside it."""
        others = [row["accuracy"] for row in (self.narrower, self.best) if row is not None]
        return self.ours["accuracy"] - max(others) if self.ours["fits"] and others else None


def _summary(cells: Sequence[_Cell]) -> Iterator[str]:
    """Yield sentences that count the boards and budgets."""
    fitting = [cell for cell in cells if cell.ours["fits"]]
    alone = [cell for cell in fitting if cell.ahead_of is None]
    held = sum(cell.ours["verdict"] == "holds" for cell in fitting)
    yield (
        f"Of {len(cells)} boards with budgets {len(fitting)} have a student of the sweep, and all its checks hold for "
        f"{held}; for {len(cells) - len(fitting)} no network of the space is small enough."
    )
    lonely = sum(cell.best is None for cell in fitting)
    yield f"For {len(alone)} of them nothing else fits; for {lonely} no network of others."
    if ahead := [cell.ahead_of for cell in fitting if cell.ahead_of is not None]:
        level = sum(points > -0.0005 for points in ahead)
        yield (
            f"Where something else fits, the student gets {100 * sum(ahead) / len(ahead):+.1f} points more right than "
            f"the best of it on average, {100 * min(ahead):+.1f} to {100 * max(ahead):+.1f}, and not less for {level} "
            f"of {len(ahead)}."
        )


def _by_cell(cells: Sequence[_Cell]) -> Iterator[str]:
    yield "| board | budget | student of the sweep | MACs | the teacher, narrower | best network of others | binds |"
    yield "|---|---|---|---|---|---|---|"
    for cell in cells:
        ours = cell.ours
        best = "" if cell.best is None else f"{cell.best['network']}: {cell.best['accuracy']:.3f}{_doubt(cell.best)}"
        narrower = "" if cell.narrower is None else f"{cell.narrower['accuracy']:.3f}{_doubt(cell.narrower)}"
        macs = f"{ours['macs']:,}" if ours["fits"] else ""
        binds = ", ".join(name.split("_")[0] for name in ours["binds"])
        yield f"| {cell.board} | {cell.budget} | {_student(ours)} | {macs} | {narrower} | {best} | {binds} |"


def _by_family(cells: Sequence[_Cell], families: Sequence[str]) -> Iterator[str]:
    """Yield a line a board and budget whose students were drawn from other families besides."""
    yield "Students of another family, by a sweep of its own (`--family`), for which a teacher was trained again:"
    yield ""
    yield f"| board | budget | student of the sweep | {' | '.join(name.removeprefix(FAMILIES) for name in families)} |"
    yield f"|---|---|---|{'---|' * len(families)}"
    for cell in (cell for cell in cells if cell.families):
        students = [cell.ours, *(cell.families.get(family) for family in families)]
        yield f"| {cell.board} | {cell.budget} | {' | '.join(_with_macs(row) for row in students)} |"


def _with_macs(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{_student(row)}, {row['macs']:,} MACs" if row["fits"] else _student(row)


def _student(row: Row) -> str:
    if not row["fits"]:
        return "infeasible"
    interval = f"{row['accuracy_low']:.3f} to {row['accuracy_high']:.3f}"
    return f"**{row['accuracy']:.3f}**{_MARKS[row['teacher']]} ({interval}){_doubt(row)}"


def _doubt(row: Row) -> str:
    return "" if row["verdict"] == "holds" else f", {row['verdict'].replace('_', ' ')}"


def _by_network(rows: Sequence[Row], num_cells: int) -> Iterator[str]:
    """Yield a line a network of others: what it gets right wherever it fits."""
    yield "| network of others | right | MACs | fits |"
    yield "|---|---|---|---|"
    for network in dict.fromkeys(row["network"] for row in rows):
        if network in (OURS, NARROWER, TEACHER) or network.startswith(FAMILIES):
            continue
        fitting = [row for row in rows if row["network"] == network and row["fits"]]
        figures = "| | |"
        if fitting:
            one = fitting[0]
            figures = (
                f"| {one['accuracy']:.3f} ({one['accuracy_low']:.3f} to {one['accuracy_high']:.3f}) | {one['macs']:,} |"
            )
        yield f"| {network} {figures} {len(fitting)} of {num_cells} |"
