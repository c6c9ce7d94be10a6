"""Shows the study as Markdown."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.studies.halting import averages, forms, leaving, product, sizes
from tools.studies.halting.gain import ALONE, DISTILLED
from tools.studies.halting.rows import Row
from tools.studies.halting.tasks import ALL, AMOUNTS, FEW, TASKS

_EPOCHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40)
_LABELS = {ALL: "all", FEW: "10 %"}


def render(document: Mapping[str, Any]) -> str:
    """Return the tables of a study."""
    rows, summary = document["result"]["rows"], document["summary"]
    parts = {"gain": (_gains(summary), _defaults(summary)), leaving.PART: (_rules(summary), _evidence(rows))}
    parts |= {forms.PART: (_forms(summary),), product.RATE: (_product(summary),), sizes.PART: (_sizes(rows),)}
    parts |= {averages.PART: (_averages(summary),), "teacher": (_teachers(rows),)}
    done = {row["part"] for row in rows}
    shown = [_head(document), *(table for part, tables in parts.items() if part in done for table in tables)]
    return "\n\n".join("\n".join(lines) for lines in shown)


def _head(document: Mapping[str, Any]) -> Iterator[str]:
    versions, machine = document["versions"], document["machine"]
    yield f"`tools/studies/halting/run.py`; Keras {versions['keras']}, TensorFlow {versions['tensorflow']},"
    yield f"Python {machine['python']}, one thread. Last made, by part and data:"
    yield ""
    yield from _made(document["made"])
    if document["summary"]["default_rule"] is None:
        yield ""
        yield f"**Not finished**: {len(document['result']['rows'])} trainings so far. What is missing is left out."


def _made(made: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each day and processor, with the parts and data sets that were made last there."""
    when: dict[str, dict[str, list[str]]] = {}
    for key, day in sorted(made.items()):
        part, name = key.split(", ")
        when.setdefault(day, {}).setdefault(part, []).append(name)
    for day, parts in sorted(when.items()):
        yield f"* {day}: " + "; ".join(f"{part} of {', '.join(names)}" for part, names in parts.items())


def _gains(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### What distillation adds, both sides at their best"
    yield ""
    yield from _header(
        "data", "labels", "alone", "distilled", "gain", "of what is handed on", "alone by", "distilled by"
    )
    for name, amount, figures in _parts(summary):
        plans = (_plan(figures["plans"][side]) for side in ("alone", "distilled"))
        accuracies = (_cell(figures[side]) for side in ("alone", "distilled"))
        cells = (*accuracies, *(_interval(figures[key]) for key in ("gain", "gain_handed_on")))
        yield _line(name, _LABELS[amount], *cells, *plans)
    means = {
        "mean_gain_points": "together",
        "mean_gain_points_all_labels": "all",
        "mean_gain_points_few_labels": "10 %",
    }
    for key, label in means.items() if summary["mean_gain_points"] is not None else ():
        handed_on = f"**{_signed(summary['mean_gain_handed_on_points'])}**" if key == "mean_gain_points" else ""
        yield _line("**five sets**", label, "", "", f"**{_signed(summary[key])}**", handed_on, "", "")
    for name, _, figures in _parts(summary):
        if figures["gain_with_teacher_of_the_same_labels"]:
            yield ""
            yield f"{name}, 10 %, by a teacher that has the same 10 %:"
            yield f"{_interval(figures['gain_with_teacher_of_the_same_labels'])}."


def _defaults(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### The defaults, without tuning"
    yield ""
    yield from _header(
        "data",
        "labels",
        "rate 4e-3, 20 epochs, T 4",
        "rate 8e-2, 40 epochs, T 2: more by",
        "of that, gain of distilling",
    )
    for name, amount, figures in _parts(summary):
        differences = (_interval(figures[key]) for key in ("default", "gain_without_tuning"))
        yield _line(name, _LABELS[amount], _cell(figures["today"]), *differences)
    if summary["default_gain_points"] is not None:
        yield _line("**five sets**", "together", "", f"**{_signed(summary['default_gain_points'])}**", "")


def _rules(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### When a trainee leaves"
    yield ""
    rules = {name: figures for name, figures in summary["rules"].items() if figures}
    sets = sorted({name for figures in rules.values() for name in figures["sets"]}, key=list(TASKS).index)
    yield from _header("the trainee leaves by", "guides' MACs saved", "against never", *sets)
    for rule, figures in rules.items():
        cells = (
            f"{_interval(part['against_never'])}; {_range(part['halted'])}"
            for name in sets
            if (part := figures["sets"].get(name, {"against_never": None, "halted": []}))
        )
        yield _line(rule, f"{figures['macs_saved_share']:.0%}", _interval(figures["against_never"]), *cells)
    yield ""
    chosen = summary["default_rule"]
    which = "Of the first three, which look at the training, the one that saves most and loses at most 0.2 points"
    yield f"{which}: {chosen}." if chosen else "Not finished."


def _range(epochs: Sequence[int]) -> str:
    """Return after which epochs the trainee left, the first and the last of the trainings."""
    if not epochs:
        return ""
    first, last = min(epochs), max(epochs)
    return f"after {first}" if first == last else f"after {first} to {last}"


def _evidence(rows: Sequence[Row]) -> Iterator[str]:
    never = [row for row in rows if row["part"] == leaving.PART and row["arm"] == leaving.NEVER]
    yield "### What the rules observe while the trainee stays"
    yield ""
    yield from _header("mean over sets and seeds, epoch", *map(str, _EPOCHS))
    names = {
        "alignment": "cosine with the held-out labels' gradient",
        "explained": "explained by the teacher's",
        "agreement": "agreement with the student",
    }
    for name, label in names.items() if never else ():
        means = [sum(row[name][epoch - 1] for row in never) / len(never) for epoch in _EPOCHS]
        yield _line(label, *(f"{mean:.2f}" for mean in means))


def _forms(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### Forms of a trainee"
    yield ""
    yield from _header("", "beside", *forms.SETS)
    for beside, found in summary["forms"].items():
        for form in forms.FORMS:
            cells = [found[name][form] for name in forms.SETS]
            shown = (_cell(c["accuracy"]) if form == forms.NONE else _interval(c["gain"]) for c in cells)
            yield _line(f"{form} (accuracy)" if form == forms.NONE else form, beside, *shown)


def _product(summary: Mapping[str, Any]) -> Iterator[str]:
    by_sample = summary["by_sample"]
    yield "### Halting by sample, and the rate finder"
    yield ""
    if by_sample["against_always"]:
        yield f"Fashion-2000, `SampleHalting` of the trainee: asked for {by_sample['share_asked']:.0%} of the samples,"
        yield f"{_interval(by_sample['against_always'])} points against asking always,"
        yield f"{by_sample['against_always']['num_seeds']} seeds."
        yield ""
    yield from _header("data", "side", "rate found", "best of the grid", "validation accuracy against that")
    for row in summary["rate_finder"]:
        yield _line(row["set"], row["side"], f"{row['rate']:g}", f"{row['best_of_grid']:g}", _signed(row["val_points"]))


def _sizes(rows: Sequence[Row]) -> Iterator[str]:
    yield "### Learning rates for students of several sizes"
    yield ""
    yield f"{sizes.SET}, 40 epochs, validation accuracy in %, one seed, alone / distilled:"
    yield ""
    yield from _header("parameters", *(f"rate {rate:g}" for rate in sizes.RATES))
    found = {(row["params"], row["rate"], row["side"]): row["val"] for row in rows if row["part"] == sizes.PART}
    for params in sorted({params for params, _, _ in found}):
        sides = [[found.get((params, rate, side)) for side in (ALONE, DISTILLED)] for rate in sizes.RATES]
        yield _line(f"{params:,}", *(" / ".join(_cell(val and 100 * val) for val in pair) for pair in sides))


def _averages(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### An average of the weights"
    yield ""
    yield from _header("data", "side", "best epoch", "exponential moving average (0.99 a step) against it")
    for row in summary["averages"]:
        yield _line(row["set"], row["side"], _cell(row["accuracy"]), _interval(row["gain"]))


def _teachers(rows: Sequence[Row]) -> Iterator[str]:
    yield "### The teachers"
    yield ""
    yield "Means of the folds, where there are some:"
    yield ""
    yield from _header("data", "labels", "M MACs", "test %", "of its training samples", "bits beyond the label")
    for name in ("fashion", *TASKS):
        for amount in AMOUNTS:
            own = [row for row in rows if row["part"] == "teacher" and row["set"] == name and row["labels"] == amount]
            if own:
                keys = ("num_train", "test", "train", "bits_beyond_label")
                labels, test, train, bits = (math.fsum(row[key] for row in own) / len(own) for key in keys)
                shares = (f"{100 * test:.1f}", f"{100 * train:.1f}", f"{bits:.3f}")
                yield _line(name, f"{labels:,.0f}", f"{own[0]['macs'] / 1e6:.1f}", *shares)


def _parts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for amount in AMOUNTS:
        for name in TASKS:
            figures = summary["gain"][name][amount]
            if figures["today"] is not None:
                yield name, amount, figures


def _header(*cells: str) -> Iterator[str]:
    yield _line(*cells)
    yield f"|{'---|' * len(cells)}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plan(plan: Mapping[str, Any] | None) -> str:
    return f"{plan['rate']:g}, {plan['augment']}, {plan['epochs']} epochs" if plan else ""


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def _interval(figures: Mapping[str, Any] | None) -> str:
    if not figures:
        return ""
    half = figures["half_width"]
    return f"{figures['points']:+.1f}" if half is None else f"{figures['points']:+.1f} ± {half:.1f}"
