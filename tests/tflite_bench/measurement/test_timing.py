"""The measuring loop, by what it calls; never by how long that takes."""

import pytest

from tflite_bench.measurement.timing import Plan, describe_end, measure


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_a_number_of_runs_is_kept_exactly_and_the_warm_up_is_not_counted() -> None:
    invoke = Counter()
    timing = measure(invoke, Plan(num_runs=37))
    assert timing.reached
    assert len(timing.samples_ms) == 37
    assert len(timing.warmup_ms) >= 10
    assert invoke.calls == 37 + len(timing.warmup_ms)


def test_the_time_limit_ends_the_loop_with_at_least_one_run() -> None:
    timing = measure(Counter(), Plan(num_runs=10**9, time_limit_s=1e-9))
    assert not timing.reached
    assert (len(timing.samples_ms), len(timing.warmup_ms)) == (1, 1)


def test_a_few_equal_runs_before_the_time_limit_do_not_reach_a_precision() -> None:
    timing = measure(Counter(), Plan(time_limit_s=1e-9))
    assert (timing.reached, len(timing.samples_ms)) == (False, 1)


def test_a_loose_precision_is_reached_after_the_smallest_number_of_runs() -> None:
    timing = measure(Counter(), Plan(precision=0.99, time_limit_s=60))
    assert timing.reached
    assert len(timing.samples_ms) >= 50


@pytest.mark.parametrize(
    ("reached", "num_runs", "plan", "text"),
    [
        (True, 50, Plan(), ""),
        (False, 80, Plan(time_limit_s=1.5), "stopped by the time limit of 1.5 s, the precision was not reached"),
        (
            False,
            49,
            Plan(time_limit_s=1.5),
            "by the time limit of 1.5 s, the number of 50 runs was not reached",
        ),
        (False, 200_000, Plan(), "stopped after 200,000 inferences, the precision was not reached"),
        (False, 200_001, Plan(num_runs=300_000), "by the time limit of 30 s, the number of 300,000 runs was not"),
    ],
)
def test_what_ended_the_loop_before_its_aim_is_told(reached: bool, num_runs: int, plan: Plan, text: str) -> None:
    told = describe_end(reached, num_runs, plan)
    assert text in told
    assert bool(told) is not reached
