"""The comparison with litert-benchmark: its arithmetic, and that the page says what the results say."""

import json

import pytest

from tools.benchmarks.runner import PAGE, RESULTS, render, summarize


def test_the_two_loops_are_compared_round_by_round_on_the_same_call() -> None:
    # Ratios 1.2, 1.0 and 1.1; 2, 3 and 4 us beyond invoke().
    found = summarize([(0.010, 0.012, 0.010), (0.017, 0.020, 0.020), (0.018, 0.022, 0.020)])
    assert (found["invoke_ms"], found["same_call_ms"], found["theirs_ms"]) == (0.017, 0.020, 0.020)
    assert (found["loop_ratio_min"], found["loop_ratio"], found["loop_ratio_max"]) == (1.0, 1.1, 1.2)
    assert found["call_us"] == pytest.approx(3)


def test_the_page_says_what_the_results_say() -> None:
    assert f"<!-- runner -->\n{render(json.loads(RESULTS.read_text()))}\n<!-- end of runner -->" in PAGE.read_text()
