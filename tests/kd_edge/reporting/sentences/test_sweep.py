"""What a sweep found, in words."""

import pytest

from kd_edge.reporting.sentences.sweep import binds_text, infeasible_lines, reached_lines, teacher_marks


def test_a_limit_of_the_energy_is_called_so_and_told_in_millijoules():
    why = {"limits": {"flash_bytes": 64_000, "energy_mj": 0.01}, "smallest": {"flash_bytes": 900, "energy_mj": 0.0713}}
    cell = {"name": "own-0.01mJ", "device": "own", "binds": ["energy_mj"], "infeasible": {**why, "proof": "proved"}}
    assert binds_text(cell) == "energy"
    assert list(infeasible_lines({"cells": [cell]})) == [
        "own, 0.01mJ: energy: the smallest network needs 0.0713 mJ, 0.0100 mJ allowed (proved)"
    ]


@pytest.mark.parametrize(
    ("limit", "marks", "reached"),
    [
        (0.0, "= as good as the teacher, < worse, ~ neither", "as good as the teacher with 5ms"),
        (
            0.02,
            "= at most 0.020 below the teacher, < further below, ~ neither",
            "at most 0.020 below the teacher with 5ms",
        ),
    ],
)
def test_what_a_student_may_lack_of_the_teacher_is_said(limit, marks, reached):
    loss = {"passed": True, "measured": -0.1, "limit": limit, "verdict": "holds", "low": -0.2, "high": -0.01}
    cell = {"name": "own-5ms", "device": "own", "teacher": "reached", "teacher_loss": loss}
    none = {"name": "own-1ms", "device": "own", "teacher": None, "teacher_loss": None}
    result = {"boards": [{"name": "own"}], "cells": [none, cell]}
    assert teacher_marks(result).startswith(marks)
    assert list(reached_lines(result)) == [f"own: {reached}"]
    assert teacher_marks({"cells": [none]}) is None


@pytest.mark.parametrize(
    ("figure", "need", "limit", "text"),
    [
        ("latency_high_ms", 2.004, 2.0, "needs 2.004 ms, 2.000 ms allowed"),
        ("latency_ms", 2.1, 2.0, "needs 2.10 ms, 2.00 ms allowed"),
        ("macs", 1000, 999.6, "needs 1,000.0 MACs, 999.6 MACs allowed"),
        ("ram_bytes", 1001, 1000, "needs 1,001 B, 1,000 B allowed"),
    ],
)
def test_what_is_needed_does_not_look_like_what_is_allowed(figure, need, limit, text):
    why = {"limits": {figure: limit}, "smallest": {figure: need}, "proof": "proved"}
    (line,) = infeasible_lines({"cells": [{"name": "own", "device": "own", "infeasible": why}]})
    assert line.endswith(f"the smallest network {text} (proved)")
