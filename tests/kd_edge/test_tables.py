"""What the commands print."""

from kd_edge.tables import halting_lines

STAYED = {
    "guide": "teacher",
    "halted": False,
    "macs_spent": 2_500_000_000,
    "seconds_spent": None,
    "data_passes": 4.0,
}
LEFT = {
    "guide": "trainee",
    "halted": True,
    "epoch": 2,
    "reason": "fixed after 2 epochs",
    "macs_spent": 1_000_000_000,
    "seconds_spent": 3.0,
    "data_passes": 2.0,
    "macs_saved": None,
    "seconds_saved": 3.0,
    "megabytes_saved": 1.25,
}


def test_the_lines_on_halting_say_what_each_guide_cost_and_what_was_saved():
    assert list(halting_lines([STAYED, LEFT])) == [
        "the teacher stayed to the end and cost 2.5 G MACs (computed) in 4 passes over the data",
        "the trainee was halted after epoch 2 (fixed after 2 epochs): it cost 1.0 G MACs (computed) and 3 s (measured) "
        "in 2 passes over the data; halting it saved 3 s (measured) and 1.2 MB of memory",
    ]
