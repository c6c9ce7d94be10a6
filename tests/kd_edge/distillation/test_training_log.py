"""The seconds of a guide: estimated where epochs with and without it show a difference, and never below 0."""

import pytest

from kd_edge.distillation.training_log import Halt, TrainingLog

BOTH, ALONE = ("teacher", "trainee"), ("teacher",)


def report(with_it, without_it):
    """The report on a trainee that left after epochs of so many seconds, of ten steps each."""
    log = TrainingLog()
    for seconds in with_it:
        log.add_epoch(BOTH, seconds, 10)
    facts = {"num_samples": 64, "macs_per_sample": 5, "num_bytes": 8, "num_passes": None}
    log.halts["trainee"] = Halt(epoch=len(with_it), step=10 * len(with_it), reason="enough", **facts)
    for seconds in without_it:
        log.add_epoch(ALONE, seconds, 10)
    return log.reports([])[0]


def test_the_first_epoch_of_either_kind_compiles_the_step_and_does_not_count():
    found = report([9.0, 2.0, 2.1, 1.9], [5.0, 1.0, 1.1, 0.9, 1.0])
    # A step takes 0.2 s with it and 0.1 s without it; 40 steps and 50 steps. To compile the other took 4 s.
    assert found.seconds_spent == pytest.approx(0.1 * 40)
    assert found.seconds_saved == pytest.approx(0.1 * 50 - 4.0)


def test_where_compiling_the_new_step_took_longer_than_it_spared_nothing_is_saved():
    assert report([9.0, 2.0, 2.0], [7.0, 1.0, 1.0]).seconds_saved == 0.0


@pytest.mark.parametrize(
    ("with_it", "without_it"),
    [
        ([9.0], [5.0, 1.0, 1.0]),
        ([9.0, 2.0, 2.0], [5.0]),
        ([9.0, 2.0], [5.0, 1.0, 1.0]),
        ([9.0, 2.0, 2.0], [5.0, 1.0]),
        ([9.0, 1.0, 1.1], [5.0, 2.0, 2.1]),
        ([9.0, 1.0, 3.0, 2.0], [5.0, 1.0, 2.9, 2.0]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
    ],
    ids=["one traced with", "one traced without", "one with", "one without", "negative", "noise", "no difference"],
)
def test_what_epochs_do_not_show_is_not_said(with_it, without_it):
    found = report(with_it, without_it)
    assert (found.seconds_spent, found.seconds_saved) == (None, None)
    assert set(found.to_dict()["unavailable_reason"]) == {"seconds_spent", "seconds_saved"}


def test_an_epoch_in_which_a_guide_left_is_of_neither_kind():
    log = TrainingLog()
    for guides, seconds in ((BOTH, 9.0), (BOTH, 2.0), (BOTH, 2.0), (None, 7.0), (ALONE, 5.0), (ALONE, 1.0)):
        log.add_epoch(guides, seconds, 10)
    facts = {"num_samples": 64, "macs_per_sample": 5, "num_bytes": 8, "num_passes": None}
    log.halts["trainee"] = Halt(epoch=3, step=36, reason="enough", **facts)
    assert log.reports([])[0].seconds_saved is None
    for _ in range(6):
        log.add_epoch(ALONE, 1.0, 10)
    # Six of its ten steps had the guide, 0.2 s each, four had not: 1.6 of 7 s, the rest compiled. 84 steps without it.
    assert log.reports([])[0].seconds_saved == pytest.approx(0.1 * 84 - 5.4)
