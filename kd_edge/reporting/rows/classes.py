"""How good a file is class by class, as rows of text."""

from collections.abc import Sequence

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows, interval_text, precision, share_text

# With more classes a row says which class is named instead most often.
_MOST_COLUMNS = 10


def score_rows(verify: Result) -> Rows:
    """Return what one number each says of the file, beside what naming the largest class always would give."""
    found, known = verify["classification"], verify["accuracy_ci95"] | verify["classification_ci95"]
    scores = {
        "share right": ("int8_litert", verify["accuracy"]["int8_litert"]),
        "balanced accuracy": ("balanced_accuracy", found["balanced_accuracy"]),
        "macro-F1": ("macro_f1", found["macro_f1"]),
        f"share of the largest class, {found['majority_class']}": ("majority_share", found["majority_share"]),
    }
    rows = [(title, share_text(share), interval_text(known.get(name))) for title, (name, share) in scores.items()]
    return Rows(f"{precision(verify)}, LiteRT, over all classes (measured)", ("", "", "95 % interval"), rows)


def class_rows(verify: Result) -> Rows:
    """Return how good the file is class by class, and what it names instead."""
    found = verify["classification"]
    few = len(found["classes"]) <= _MOST_COLUMNS
    names = [f"{number}: {row['name']}" for number, row in enumerate(found["classes"])]
    rows = [
        (
            name,
            f"{row['support']:,}",
            *(_share(row[figure]) for figure in ("recall", "precision", "f1")),
            *(map(str, counts) if few else [_instead(number, counts, names)]),
        )
        for number, (name, row, counts) in enumerate(zip(names, found["classes"], found["confusion"], strict=True))
    ]
    header = ("class", "samples", "recall", "precision", "F1")
    last = tuple(f"as {number}" for number in range(len(names))) if few else ("named instead",)
    return Rows(f"{precision(verify)}, LiteRT, class by class (measured)", (*header, *last), rows)


def _instead(number: int, counts: Sequence[int], names: Sequence[str]) -> str:
    """Return the class that is most often named instead of another, and how often."""
    others = [(count, -place) for place, count in enumerate(counts) if place != number and count]
    return f"{names[-max(others)[1]]} ({max(others)[0]:,})" if others else ""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
