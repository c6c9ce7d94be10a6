"""The tables of a run and of a verification."""

from collections.abc import Iterator

from rich.table import Table

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.board import board_rows
from kd_edge.reporting.rows.checks import accuracy_rows, check_rows, fit_rows, noise_rows, run_accuracy_rows
from kd_edge.reporting.rows.classes import class_rows, score_rows
from kd_edge.reporting.rows.outputs import output_rows
from kd_edge.reporting.rows.tasks import task_rows
from kd_edge.reporting.sentences.conversion import convert_lines
from kd_edge.reporting.sentences.energy import energy_lines
from kd_edge.reporting.sentences.halting import halting_lines
from kd_edge.reporting.sentences.metric_words import metric_of
from kd_edge.reporting.sentences.parity import parity_lines
from kd_edge.reporting.sentences.teaching import teaching_lines
from kd_edge.reporting.sentences.verdicts import reason_lines, untimed_lines, verdict_text
from kd_edge.reporting.tables.console import drawn
from kd_edge.reporting.tables.markdown import against_rows
from kd_edge.verification.verdict import outcome


def run_tables(result: Result) -> Iterator[Table | str]:
    """Yield the summary of a run."""
    data, design, verify = result["data"], result["design"], result["verify"]
    yield f"{data['name']} on {design['device']}: {_verdict(verify)}"
    yield f"{data['description']}; {data['num_train']:,} / {data['num_val']:,} / {data['num_test']:,} samples"
    yield drawn(fit_rows(verify, design["budget"]))
    yield from untimed_lines(verify["predicted"], verify)
    yield from energy_lines(verify.get("energy"))
    yield from _estimate_lines(verify)
    yield from reason_lines(verify)
    yield drawn(run_accuracy_rows(result))
    yield from _class_tables(verify)
    yield from teaching_lines(result)
    yield from halting_lines(result["halting"])
    yield from parity_lines(verify)
    yield from convert_lines(result["convert"])
    yield _bench_line(result["bench"])


def verify_tables(result: Result) -> Iterator[Table | str]:
    """Yield the checks of a verification."""
    yield f"{result['device']}: {_verdict(result)}"
    yield drawn(fit_rows(result, result["budget"]))
    yield from untimed_lines(result["predicted"], result)
    yield from energy_lines(result.get("energy"))
    yield from _estimate_lines(result)
    if result.get("against"):
        yield drawn(against_rows(result["against"]))
    if result.get("board"):
        yield drawn(board_rows(result["board"]))
    yield drawn(accuracy_rows(result))
    yield from _class_tables(result)
    yield from parity_lines(result)
    if result["noise"]:
        yield drawn(noise_rows(result["noise"]))
    yield drawn(check_rows(result["gates"], metric_of(result["accuracy"])))
    yield from (f"TFLM has no kernel for {op['op']}, layer {op['layer']!r}" for op in result["missing_ops"])
    yield from (f"warning: {sentence}" for sentence in result["warnings"])
    yield from reason_lines(result)


def _verdict(verify: Result) -> str:
    return f"{outcome(verify).replace('_', ' ').upper()}: {verdict_text(verify)}"


def _class_tables(verify: Result) -> Iterator[Table]:
    """Yield how good the file is class by class, or by its task's own metrics; an older version did not ask."""
    if verify.get("classification"):
        yield drawn(score_rows(verify))
        yield drawn(class_rows(verify))
    yield from map(drawn, task_rows(verify))
    yield from map(drawn, output_rows(verify))


def _bench_line(bench: Result) -> str:
    median_ms, num_runs = bench["latency"]["median_ms"], bench["num_runs"]
    return (
        f"on this computer LiteRT needs {median_ms:.3g} ms (measured, median of {num_runs:,} runs); that says nothing "
        "about the board"
    )


def _estimate_lines(verify: Result) -> Iterator[str]:
    if reason := verify["unavailable_reason"].get("ram_bytes"):
        yield f"RAM: {reason}"
