"""What the trainings of `study_halting` come to: intervals of the differences, the default rule, the page's table."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ALONE, NEVER = "student alone", "trainee, never halted"
RULES = tuple(
    f"trainee, {rule}"
    for rule in (
        "plateau 5 %, patience 3",
        "plateau 10 %, patience 2",
        "agreement 95 %, patience 3",
        "agreement 80 %, patience 1",
        "fixed epoch",
    )
)
MIN_SEEDS = 5  # before a default is drawn from the figures
MAX_LOSS = 0.2  # points of accuracy that a rule may lose against never halting

# Quantiles 0.975 of Student's t with 1, 2, ... degrees of freedom.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)

Row = Mapping[str, Any]


def summarize(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the means and paired differences of a study, and the rule that its figures make the default.

    Only the seeds that a data set has of all arms count.

    Args:
        document: The JSON of a study.

    Returns:
        `data` (per data set and arm), `overall` (per arm, over the data sets) and `default_rule` (`None` before there
        are `MIN_SEEDS` seeds); differences in points of accuracy.
    """
    rows = _complete(document["result"]["rows"])
    arms = document["result"]["arms"]
    names = list(dict.fromkeys(row["data"] for row in rows))
    by_data = {name: {arm: _arm([r for r in rows if r["data"] == name], arm) for arm in arms} for name in names}
    overall = {arm: _arm(_over_data_sets(rows), arm) for arm in arms}
    return {"data": by_data, "overall": overall, "default_rule": _default_rule(overall)}


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean difference in points and half the width of its 95 % interval, by the paired t-test.

    Args:
        first: Accuracies, 0 to 1, one per seed.
        second: Those to subtract, of the same seeds.

    Returns:
        The half width is `None` with one seed.
    """
    differences = [100 * (a - b) for a, b in zip(first, second, strict=True)]
    count, mean = len(differences), sum(differences) / len(differences)
    if count < 2:
        return mean, None
    deviation = math.sqrt(sum((d - mean) ** 2 for d in differences) / (count - 1))
    return mean, _T975[min(count - 1, len(_T975)) - 1] * deviation / math.sqrt(count)


def _complete(rows: Sequence[Row]) -> list[Row]:
    arms = {row["arm"] for row in rows}
    found: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        found.setdefault((row["data"], row["seed"]), set()).add(row["arm"])
    return [row for row in rows if found[row["data"], row["seed"]] == arms]


def _over_data_sets(rows: Sequence[Row]) -> list[Row]:
    """Return rows with the mean over the data sets, of the seeds that all of them have."""
    names = {row["data"] for row in rows}
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["seed"], row["arm"]), []).append(row)
    return [
        {
            "seed": seed,
            "arm": arm,
            "accuracy": sum(row["accuracy"] for row in group) / len(group),
            "guide_macs": sum(row["guide_macs"] for row in group),
            "seconds": sum(row["seconds"] for row in group),
            "halted": {},
        }
        for (seed, arm), group in groups.items()
        if len(group) == len(names)
    ]


def _arm(rows: Sequence[Row], arm: str) -> dict[str, Any]:
    by_seed = {name: {r["seed"]: r for r in rows if r["arm"] == name} for name in (arm, ALONE, NEVER)}
    seeds = sorted(by_seed[arm])
    own = [by_seed[arm][seed] for seed in seeds]
    accuracies = [row["accuracy"] for row in own]
    macs, never = (sum(by_seed[name][seed]["guide_macs"] for seed in seeds) for name in (arm, NEVER))
    return {
        "num_seeds": len(seeds),
        "accuracy": sum(accuracies) / len(own),
        "against_alone": paired(accuracies, [by_seed[ALONE][seed]["accuracy"] for seed in seeds]),
        "against_never": paired(accuracies, [by_seed[NEVER][seed]["accuracy"] for seed in seeds]),
        "guide_macs": macs / len(own),
        "share_of_never": macs / never,
        "seconds": sum(row["seconds"] for row in own) / len(own),
        "halted": {guide: [row["halted"].get(guide) for row in own] for guide in ("trainee", "teacher")},
    }


def _default_rule(overall: Mapping[str, Any]) -> str | None:
    """The rule that saves most guide MACs among those whose mean loss stays within `MAX_LOSS`."""
    if overall[NEVER]["num_seeds"] < MIN_SEEDS:
        return None
    kept = [arm for arm in RULES if arm in overall and overall[arm]["against_never"][0] >= -MAX_LOSS]
    return min(kept, key=lambda arm: overall[arm]["guide_macs"], default=None)


def render(document: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Return the study as Markdown."""
    lines = [*_head(document), "", *_table("All data sets together", summary["overall"], ""), "", _chosen(summary), ""]
    for name, arms in summary["data"].items():
        lines += [*_table(name, arms, _about(document["result"]["teachers"][name])), ""]
    return "\n".join(lines)


def _head(document: Mapping[str, Any]) -> Iterator[str]:
    versions, machine = document["versions"], document["machine"]
    finished = max(row["finished"] for row in document["result"]["rows"])
    settings = ", ".join(f"{name} {value}" for name, value in document["result"]["settings"].items())
    yield f"`tools/studies/halting/run.py`, {finished[:10]}; Keras {versions['keras']},"
    yield f"TensorFlow {versions['tensorflow']}, Python {machine['python']}, {machine['cpu']},"
    yield f"{machine['num_cores']} CPUs. Settings: {settings}."


def _chosen(summary: Mapping[str, Any]) -> str:
    rule, num_seeds = summary["default_rule"], summary["overall"][NEVER]["num_seeds"]
    if num_seeds < MIN_SEEDS:
        return f"The study is not finished: {num_seeds} of {MIN_SEEDS} seeds. No default is drawn from it."
    if rule is None:
        return f"Every rule loses more than {MAX_LOSS} points on average against never halting."
    return f"The rule that saves most guide MACs and loses at most {MAX_LOSS} points on average: {rule}."


def _about(teacher: Mapping[str, Any]) -> str:
    ratio = teacher["macs"] / teacher["student_macs"]
    return (
        f"Teacher {100 * teacher['accuracy']:.1f} %, {teacher['macs'] / 1e6:.2f} M MACs, {ratio:.0f} times the "
        f"student's {teacher['student_macs'] / 1e6:.3f} M; {teacher['num_train']} training and {teacher['num_test']} "
        f"test samples, {teacher['num_classes']} classes."
    )


def _table(title: str, arms: Mapping[str, Any], about: str) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    if about:
        yield from (about, "")
    num_seeds = next(iter(arms.values()))["num_seeds"]
    heads = ("accuracy", "against alone", "against never halted", "guide G MACs", "seconds", "halted after")
    yield f"| {num_seeds} seeds | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    for arm, figures in arms.items():
        cells = (
            arm,
            f"{100 * figures['accuracy']:.2f}",
            "" if arm == ALONE else _interval(*figures["against_alone"]),
            _interval(*figures["against_never"]) if "trainee" in arm and arm != NEVER else "",
            f"{figures['guide_macs'] / 1e9:.1f} ({figures['share_of_never']:.0%})",
            f"{figures['seconds']:.0f}",
            _halted(figures["halted"]),
        )
        yield f"| {' | '.join(cells)} |"


def _interval(mean: float, half_width: float | None) -> str:
    return f"{mean:+.2f}" if half_width is None else f"{mean:+.2f} ± {half_width:.2f}"


def _halted(epochs: Mapping[str, Sequence[int | None]]) -> str:
    parts = [
        f"{guide} {', '.join('-' if epoch is None else str(epoch) for epoch in of_seeds)}"
        for guide, of_seeds in epochs.items()
        if any(epoch is not None for epoch in of_seeds)
    ]
    return "; ".join(parts)
