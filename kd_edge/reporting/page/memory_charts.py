"""The chart of the memory of one run, and what lives at its peak."""

from collections.abc import Sequence

from kd_edge.cost.model import CostModel
from kd_edge.ir.graph import Graph
from kd_edge.reporting.page.charts.chart import Chart, rule_of_limit
from kd_edge.reporting.page.charts.timeline import PERSISTENT, SCRATCH, TENSORS, Held, memory_chart
from kd_edge.reporting.rows.checks import Rows


def held_bytes(model: CostModel, graph: Graph, persistent: int) -> list[Held]:
    """Return everything that lives in the arena, by operator.

    Args:
        model: Of the board.
        graph: Of the file.
        persistent: Bytes of TFLM's own structures.
    """
    held = []
    for step in model.timeline(graph):
        parts = [(TENSORS, _tensor_text(graph, place), graph.tensors[place].num_bytes) for place in step.tensors]
        parts += [(SCRATCH, SCRATCH, step.scratch_bytes)] if step.scratch_bytes else []
        if rest := step.live_bytes - sum(size for _, _, size in parts):
            parts.append((TENSORS, "alignment", rest))
        parts.insert(0, (PERSISTENT, f"{PERSISTENT}, all the time", persistent))
        held += [Held(step.index, op_words(step.op), *part, step.peak) for part in parts]
    return held


def memory_timeline_chart(held: Sequence[Held], limit: int) -> Chart:
    """Return what lives in the arena while each operator runs.

    Args:
        held: See `held_bytes`.
        limit: RAM of the budget; drawn where it is near.
    """
    sums = {index: [_sum(held, index, kind) for kind in (PERSISTENT, TENSORS, SCRATCH)] for index in _names(held)}
    most = max(map(sum, sums.values()), default=0)
    limits = rule_of_limit(limit, f"budget {limit:,} B", axis="y") if limit <= 2 * most else ()
    rows = [(f"{i} {name}", *(f"{size:,} B" for size in (*sums[i], sum(sums[i])))) for i, name in _names(held).items()]
    table = Rows("memory while each operator runs", ("operator", PERSISTENT, TENSORS, SCRATCH, "in all"), rows)
    text = f"Bytes that live while each operator runs, at most {most:,} B"
    return Chart("memory", memory_chart(held, limits=limits), text, table)


def peak_rows(held: Sequence[Held]) -> Rows:
    """Return what lives while the first operator with most alive runs."""
    peaks = [part for part in held if part.peak]
    parts = [part for part in peaks if part.index == peaks[0].index]
    title = f"what lives at the peak, while operator {parts[0].index} ({parts[0].op}) runs" if parts else ""
    return Rows(title, ("", "bytes"), [(part.what, f"{part.num_bytes:,} B") for part in parts])


def op_words(kind: str) -> str:
    """Return the kind of an operator in words, for example `"depthwise conv"`."""
    return kind.lower().replace("_2d", "").replace("_", " ")


def _names(held: Sequence[Held]) -> dict[int, str]:
    return {part.index: part.op for part in held}


def _sum(held: Sequence[Held], index: int, kind: str) -> int:
    return sum(part.num_bytes for part in held if (part.index, part.kind) == (index, kind))


def _tensor_text(graph: Graph, place: int) -> str:
    makers = [number for number, op in enumerate(graph.ops) if place in op.outputs]
    origin = f"output of operator {makers[0]}" if makers else "input of the network"
    shape = "\u00d7".join(map(str, graph.tensors[place].shape[1:]))
    return f"{origin}, {shape or 'one number'}"
