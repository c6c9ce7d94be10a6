"""What a sweep found, in words."""

import pytest

from kd_edge.reporting.sentences.sweep import binds_text, infeasible_lines


def test_a_limit_of_the_energy_is_called_so_and_told_in_millijoules():
    why = {"limits": {"flash_bytes": 64_000, "energy_mj": 0.01}, "smallest": {"flash_bytes": 900, "energy_mj": 0.0713}}
    cell = {"name": "own-0.01mJ", "device": "own", "binds": ["energy_mj"], "infeasible": {**why, "proof": "proved"}}
    assert binds_text(cell) == "energy"
    assert list(infeasible_lines({"cells": [cell]})) == [
        "own, 0.01mJ: energy: the smallest network needs 0.0713 mJ, 0.0100 mJ allowed (proved)"
    ]


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
