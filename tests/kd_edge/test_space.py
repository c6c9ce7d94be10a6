"""Spaces of students and what screening them says."""

import numpy as np
import pytest

from kd_edge.budget import Budget
from kd_edge.cost import CostModel
from kd_edge.devices import load_device
from kd_edge.errors import BudgetError, ConfigError
from kd_edge.space import StudentSpace

BOARD = load_device("nucleo-l4r5zi")
SPACE = StudentSpace.family("ds_cnn", (64, 6), 5)
ROOMY = Budget(1_000_000, 500_000)


def test_the_size_of_a_space_is_the_product_of_its_choices():
    assert SPACE.size == np.prod([len(options) for options in SPACE.choices.values()])


def test_the_same_generator_draws_the_same_networks():
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    assert [SPACE.sample(first) for _ in range(20)] == [SPACE.sample(second) for _ in range(20)]


def test_screening_counts_what_fits_and_orders_it_by_macs():
    tight = Budget(20_000, 8_000)
    screening = SPACE.screen(CostModel(BOARD), tight, num_samples=300, seed=1)
    rng = np.random.default_rng(1)
    drawn = {tuple(SPACE.sample(rng).values()) for _ in range(300)}
    costs = [
        CostModel(BOARD).estimate(SPACE.blueprint(dict(zip(SPACE.choices, v, strict=True))).to_graph()) for v in drawn
    ]
    assert screening.num_costed == len(drawn)
    assert screening.feasible_macs == tuple(sorted(cost.macs for cost in costs if cost.fits(tight)))
    assert 0 < screening.num_feasible < screening.num_costed
    assert screening.macs_quantile(0.0) == screening.feasible_macs[0]
    assert screening.macs_quantile(1.0) == screening.feasible_macs[-1]


@pytest.mark.parametrize(
    ("budget", "binding"),
    [
        (Budget(100, 500_000), r"flash: the smallest candidate needs [\d,]+ B, 100 B allowed"),
        (Budget(1_000_000, 100), r"RAM: the smallest candidate needs [\d,]+ B, 100 B allowed"),
        (Budget(1_000_000, 500_000, 0.0001), r"latency: the smallest candidate needs [\d.]+ ms, 0.0001 ms allowed"),
    ],
)
def test_a_budget_that_nothing_meets_says_which_limit_binds_and_what_the_smallest_needs(budget, binding):
    with pytest.raises(BudgetError, match=binding):
        SPACE.screen(CostModel(BOARD), budget, num_samples=50)


def test_a_network_that_random_draws_miss_is_still_found():
    cheapest = min(
        (
            CostModel(BOARD).estimate(SPACE.blueprint(SPACE.sample(np.random.default_rng(i))).to_graph())
            for i in range(300)
        ),
        key=lambda cost: cost.flash_bytes,
    )
    budget = Budget(cheapest.flash_bytes - 1, 500_000)
    assert SPACE.screen(CostModel(BOARD), budget, num_samples=1).num_feasible >= 1


def test_an_unknown_family_names_the_nearest_and_a_flat_sample_needs_dense_layers():
    with pytest.raises(ConfigError, match="unknown family 'resnt': did you mean 'resnet'"):
        StudentSpace.family("resnt", (64, 6), 5)
    with pytest.raises(ConfigError, match="use the family 'mlp'"):
        StudentSpace.family("ds_cnn", (64,), 5)


def test_wider_networks_cost_more():
    values = {name: options[1] for name, options in SPACE.choices.items()}
    costs = [CostModel(BOARD).estimate(SPACE.blueprint({**values, "width": w}).to_graph()) for w in (8, 16, 32, 64)]
    for name in ("macs", "params", "flash_bytes", "arena_bytes", "latency_ms"):
        figures = [getattr(cost, name) for cost in costs]
        assert figures == sorted(figures)
        assert figures[0] < figures[-1]
