"""What the teacher had to tell and what it gave, in words."""

from collections.abc import Iterator

from kd_edge.distillation.targets.information import TeacherInformation
from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word, points_word

_RACE_VERDICTS = {
    "helps": "distillation helps here",
    "no_difference": "whether distillation helps here is not proven",
    "hurts": "distillation does not help here: the student is trained without a teacher",
}


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
    gained, low, high = (100 * race["difference"][name] for name in ("difference", "ci95_low", "ci95_high"))
    decimals = _decimals(low, high)
    seen = (
        f"{race['epochs']} epochs with and without guides, {race['seconds']:.0f} s in all: "
        f"{gained:+z.{decimals}f} {points_word(metric_of(race))} on the validation samples (95 % interval "
        f"{low:+z.{decimals}f} to {high:+z.{decimals}f})"
    )
    return f"{seen}; {_RACE_VERDICTS[race['verdict']]}"


def _decimals(low: float, high: float) -> int:
    """Return how many decimals it takes to see that an interval does not hold 0, at least one."""
    if low * high <= 0:
        return 1
    return next((decimals for decimals in range(1, 9) if round(low, decimals) and round(high, decimals)), 1)


def choice_line(choice: Result) -> str:
    """Return which student is handed on, and why."""
    names = {"distilled": "the distilled student", "alone": "the student without a teacher"}
    preferred = choice.get("preferred", choice["shipped"])
    asked = choice.get("asked", "best") != "best"
    why = f", as asked; the validation samples prefer {names[preferred]}" if asked else ""
    differences = [
        f"{100 * found['difference']:+z.1f} {points_word(metric_of(choice))} on the {kind} samples (95 % interval "
        f"{100 * found['ci95_low']:+z.1f} to {100 * found['ci95_high']:+z.1f})"
        for kind, found in (("validation", choice.get("val_difference")), ("test", choice.get("test_difference")))
        if found
    ]
    good = metric_word(metric_of(choice))
    gave = f"; distillation gave {', '.join(differences)}" if differences else ""
    return (
        f"{names[choice['shipped']]} is handed on{why}: {_decisive(choice)}validation {good} "
        f"{choice['distilled_accuracy']:z.3f} distilled, {choice['alone_accuracy']:z.3f} without a teacher (measured)"
        f"{gave}"
    )


def _decisive(choice: Result) -> str:
    """Return the scores by which the validation samples prefer one, where these are not the accuracies."""
    objective = choice.get("objective")
    if objective is None or objective == metric_of(choice):
        return ""
    scores = f"{choice['distilled_score']:z.3f} distilled, {choice['alone_score']:z.3f} without a teacher"
    return f"validation {metric_word(objective)} {scores}, which decides where nothing is asked for; "


def gain_lines(gain: Result, num_samples: int, metric: str = "accuracy") -> Iterator[str]:
    """Yield what distillation gave over the same student without a teacher; `metric` is what both are measured by."""
    points = {key: 100 * value for key, value in gain.items()}
    yield (
        f"distillation gave {points['difference']:+z.1f} {points_word(metric)} over the same student without a teacher "
        f"(95 % interval {points['ci95_low']:+z.1f} to {points['ci95_high']:+z.1f} on these {num_samples:,} samples; "
        "one seed, another one can differ by more)"
    )
