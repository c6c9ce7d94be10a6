"""A verification as a summary in Markdown, for a job of continuous integration."""

import re
from typing import Any

from kd_edge.cost.gate import Gate
from kd_edge.reporting.rows.checks import Rows, check_rows, fit_rows, metric_title
from kd_edge.reporting.sentences.metric_words import metric_of
from kd_edge.reporting.sentences.verdicts import found_text


def verify_markdown(result: dict[str, Any]) -> str:
    """Return the checks of a verification, and what changes against a base, as tables in Markdown."""
    parts = [f"### {_plain(result['device'])}: {_plain(result['verdict'].replace('_', ' '))}"]
    if against := result.get("against"):
        parts.append(_table(against_rows(against)))
    parts += [
        _table(fit_rows(result, result["budget"])),
        _table(check_rows(result["gates"], metric_of(result["accuracy"]))),
    ]
    return "\n\n".join(parts) + "\n"


def against_rows(against: dict[str, Any]) -> Rows:
    """Return what changes with a file."""
    loss = against["loss"]
    lost = f"{found_text('accuracy_loss', Gate(**loss))}, at most {loss['limit']:g}"
    shares = (f"{against[name]:z.3f}" for name in ("accuracy_base", "accuracy"))
    rows = [
        (metric_title(metric_of(against)), *shares, f"lost {lost}: {loss['verdict'].replace('_', ' ')}"),
        *(
            (title, f"{against[f'{name}_base']:,} B", f"{against[name]:,} B", _growth(against, name))
            for title, name in (("flash (.tflite file)", "flash_bytes"), ("arena (computed)", "arena_bytes"))
        ),
    ]
    return Rows(f"against {against['base']}", ("", "before", "after", "change"), rows)


def _growth(against: dict[str, Any], name: str) -> str:
    return f"{100 * (against[name] / against[f'{name}_base'] - 1):+z.1f} %"


def _table(rows: Rows) -> str:
    lines = [f"| {' | '.join(map(_plain, row))} |" for row in (rows.header, *rows.rows)]
    lines.insert(1, f"|{'---|' * len(rows.header)}")
    return "\n".join([f"**{_plain(rows.title)}**", "", *lines])


def _plain(text: object) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(str(text).split()))
