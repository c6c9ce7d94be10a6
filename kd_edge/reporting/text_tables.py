"""The tables that people read, from the plain data of a result."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from kd_edge.distillation.targets.information import TeacherInformation
from kd_edge.reporting.board_rows import board_rows
from kd_edge.reporting.class_rows import class_rows, score_rows
from kd_edge.reporting.energy_lines import energy_lines
from kd_edge.reporting.formatting import latency_text, significant
from kd_edge.reporting.metric_words import metric_of, metric_word, points_word, searched_metric
from kd_edge.reporting.rows import (
    Result,
    Rows,
    accuracy_rows,
    check_rows,
    fit_rows,
    noise_rows,
    run_accuracy_rows,
)
from kd_edge.reporting.task_rows import task_rows
from kd_edge.reporting.verdicts import reason_lines, verdict_text
from kd_edge.reporting.verify_markdown import against_rows
from kd_edge.verification.verdict import outcome
from tflite_bench.model.runtime_support import Refusal

# Columns where the output is no terminal.
WIDTH = 110


def run_tables(result: Result) -> Iterator[Table | str]:
    """Yield the summary of a run."""
    data, design, verify = result["data"], result["design"], result["verify"]
    yield f"{data['name']} on {design['device']}: {_verdict(verify)}"
    yield f"{data['description']}; {data['num_train']:,} / {data['num_val']:,} / {data['num_test']:,} samples"
    yield _drawn(fit_rows(verify, design["budget"]))
    yield from _untimed_lines(verify["predicted"], verify)
    yield from _estimate_lines(verify)
    yield from reason_lines(verify)
    yield _drawn(run_accuracy_rows(result))
    yield from _class_tables(verify)
    yield from teaching_lines(result)
    yield from halting_lines(result["halting"])
    yield from parity_lines(verify)
    yield from convert_lines(result["convert"])
    yield _bench_line(result["bench"])


def verify_tables(result: Result) -> Iterator[Table | str]:
    """Yield the checks of a verification."""
    yield f"{result['device']}: {_verdict(result)}"
    yield _drawn(fit_rows(result, result["budget"]))
    yield from _untimed_lines(result["predicted"], result)
    yield from _estimate_lines(result)
    if result.get("against"):
        yield _drawn(against_rows(result["against"]))
    if result.get("board"):
        yield _drawn(board_rows(result["board"]))
    yield _drawn(accuracy_rows(result))
    yield from _class_tables(result)
    yield from parity_lines(result)
    if result["noise"]:
        yield _drawn(noise_rows(result["noise"]))
    yield _drawn(check_rows(result["gates"], metric_of(result["accuracy"])))
    yield from (f"TFLM has no kernel for {op['op']}, layer {op['layer']!r}" for op in result["missing_ops"])
    yield from (f"warning: {sentence}" for sentence in result["warnings"])
    yield from reason_lines(result)


def design_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a search found: what binds, and the candidates with their Pareto front."""
    yield (
        f"{result['num_feasible']:,} of {result['num_costed']:,} networks of the space {result['space']!r} fit "
        f"{result['device']}; {len(result['candidates'])} were trained"
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
    table = _table(title, "", *columns)
    for candidate in result["candidates"]:
        cost = candidate["cost"]
        mark = "*" if candidate == result["chosen"] else "+" if candidate in result["front"] else ""
        table.add_row(
            mark,
            f"{candidate['accuracy']:.3f}",
            *(f"{candidate['score']:.3f}" for _ in ranked),
            f"{cost['macs']:,}",
            f"{cost['flash_bytes']:,} B",
            f"{cost['ram_bytes']:,} B",
            latency_text(cost),
        )
    yield table


def distill_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a distillation gave, and what the teacher and the same student alone are worth."""
    word, alone = metric_word(metric_of(result)), result["baseline"]
    yield f"{result['student']}: test {word} {result['test_accuracy']:.3f} (measured), {result['seconds']:.0f} s"
    if (teacher := result["teacher_accuracy"]) is not None:
        yield f"the teacher: {teacher:.3f}"
    if alone is not None:
        yield f"the same student without guides: {alone['test_accuracy']:.3f}, {alone['seconds']:.0f} s"
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


def convert_lines(result: Result) -> Iterator[str]:
    """Yield what a conversion warned of."""
    yield from _tuning_lines(result["qat"])
    if gain := result.get("compression"):
        yield (
            f"{gain['how']}: {gain['gzip_bytes']:,} B zipped without metadata, "
            f"before {gain['uncompressed_gzip_bytes']:,} B; "
            f"{metric_word(metric_of(result))} on the validation samples {gain['accuracy']:.3f}, "
            f"before {gain['uncompressed_accuracy']:.3f}"
        )
    yield from (f"warning: {sentence}" for sentence in result["warnings"])
    for op in result["missing_ops"] or ():
        yield f"warning: TFLM has no kernel for {op['op']}, layer {op['layer']!r}"
    missing = {op["op"] for op in result["missing_ops"] or ()}
    others = [refusal for refusal in result.get("refusals") or () if refusal["op"] not in missing]
    yield from (f"warning: TFLM: {line}" for line in refusal_lines(others))
    if result["missing_ops"] is None:
        yield f"operators that TFLM lacks: not known, {result['unavailable_reason']['missing_ops']}"


def bundle_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a bundle holds."""
    table = _table(str(result["folder"]), "file", "size", "SHA-256")
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


def cost_tables(result: Result) -> Iterator[Table | str]:
    """Yield what a network costs, op by op and in total, and whether it fits."""
    fits = {"holds": "fits", "broken": "does NOT fit", "not_proven": "is NOT proven to fit"}[result["verdict"]]
    fits = "does NOT run" if result["refusals"] else fits
    yield f"{result['model']} on {result['device']}: {fits}"
    yield from refusal_lines(result["refusals"])
    yield _op_table(result)
    yield _limit_table(result)
    yield f"times are those of {result['runtime']} there: {result['quality']}"
    yield from _untimed_lines(result, result)
    reasons = [gate["reason"] for gate in result["gates"].values() if gate["verdict"] == "not_proven"]
    yield from (f"not proven: {reason}" for reason in reasons if reason not in result["unavailable_reason"].values())
    left = result["remainder"]
    if runtime := result["runtime_flash"]:
        yield (
            f"flash with the runtime: {left['total_flash_low_bytes']:,} to {left['total_flash_high_bytes']:,} B; the "
            f"board has {left['flash_left_low_bytes']:,} to {left['flash_left_high_bytes']:,} B left"
        )
        yield (
            f"of these the runtime and its kernels take {runtime['low_bytes']:,} to {runtime['high_bytes']:,} B "
            f"({runtime['source']})"
        )
    yield f"RAM: the board has {left['ram_left_bytes']:,} B left beside what the firmware reserves for the model"
    if result.get("energy"):
        yield from energy_lines(result["energy"])


def refusal_lines(refusals: Iterable[Result]) -> Iterator[str]:
    """Yield what a runtime refuses, and why."""
    for refusal in refusals:
        found = Refusal(**refusal)
        yield f"refused: {found}"


# Of a latency; below it a difference is one of rounding.
_LEAST_SHARE = 1e-6


def _op_table(result: Result) -> Table:
    title = "per op (computed), * marks the peak of the arena"
    table = _table(title, "", "op", "layer", "output", "MACs", "B alive", "ms", "share")
    table.box, table.pad_edge, table.show_edge, table.padding = box.SIMPLE_HEAD, False, False, (0,)
    for column in table.columns[1:3]:
        column.justify, column.overflow = "left", "fold"
    total_ms = result["latency_ms"] or 1.0
    for op in result["ops"]:
        alive = f"{op['live_bytes']:,}{'*' if op['peak'] else ' '}"
        share = "" if op["latency_ms"] is None else f"{op['latency_ms'] / total_ms:.0%}"
        shape = "x".join(map(str, op["output_shape"]))
        cells = (str(op["index"]), op["op"], op["layer"] or "", shape, _count(op["macs"]), alive)
        table.add_row(*cells, _milliseconds(op["latency_ms"]), share)
    table.add_row("", "kept throughout", "", "", "", f"{result['arena_persistent_bytes']:,} ", "", "")
    beside_ms = (result["latency_ms"] or 0.0) - sum(op["latency_ms"] or 0.0 for op in result["ops"])
    if beside_ms > _LEAST_SHARE * total_ms:
        share = f"{beside_ms / total_ms:.0%}"
        table.add_row("", "beside the ops", "", "", "", "", _milliseconds(beside_ms), share)
    table.add_row("", "all", "", "", _count(result["macs"]), "", _milliseconds(result["latency_ms"]), "")
    return table


def _limit_table(result: Result) -> Table:
    budget, measured = result["budget"], result["measured"]["flash_bytes"]
    flash = f"{result['flash_bytes']:,} B, computed" if measured is None else f"{measured:,} B, measured"
    latency = "unknown" if result["latency_ms"] is None else f"{latency_text(result)}, computed"
    low, high = result["ram_low_bytes"], result["ram_bytes"]
    ram = f"{high:,} B, computed" if low == high else f"{low:,} to {high:,} B, computed"
    table = _table("does it fit?", "", "needs", "limit", "")
    for title, name, needs, unit, digits in (
        ("flash (.tflite file)", "flash_bytes", flash, "B", 0),
        ("RAM (arena to reserve)", "ram_bytes", ram, "B", 0),
        ("latency", "latency_ms", latency, "ms", 2),
    ):
        limit = "none" if budget[name] is None else f"{budget[name]:,.{digits}f} {unit}"
        table.add_row(title, needs, limit, _limit_verdict(result, name, unit, digits))
    return table


def _limit_verdict(result: Result, name: str, unit: str, digits: int) -> str:
    if name in result["excess"]:
        return f"{result['excess'][name]:,.{digits}f} {unit} too much"
    gate = result["gates"][name]
    if gate["measured"] is None:
        return "not checked"
    return "not proven" if gate["verdict"] == "not_proven" else "ok"


def halting_lines(reports: list[Result]) -> Iterator[str]:
    """Yield one line per guide: whether and why it was halted, what it cost and what halting it saved."""
    for report in reports:
        passes = f"in {_counted(report['data_passes'], 'pass', 'passes')} over the data"
        if report["macs_spent"] == 0:
            yield f"the {report['guide']} was asked before the training, {passes}, and cost nothing in it"
            continue
        spent = f"{_effort(report['macs_spent'], report['seconds_spent'])} {passes}"
        if not report["halted"]:
            yield f"the {report['guide']} stayed to the end and cost {spent}"
            continue
        saved = _effort(report["macs_saved"], report["seconds_saved"])
        yield (
            f"the {report['guide']} was halted after epoch {report['epoch']} ({report['reason']}): it cost {spent}; "
            f"halting it saved {saved} and {report['megabytes_saved']:.1f} MB of memory"
        )


def _tuning_lines(tuning: Result) -> Iterator[str]:
    if tuning["float_accuracy"] is None:
        return
    line = f"int8 {_gained(tuning['int8_accuracy'] - tuning['float_accuracy'])} on the validation samples"
    if tuning["tuned_accuracy"] is not None:
        after = _gained(tuning["tuned_accuracy"] - tuning["float_accuracy"])
        taken = "taken" if tuning["used"] else "not taken"
        line += f"; after quantization-aware training it {after} ({taken}, {tuning['seconds']:.0f} s)"
    yield line


def _gained(share: float) -> str:
    """Return by how much an accuracy has grown or fallen."""
    points = round(100 * share, 1)
    if not points:
        return "costs nothing"
    return f"{'gains' if points > 0 else 'costs'} {_counted(abs(points), 'point', 'points')}"


def _counted(number: float, one: str, many: str) -> str:
    """Return a number with its noun in the right form."""
    return f"{number:.3g} {one if number == 1 else many}"


def _macs(macs: int) -> str:
    """Return multiply-accumulates in the unit that leaves figures before the point."""
    unit, divisor = next(((u, d) for u, d in (("G", 1e9), ("M", 1e6), ("k", 1e3)) if macs >= 0.95 * d), ("", 1.0))
    return f"{macs / divisor:,.{1 if unit else 0}f} {unit} MACs".replace("  ", " ")


def _effort(macs: int | None, seconds: float | None) -> str:
    known = [] if macs is None else [f"{_macs(macs)} (computed)"]
    return " and ".join(known + ([] if seconds is None else [f"{seconds:,.0f} s (estimated)"])) or "an unknown effort"


_LIMITS = {
    "flash_bytes": "the flash",
    "refusals": "what the runtime takes",
    "ram_bytes": "the RAM",
    "latency_ms": "the latency",
    "teacher_ratio": "the share of the teacher's MACs",
}


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    return table


def _drawn(rows: Rows) -> Table:
    """Return rows of text as a table for the terminal."""
    table = Table(title=rows.title or None, title_justify="left", show_header=any(rows.header))
    for index, name in enumerate(rows.header):
        table.add_column(name, justify="left" if index in rows.text else "right", no_wrap=index == 0)
    for row in rows.rows:
        table.add_row(*row)
    return table


def teaching_lines(run: Result) -> Iterator[str]:
    """Yield what the teacher had to tell, what it gave, and which student is handed on, as far as a run asked."""
    if information := run["teacher"].get("information"):
        yield information_line(information)
    if race := run.get("race"):
        yield race_line(race)
    if gain := run["baseline"]["distillation_gain"]:
        yield from gain_lines(gain, run["data"]["num_test"], metric_of(run["baseline"]))
        yield from [choice_line(run["choice"])] if "choice" in run else []


def information_line(information: Result) -> str:
    """Return what the teacher's outputs tell beyond the labels: a warning where that is nothing."""
    found = TeacherInformation(**information)
    return f"warning: {found.sentence} (folds in [teacher])" if found.learnt_by_heart else found.sentence


def race_line(race: Result) -> str:
    """Return what a short training with and without guides has shown, and what follows."""
    if race["verdict"] == "not_raced":
        return "no short race of training with and without guides: the long training is short itself, or was done"
    points = {name: 100 * value for name, value in race["difference"].items()}
    seen = (
        f"{race['epochs']} epochs with and without guides, {race['seconds']:.0f} s in all: {points['difference']:+.1f} "
        f"{points_word(metric_of(race))} on the validation samples (95 % interval "
        f"{points['ci95_low']:+.1f} to {points['ci95_high']:+.1f})"
    )
    return f"{seen}; {_RACE_VERDICTS[race['verdict']]}"


_RACE_VERDICTS = {
    "helps": "distillation helps here",
    "no_difference": "whether distillation helps here is not proven",
    "hurts": "distillation does not help here: the student is trained without a teacher",
}


def choice_line(choice: Result) -> str:
    """Return which student is handed on, and why."""
    names = {"distilled": "the distilled student", "alone": "the student without a teacher"}
    preferred = choice.get("preferred", choice["shipped"])
    asked = choice.get("asked", "best") != "best"
    why = f", as asked; the validation samples prefer {names[preferred]}" if asked else ""
    differences = [
        f"{100 * found['difference']:+.1f} {points_word(metric_of(choice))} on the {kind} samples (95 % interval "
        f"{100 * found['ci95_low']:+.1f} to {100 * found['ci95_high']:+.1f})"
        for kind, found in (("validation", choice.get("val_difference")), ("test", choice.get("test_difference")))
        if found
    ]
    good = metric_word(metric_of(choice))
    gave = f"; distillation gave {', '.join(differences)}" if differences else ""
    return (
        f"{names[choice['shipped']]} is handed on{why}: validation {good} {choice['distilled_accuracy']:.3f} "
        f"distilled, {choice['alone_accuracy']:.3f} without a teacher (measured){gave}"
    )


def gain_lines(gain: Result, num_samples: int, metric: str = "accuracy") -> Iterator[str]:
    """Yield what distillation gave over the same student without a teacher; `metric` is what both are measured by."""
    points = {key: 100 * value for key, value in gain.items()}
    yield (
        f"distillation gave {points['difference']:+.1f} {points_word(metric)} over the same student without a teacher "
        f"(95 % interval {points['ci95_low']:+.1f} to {points['ci95_high']:+.1f} on these {num_samples:,} samples; "
        "one seed, another one can differ by more)"
    )


def parity_lines(verify: Result) -> Iterator[str]:
    """Yield how LiteRT and TFLM agree, and where they first differ."""
    parity = verify["parity"]
    if parity is None:
        yield f"TFLM was not run: {verify['unavailable_reason'].get('parity', 'unknown')}"
        return
    same = {"multilabel": "same labels", "reconstruction": "same verdict"}.get(verify.get("task", ""), "same class")
    yield (
        f"LiteRT's reference kernels and TFLM: {parity['verdict']}; {parity['num_identical']:,} of "
        f"{parity['num_samples']:,} outputs bit for bit the same, largest difference "
        f"{_steps(parity['max_difference'])}"
        + ("" if parity["agreement"] is None else f", {same} in {parity['agreement']:.1%}")
    )
    first, how = parity["first_divergence"], "first differ by more than one step"
    if first is None:
        first, how = parity["first_difference"], "first differ"
    if first:
        yield (
            f"on the worst sample, number {first['sample']}, they {how} in op {first['index']} "
            f"({first['op']}, layer {first['layer']!r}), by {_steps(first['max_difference'])}"
        )


def _verdict(verify: Result) -> str:
    return f"{outcome(verify).replace('_', ' ').upper()}: {verdict_text(verify)}"


def _class_tables(verify: Result) -> Iterator[Table]:
    """Yield how good the file is class by class, or by its task's own metrics; an older version did not ask."""
    if verify.get("classification"):
        yield _drawn(score_rows(verify))
        yield _drawn(class_rows(verify))
    yield from map(_drawn, task_rows(verify))


def _steps(difference: float) -> str:
    return f"{difference:.4g} step{'' if difference == 1 else 's'}"


def _bench_line(bench: Result) -> str:
    median_ms, num_runs = bench["latency"]["median_ms"], bench["num_runs"]
    return (
        f"on this computer LiteRT needs {median_ms:.3g} ms (measured, median of {num_runs:,} runs); that says nothing "
        "about the board"
    )


def _untimed_lines(cost: Result, document: Result) -> Iterator[str]:
    if cost["latency_ms"] is None:
        yield f"latency unknown: {document['unavailable_reason']['latency_ms']}"


def _estimate_lines(verify: Result) -> Iterator[str]:
    if reason := verify["unavailable_reason"].get("ram_bytes"):
        yield f"RAM: {reason}"


def _count(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _milliseconds(latency_ms: float | None) -> str:
    return "unknown" if latency_ms is None else significant(latency_ms)


def show(parts: Iterable[Any]) -> None:
    """Print tables and lines on stdout: as wide as the terminal or as `COLUMNS` says, else 110 columns."""
    console = Console(highlight=False)
    known = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    print_parts(console if known else Console(highlight=False, width=WIDTH), parts)


def print_parts(console: Console, parts: Iterable[Any]) -> None:
    """Print tables and lines on a console, brackets in lines as they are."""
    for part in parts:
        console.print(part, markup=False) if isinstance(part, str) else console.print(part)
