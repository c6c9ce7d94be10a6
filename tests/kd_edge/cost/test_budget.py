"""Budgets and how their sizes and times are written."""

import pytest

from kd_edge.cost.budget import Budget, parse_bytes, parse_ms
from kd_edge.cost.devices import load_device
from kd_edge.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [("64k", 64 * 1024), ("64 kB", 64 * 1024), ("64KiB", 64 * 1024), ("1.5M", 1536 * 1024), ("100", 100), (7, 7)],
)
def test_a_size_is_read_with_the_units_of_linker_scripts(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "k", "-1k", "64q", "0", "1e3", "nan", "1.9", "0.0001k", "\u0666k", "9" * 400, 10**400]
)
def test_a_bad_size_says_what_was_expected(text):
    with pytest.raises(ConfigError, match=r"expected bytes such as .* received"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "duration"), [("15ms", 15.0), ("800us", 0.8), ("0.5 s", 500.0), (15, 15.0)])
def test_a_duration_is_read_in_milliseconds(text, duration):
    assert parse_ms(text) == pytest.approx(duration)


@pytest.mark.parametrize(
    "text", ["15", "ms", "-1ms", "0ms", -2.0, float("nan"), float("inf"), 10**400, "9" * 400 + "s", "\u0666ms"]
)
def test_a_bad_duration_says_what_was_expected(text):
    with pytest.raises(ConfigError, match="expected a time such as"):
        parse_ms(text)


def test_the_budget_defaults_to_what_the_board_leaves():
    board = load_device("nucleo-l4r5zi")
    budget = Budget.of(board)
    assert budget.flash_bytes == board.flash_bytes - board.reserved_flash_bytes
    assert budget.ram_bytes == board.ram_bytes - board.reserved_ram_bytes
    assert budget.latency_ms is None


def test_a_budget_beyond_the_board_is_refused():
    with pytest.raises(ConfigError, match=r"expected ram within the \d+ B that nucleo-l4r5zi has, received 99999999 B"):
        Budget.of(load_device("nucleo-l4r5zi"), ram_bytes=99_999_999)


def test_a_negative_limit_is_refused():
    with pytest.raises(ConfigError, match="expected flash_bytes > 0, received -1"):
        Budget(-1, 100)
    with pytest.raises(ConfigError, match="expected latency_ms > 0, received nan"):
        Budget(100, 100, float("nan"))
