"""The tables of the commands that do a single stage: design, distil, convert, bundle, report."""

from collections.abc import Iterator

from rich.table import Table

from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.conversion import convert_lines
from kd_edge.reporting.sentences.formatting import counted, latency_text
from kd_edge.reporting.sentences.halting import halting_lines
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word, searched_metric
from kd_edge.reporting.sentences.teaching import gain_lines
from kd_edge.reporting.tables.console import titled_table

_LIMITS = {
    "flash_bytes": "the flash",
    "refusals": "what the runtime takes",
    "ram_bytes": "the RAM",
    "latency_ms": "the latency",
    "energy_mj": "the energy",
    "teacher_ratio": "the share of the teacher's MACs",
}


def design_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a search found: what binds, and the candidates with their Pareto front."""
    yield (
        f"{result['num_feasible']:,} of {result['num_costed']:,} networks of the space {result['space']!r} fit "
        f"{result['device']}; {counted(len(result['candidates']), 'was trained', 'were trained')}"
    )
    if result["num_over"]:
        over = [f"{count:,} exceed {_LIMITS[name]}" for name, count in result["num_over"].items()]
        yield f"of those that do not fit {', '.join(over)}"
    binding = max(result["shares"], key=lambda name: result["shares"][name])
    used = [f"{share:.0%} of {_LIMITS[name]}" for name, share in result["shares"].items()]
    yield f"the chosen one uses {', '.join(used)}: {_LIMITS[binding]} binds first"
    title = "candidates (* chosen, + no other is better in everything)"
    metric, objective = searched_metric(result)
    ranked = () if objective is None else (metric_word(objective),)
    costs = ("MACs", "flash (computed)", "RAM (computed)", "latency (computed)")
    columns = (f"validation {metric_word(metric)}", *ranked, *costs)
    table = titled_table(title, "", *columns)
    for candidate in result["candidates"]:
        cost = candidate["cost"]
        mark = "*" if candidate == result["chosen"] else "+" if candidate in result["front"] else ""
        table.add_row(
            mark,
            f"{candidate['accuracy']:z.3f}",
            *(f"{candidate['score']:z.3f}" for _ in ranked),
            f"{cost['macs']:,}",
            f"{cost['flash_bytes']:,} B",
            f"{cost['ram_bytes']:,} B",
            latency_text(cost),
        )
    yield table


def distill_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a distillation gave, and what the teacher and the same student alone are worth."""
    word, alone = metric_word(metric_of(result)), result["baseline"]
    yield f"{result['student']}: test {word} {result['test_accuracy']:z.3f} (measured), {result['seconds']:.0f} s"
    if (teacher := result["teacher_accuracy"]) is not None:
        yield f"the teacher: {teacher:z.3f}"
    if alone is not None:
        yield f"the same student without guides: {alone['test_accuracy']:z.3f}, {alone['seconds']:.0f} s"
        yield from gain_lines(alone["distillation_gain"], result["num_test"], metric_of(result))
        if (alone["val_accuracy"] or 0) > (result["val_accuracy"] or 0):
            yield "on the validation samples the student without guides is the better one"
    yield from halting_lines(result["halting"])


def convert_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a conversion wrote."""
    yield (
        f"{result['model']}: {result['flash_bytes']:,} B (measured), {result['quantize']}, "
        f"{result['gzip_bytes']:,} B zipped; {result['metadata_bytes']:,} B of the file are metadata"
    )
    yield from convert_lines(result)


def bundle_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a bundle holds."""
    table = titled_table(str(result["folder"]), "file", "size", "SHA-256")
    for name, file in result["files"].items():
        table.add_row(name, f"{file['size_bytes']:,} B", file["sha256"])
    yield table
    yield f"arena: {result['tensor_arena_bytes']:,} B. {result['arena_source']}"
    yield f"test vectors: {result['vectors_of']}, expected outputs from {result['vectors_from']}"
    yield f"a project for {result['tool_chain']}, README.md has its commands; to reproduce: {result['command']}"
    if result["failed_checks"]:
        yield f"BROKEN: {', '.join(result['failed_checks'])}"
    elif result["passed"] is None:
        yield "not checked: `kd-edge verify` holds a file against samples and a budget"
    elif not result["passed"]:
        yield f"NOT PROVEN: {', '.join(result['open_checks'])}"


def report_tables(result: Result) -> Iterator[Table | str]:
    """Yield where the report is."""
    yield str(result["report"])
