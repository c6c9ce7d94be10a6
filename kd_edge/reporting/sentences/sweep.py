"""What a sweep found, in words."""

from collections.abc import Iterator
from functools import partial

from kd_edge.cost.gate import BROKEN, NOT_PROVEN, Gate, digits_apart
from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.formatting import counted, significant
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word
from kd_edge.reporting.sentences.verdicts import WORDS, check_title, found_text, limit_text
from kd_edge.verification.verdict import read_gates

LIMITS = {
    "flash_bytes": "flash",
    "ram_bytes": "RAM",
    "latency_ms": "latency",
    "energy_mj": "energy",
    "teacher_ratio": "MACs",
    "refusals": "operators",
}
TEACHER = {"reached": "=", "not_shown": "~", "below": "<", None: ""}
INFEASIBLE = "infeasible"
_LOSS, _AS_GOOD = "teacher_loss", "as good as the teacher"
_FIGURES = {
    "flash_bytes": ("flash", "B"),
    "ram_bytes": ("RAM", "B"),
    "latency_ms": ("expected latency", "ms"),
    "latency_high_ms": ("latency, upper end", "ms"),
    "energy_mj": ("energy", "mJ"),
    "macs": ("share of the teacher", "MACs"),
}


def board_cells(result: Result) -> Iterator[tuple[Result, list[Result]]]:
    """Yield each board with its cells."""
    for board in result["boards"]:
        yield board, [cell for cell in result["cells"] if cell["device"] == board["name"]]


def budget_text(cell: Result) -> str:
    """Return the limits of a cell in a few characters."""
    limits = cell["name"].removeprefix(cell["device"]).strip("-").replace("-", " ")
    return limits or "the board's"


def binds_text(cell: Result) -> str:
    """Return which limits decide."""
    return ", ".join(LIMITS.get(name, name) for name in cell["binds"]) or ("together" if cell["infeasible"] else "")


def verdict_word(cell: Result) -> str:
    """Return the verdict of a cell in a word or two."""
    return INFEASIBLE if cell["verdict"] == INFEASIBLE else WORDS[cell["verdict"]]


def sweep_lines(result: Result) -> Iterator[str]:
    """Yield what was done for all cells."""
    cells, feasible = result["cells"], [cell for cell in result["cells"] if cell["student"] is not None]
    one_search = f"one search trained {counted(result['num_trained'], 'network', 'networks')}"
    students = counted(len(result["students"]), "was trained to the end", "were trained to the end")
    yield f"{len(feasible)} of {len(cells)} boards and budgets have a student; {one_search}, {students}"
    teacher = result["teacher"]
    if teacher["test_accuracy"] is not None:
        macs = "" if teacher["macs"] is None else f", {teacher['macs']:,} MACs"
        yield f"the teacher: test {metric_word(metric_of(teacher))} {teacher['test_accuracy']:z.3f}{macs}"


def teacher_marks(result: Result) -> str | None:
    """Return what the marks of `TEACHER` mean; `None` where no cell has one."""
    if (allowed := _allowed(result)) is None:
        return None
    reached, worse = (_AS_GOOD, "worse") if allowed == _AS_GOOD else (allowed, "further below")
    return f"= {reached}, < {worse}, ~ neither is shown (by the 95 % interval of the difference)"


def reached_lines(result: Result) -> Iterator[str]:
    """Yield on which boards and from which budget on a student is as good as the teacher, or as good as was asked."""
    for board, cells in board_cells(result):
        reached = [budget_text(cell) for cell in cells if cell["teacher"] == "reached"]
        if reached:
            yield f"{board['name']}: {_allowed(result)} with {', '.join(reached)}"


def _allowed(result: Result) -> str | None:
    """Return how good a student has to be whose mark is that of the teacher, which is the same in all cells."""
    for cell in result["cells"]:
        if cell["teacher_loss"] is not None:
            gate = Gate(**cell["teacher_loss"])
            return f"{limit_text(_LOSS, gate)} below the teacher" if gate.limit else _AS_GOOD
    return None


def open_lines(result: Result) -> Iterator[str]:
    """Yield of each student that does not keep its budget, or is not proven to, which checks say so."""
    for cell in result["cells"]:
        gates = read_gates(cell)
        for name, gate in gates.items():
            if gate.verdict in (BROKEN, NOT_PROVEN):
                figures = f"{found_text(name, gate) or 'not known'}, {limit_text(name, gate)}"
                title = check_title(name, cell["metric"])
                yield f"{cell['device']}, {budget_text(cell)}, {WORDS[gate.verdict]}: {title} ({figures})"


def infeasible_lines(result: Result) -> Iterator[str]:
    """Yield of each cell that no network fits why, and how that is known."""
    for cell in result["cells"]:
        if (why := cell["infeasible"]) is not None:
            where = f"{cell['device']}, {budget_text(cell)}"
            yield f"{where}: {_needed(why) or why['explanation']} ({why['proof'] or 'not proved'})"


def _needed(why: Result) -> str:
    if not why["smallest"]:
        return ""
    broken = [
        _broken(name, need, limit) for name, limit in why["limits"].items() if (need := why["smallest"][name]) > limit
    ]
    return "; ".join(broken) or "each limit can be kept, but not all by one network"


def _broken(name: str, need: float, limit: float) -> str:
    title, _ = _FIGURES[name]
    more = digits_apart(need, limit, partial(_amount, name))
    return f"{title}: the smallest network needs {_amount(name, need, more)}, {_amount(name, limit, more)} allowed"


def _amount(name: str, value: float, more: int) -> str:
    _, unit = _FIGURES[name]
    return f"{significant(value, 3 + more) if unit in ('ms', 'mJ') else f'{value:,.{more}f}'} {unit}"


def merged_lines(result: Result) -> Iterator[str]:
    """Yield which combinations came to the same cell."""
    for cell in result["cells"]:
        if len(cell["asked"]) > 1:
            yield f"{cell['device']}: the same budget by {' and by '.join(cell['asked'])}"
