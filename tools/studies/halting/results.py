"""What the rows of the study come to: paired differences with their intervals, in points of accuracy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tools.studies.halting import averages, forms, gain, leaving, product
from tools.studies.halting.rows import Row
from tools.studies.halting.tasks import ALL, AMOUNTS, FEW, TASKS
from tools.studies.paired import paired

EXTRA_SETS = ("fashion-2000",)  # shown beside the five, not counted in their means
MIN_SEEDS = 5  # before a default is drawn from the figures
NEEDED_SETS = frozenset(("fashion-2000", "mnist-5000", "watch", "har"))  # that too
MAX_LOSS = 0.2  # points of accuracy that a rule may lose against never halting
RULES = tuple(leaving.rules())
_ABLATION = "fixed epoch"

Figures = dict[str, Any]


def summarize(rows: Sequence[Row]) -> Figures:
    """Return the means and paired differences of a study.

    Args:
        rows: Of finished trainings; a comparison counts the seeds for which it has both sides.

    Returns:
        See the names; `mean_gain_points` and `default_gain_points` are `None` until each of the five sets has a seed.
    """
    gains = {name: {amount: _gain(rows, name, amount) for amount in AMOUNTS} for name in TASKS}
    counted = [gains[name] for name in TASKS if name not in EXTRA_SETS]
    rules = {rule: _rule(rows, rule) for rule in (*RULES, leaving.FROM_THE_START)}
    halted = {row["set"] for row in rows if row["part"] == leaving.PART}
    chosen = default_rule(rules) if halted >= NEEDED_SETS else None
    return {
        "mean_gain_points": _mean([part[amount]["gain"] for part in counted for amount in AMOUNTS]),
        "mean_gain_handed_on_points": _mean([part[amount]["gain_handed_on"] for part in counted for amount in AMOUNTS]),
        "mean_gain_points_all_labels": _mean([part[ALL]["gain"] for part in counted]),
        "mean_gain_points_few_labels": _mean([part[FEW]["gain"] for part in counted]),
        "default_gain_points": _mean([part[amount]["default"] for part in counted for amount in AMOUNTS]),
        "default_rule": chosen,
        "guide_macs_saved_share": rules[chosen]["macs_saved_share"] if chosen else None,
        "halting_loss_points": -rules[chosen]["against_never"]["points"] if chosen else None,
        "gain": gains,
        "rules": rules,
        "forms": {"teacher": _forms(rows, teacher=True), "no teacher": _forms(rows, teacher=False)},
        "averages": _averages(rows),
        "by_sample": _by_sample(rows),
        "rate_finder": _found_rates(rows),
    }


def default_rule(rules: Mapping[str, Figures | None]) -> str | None:
    """Return the rule that saves most among those whose mean loss stays within `MAX_LOSS`; `None` before 5 seeds.

    That a guide leaves after a fixed number of epochs is an ablation, no candidate.
    """
    kept = {
        name: figures
        for name, figures in rules.items()
        if name in RULES and name != _ABLATION and figures and figures["against_never"]["num_seeds"] >= MIN_SEEDS
    }
    kept = {name: figures for name, figures in kept.items() if figures["against_never"]["points"] >= -MAX_LOSS}
    return max(kept, key=lambda name: kept[name]["macs_saved_share"], default=None)


def tests(rows: Sequence[Row], **identity: Any) -> dict[int, float]:
    """Return the test accuracies by seed."""
    return {row["seed"]: row["test"] for row in _having(rows, **identity)}


def difference(first: Mapping[Any, float], second: Mapping[Any, float]) -> Figures | None:
    """Return the paired difference over the seeds that both have; `None` where there is none."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    points, half = paired([first[seed] for seed in seeds], [second[seed] for seed in seeds])
    return {"points": _round(points), "half_width": None if half is None else _round(half), "num_seeds": len(seeds)}


def _gain(rows: Sequence[Row], name: str, amount: str) -> Figures:
    own = {"part": gain.PART, "set": name, "labels": amount}
    alone, distilled, fair = (
        tests(rows, side=side, arm=gain.BEST, **own) for side in (gain.ALONE, gain.DISTILLED, gain.OWN_LABELS)
    )
    new, today = (_both_sides(rows, own, arm) for arm in (gain.DEFAULT, gain.TODAY))
    plain = {side: tests(rows, side=side, arm=gain.DEFAULT, **own) for side in (gain.ALONE, gain.DISTILLED)}
    return {
        "alone": _percent(alone),
        "distilled": _percent(distilled),
        "gain": difference(distilled, alone),
        "gain_handed_on": difference(_handed_on(rows, own), alone),
        "gain_with_teacher_of_the_same_labels": difference(fair, alone),
        "gain_without_tuning": difference(plain[gain.DISTILLED], plain[gain.ALONE]),
        "today": _percent(today),
        "default": difference(new, today),
        "plans": {side: _plan(rows, own, side) for side in (gain.ALONE, gain.DISTILLED)},
    }


def _handed_on(rows: Sequence[Row], own: Row) -> dict[int, float]:
    """Return by seed the test accuracy of what `kd-edge run` hands on: the better one on the validation samples."""
    alone, distilled = (
        {row["seed"]: row for row in _having(rows, side=side, arm=gain.BEST, **own)}
        for side in (gain.ALONE, gain.DISTILLED)
    )
    seeds = alone.keys() & distilled.keys()
    return {seed: max((distilled[seed], alone[seed]), key=lambda row: row["val"])["test"] for seed in seeds}


def _both_sides(rows: Sequence[Row], own: Row, arm: str) -> dict[int, float]:
    """Return by seed the mean of student alone and distilled student."""
    alone, distilled = (tests(rows, side=side, arm=arm, **own) for side in (gain.ALONE, gain.DISTILLED))
    return {seed: (alone[seed] + distilled[seed]) / 2 for seed in alone.keys() & distilled.keys()}


def _plan(rows: Sequence[Row], own: Row, side: str) -> Figures | None:
    row = next(iter(_having(rows, side=side, arm=gain.BEST, **own)), None)
    return row and {name: row[name] for name in ("rate", "augment", "epochs")}


def _rule(rows: Sequence[Row], arm: str) -> Figures | None:
    """Return what a rule saves and loses: the mean over the sets, of the seeds that all sets have."""
    own = {
        which: {(row["set"], row["seed"]): row for row in _having(rows, part=leaving.PART, arm=which)}
        for which in (arm, leaving.NEVER)
    }
    keys = own[arm].keys() & own[leaving.NEVER].keys()
    if not keys:
        return None
    sets = sorted({name for name, _ in keys})
    per_set = {name: _of_set(own, arm, [key for key in keys if key[0] == name]) for name in sets}
    seeds = [seed for seed in leaving.SEEDS if all((name, seed) in keys for name in sets)]
    means = [
        {s: math.fsum(own[which][n, s]["test"] for n in sets) / len(sets) for s in seeds}
        for which in (arm, leaving.NEVER)
    ]
    return {
        "macs_saved_share": _round(math.fsum(part["macs_saved_share"] for part in per_set.values()) / len(sets)),
        "against_never": difference(*means) or {"points": 0.0, "half_width": None, "num_seeds": 0},
        "sets": per_set,
    }


def _of_set(own: Mapping[str, Mapping[Any, Row]], arm: str, keys: Sequence[tuple[str, int]]) -> Figures:
    keys = sorted(keys)
    spent, never = (sum(own[which][key]["guide_macs"] for key in keys) for which in (arm, leaving.NEVER))
    accuracies = [{key[1]: own[which][key]["test"] for key in keys} for which in (arm, leaving.NEVER)]
    return {
        "macs_saved_share": _round(1 - spent / never),
        "against_never": difference(*accuracies),
        "halted": [own[arm][key]["halted"] for key in keys],
    }


def _forms(rows: Sequence[Row], *, teacher: bool) -> Figures:
    found = {}
    for name in forms.SETS:
        own = {"part": forms.PART, "set": name, "teacher": teacher}
        none = tests(rows, form=forms.NONE, **own)
        found[name] = {
            form: {
                "accuracy": _percent(tests(rows, form=form, **own)),
                "gain": difference(tests(rows, form=form, **own), none),
            }
            for form in forms.FORMS
        }
    return found


def _averages(rows: Sequence[Row]) -> list[Figures]:
    """Return for each set and side what an average of the weights gives over the best epoch's own."""
    found = []
    for name in averages.SETS:
        for side in (gain.ALONE, gain.DISTILLED):
            own = {"part": averages.PART, "set": name, "side": side}
            best, average = (tests(rows, kind=kind, **own) for kind in (averages.OWN, averages.AVERAGED))
            if against := difference(average, best):
                found.append({"set": name, "side": side, "accuracy": _percent(best), "gain": against})
    return found


def _by_sample(rows: Sequence[Row]) -> Figures:
    own = {by: _having(rows, part=product.BY_SAMPLE, by_sample=by) for by in (False, True)}
    always, asked = ({row["seed"]: row["test"] for row in own[by]} for by in (False, True))
    shares = [row["share_asked"] for row in own[True]]
    return {
        "share_asked": _round(math.fsum(shares) / len(shares)) if shares else None,
        "against_always": difference(asked, always),
    }


def _found_rates(rows: Sequence[Row]) -> list[Figures]:
    """Return for each set and side the rate that was found, and its validation accuracy beside the grid's best."""
    found = []
    for row in _having(rows, part=product.RATE):
        own = {"part": gain.PART, "set": row["set"], "labels": ALL, "side": row["side"]}
        grid = [r for r in _having(rows, arm="tuning", augment="none", seed=0, **own) if r["rate"] in gain.RATES]
        if not grid:
            continue
        grid = [r for r in grid if r["epochs"] == min(other["epochs"] for other in grid)]
        best = max(grid, key=lambda r: r["val"])
        figures = {
            "rate": row["rate"],
            "best_of_grid": best["rate"],
            "val_points": _round(100 * (row["val"] - best["val"])),
        }
        found.append({"set": row["set"], "side": row["side"], **figures})
    return found


def _having(rows: Sequence[Row], **identity: Any) -> list[Row]:
    return [row for row in rows if all(row.get(k) == v for k, v in identity.items())]


def _mean(differences: Sequence[Figures | None]) -> float | None:
    points = [figures["points"] for figures in differences if figures]
    return _round(math.fsum(points) / len(points)) if len(points) == len(differences) else None


def _percent(accuracies: Mapping[int, float]) -> float | None:
    return _round(100 * math.fsum(accuracies.values()) / len(accuracies)) if accuracies else None


def _round(value: float) -> float:
    return float(f"{value:.4g}")
