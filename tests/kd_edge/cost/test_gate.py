import pytest

from kd_edge.cost.gate import BROKEN, HOLDS, NOT_PROVEN, at_least, at_most, verdict_of


@pytest.mark.parametrize(
    ("low", "high", "verdict", "passed"),
    [(1.0, 6.0, HOLDS, True), (2.0, 6.1, NOT_PROVEN, None), (6.0, 7.0, NOT_PROVEN, None), (6.1, 8.0, BROKEN, False)],
)
def test_a_limit_holds_only_where_the_whole_interval_keeps_it(low, high, verdict, passed):
    gate = at_most(5.0, 6.0, low=low, high=high, reason="measure one model")
    assert (gate.verdict, gate.passed) == (verdict, passed)
    assert gate.reason == ("measure one model" if verdict == NOT_PROVEN else "")


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.6, 0.9, HOLDS), (0.4, 0.9, NOT_PROVEN), (0.1, 0.4, BROKEN), (0.5, 0.5, HOLDS)]
)
def test_a_floor_holds_only_where_the_whole_interval_is_above_it(low, high, verdict):
    assert at_least(0.5, 0.5, low=low, high=high).verdict == verdict


def test_a_figure_without_interval_is_compared_itself_and_one_that_is_missing_proves_nothing():
    assert (at_most(5, 5).verdict, at_most(6, 5).verdict, at_most(None, 5).verdict) == (HOLDS, BROKEN, NOT_PROVEN)
    assert (at_least(5, 5).verdict, at_least(4, 5).verdict, at_least(None, 5).verdict) == (HOLDS, BROKEN, NOT_PROVEN)


def test_without_a_limit_there_is_no_verdict():
    assert (at_most(5, None).verdict, at_least(5, None).passed) == (None, None)


def test_together_the_worst_check_counts():
    holds, broken, unproven, unasked = at_most(1, 2), at_most(3, 2), at_most(None, 2), at_most(1, None)
    assert verdict_of([holds, unasked]) == HOLDS
    assert verdict_of([holds, unproven]) == NOT_PROVEN
    assert verdict_of([unproven, broken]) == BROKEN
