"""What a sweep found, in words."""

from kd_edge.reporting.sentences.sweep import binds_text, infeasible_lines


def test_a_limit_of_the_energy_is_called_so_and_told_in_millijoules():
    why = {"limits": {"flash_bytes": 64_000, "energy_mj": 0.01}, "smallest": {"flash_bytes": 900, "energy_mj": 0.0713}}
    cell = {"name": "own-0.01mJ", "device": "own", "binds": ["energy_mj"], "infeasible": {**why, "proof": "proved"}}
    assert binds_text(cell) == "energy"
    assert list(infeasible_lines({"cells": [cell]})) == [
        "own, 0.01mJ: energy: the smallest network needs 0.0713 mJ, 0.0100 mJ allowed (proved)"
    ]
