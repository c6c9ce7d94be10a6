"""The parts of the limits that a network uses."""

from kd_edge.cost.budget import Budget
from kd_edge.cost.model import Cost, UntimedCost
from kd_edge.search.results import budget_shares

SIZES = (1_000, 100, 2_500, 300, 250, 50, 200)


def test_the_shares_are_those_of_the_limits_that_there_are():
    cost = Cost(*SIZES, latency_ms=2.0, latency_low_ms=1.0, latency_high_ms=4.0)
    assert budget_shares(cost, Budget(10_000, 1_200)) == {"flash_bytes": 0.25, "ram_bytes": 0.25}
    assert budget_shares(cost, Budget(10_000, 1_200, 8.0))["latency_ms"] == 0.5
    assert budget_shares(cost, Budget(10_000, 1_200, 8.0, latency_at="expected"))["latency_ms"] == 0.25


def test_a_network_whose_time_nobody_knows_has_shares_where_no_time_is_limited():
    assert budget_shares(UntimedCost(*SIZES), Budget(10_000, 1_200)) == {"flash_bytes": 0.25, "ram_bytes": 0.25}
