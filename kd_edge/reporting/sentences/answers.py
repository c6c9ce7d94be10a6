"""A file's answers to its task, in words."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class AnswersText(NamedTuple):
    """The words around the chart on the page.

    Attributes:
        short: In the list of sections.
        title: The heading.
        description: What the chart shows.
    """

    short: str
    title: str
    description: str


_CONFUSION = AnswersText("Confusion", "Confusion matrix", "Test samples per true class and class named by the file")
_TEXTS = {
    "multilabel": AnswersText("Labels", "Labels", "Recall and precision of each label"),
    "regression": AnswersText("Values", "Answers against true values", "Answers of the file against true values"),
    "several": AnswersText("Answers", "Answers output by output", "Answers of the file, output by output"),
    "reconstruction": AnswersText("Anomalies", "Anomalies found", "Anomalies found against false alarms"),
}


def answers_text(verify: Mapping[str, Any]) -> AnswersText:
    """Return the words around the chart of a verification's answers."""
    return _TEXTS.get(verify.get("task", "multiclass"), _CONFUSION)


def asked_for(verify: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return in words what was asked, to follow the shape of the samples; `names` are those of classes or values."""
    count = len(names)
    asked = {
        "multilabel": f" with any of {count} labels",
        "regression": f", of which {count} value{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} measured",
        "several": f", each asked {count} questions: {', '.join(names)}",
        "reconstruction": ", to be reconstructed: what is not is an anomaly",
    }
    return asked.get(verify.get("task", "multiclass"), f" in {count} classes")
