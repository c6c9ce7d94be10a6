"""What each of several outputs of a file is worth, as rows of text."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kd_edge.reporting.documents import Result
from kd_edge.reporting.rows.checks import Rows, accuracy_rows
from kd_edge.reporting.rows.classes import class_rows, score_rows
from kd_edge.reporting.rows.tasks import task_rows


def results_by_output(verify: Result) -> dict[str, dict[str, Any]]:
    """Return for each of several outputs a verification of it alone, by its name; nothing for one output."""
    return {name: {**verify, **output, "outputs": {}} for name, output in verify.get("outputs", {}).items()}


def output_rows(verify: Result) -> Iterator[Rows]:
    """Yield the tables of each of several outputs, its name before each title; nothing for one output."""
    for name, own in results_by_output(verify).items():
        classes = [score_rows(own), class_rows(own)] if own["classification"] else []
        for rows in (accuracy_rows(own), *classes, *task_rows(own)):
            yield replace(rows, title=f"{name}: {rows.title}")
