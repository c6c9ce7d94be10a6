"""The column of a board in the tables of a verification."""

from collections.abc import Iterator

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows, metric_title


def board_rows(board: Result) -> Rows:
    """Return what a board said about a file, beside TFLM on this PC and the prediction."""
    same = board["num_identical"]
    parity = "TFLM is not here" if same is None else f"{same} of {board['num_samples']}"
    rows = [
        (metric_title(board.get("metric", "accuracy")), f"{board['accuracy']:z.3f}", f"{board['num_samples']} samples"),
        ("outputs equal TFLM's on this PC", parity, _apart(board["max_difference"])),
        ("latency", *_latency(board)),
        ("arena", _size(board["arena_bytes"]), _predicted(board)),
        *_energy(board),
    ]
    device = board["device"]
    title = f"on {device['board']}, {device['core']} at {device['clock_mhz']} MHz, {device['runtime']} (measured)"
    return Rows(title, ("", "measured", ""), rows)


def _latency(board: Result) -> tuple[str, str]:
    if board["latency_ms"] is None:
        return f"{board['instructions']:,} instructions", "no time: an emulated board"
    interval = f"95 % interval {_ends(board, 'latency', 'ms')}"
    return f"{board['latency_ms']:.4g} ms", interval


def _energy(board: Result) -> Iterator[tuple[str, str, str]]:
    if (energy := board.get("energy_mj")) is not None:
        ends = f"{_ends(board, 'energy', 'mJ')}: that time, the profile's power"
        yield "energy (computed)", f"{energy:.4g} mJ", ends


def _ends(board: Result, figure: str, unit: str) -> str:
    low, high = (board[f"{figure}_{end}_{unit.lower()}"] for end in ("low", "high"))
    return "unknown, too few runs" if low is None else f"{low:.4g} to {high:.4g} {unit}"


def _predicted(board: Result) -> str:
    off = "" if board["arena_error_percent"] is None else f", off by {board['arena_error_percent']:+z.1f} %"
    return f"{_size(board['predicted_arena_bytes'])} predicted{off}"


def _apart(difference: int | None) -> str:
    return f"up to {difference} apart" if difference else ""


def _size(size: int | None) -> str:
    return "unknown" if size is None else f"{size:,} B"
