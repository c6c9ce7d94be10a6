"""Durations come from a clock that never jumps: the wall clock is asked for dates alone."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from tflite_bench.measurement.timing import Plan, measure

ROOT = Path(__file__).parents[1]
WALL = re.compile(r"\btime\.time(_ns)?\(|from time import [^\n]*\btime\b|\btime\.(local|gm)time\(")


def test_no_source_measures_with_the_wall_clock():
    sources = [path for part in ("kd_edge", "tflite_bench", "tools") for path in (ROOT / part).rglob("*.py")]
    assert len(sources) > 100
    assert [str(path) for path in sources if WALL.search(path.read_text("utf-8"))] == []


@pytest.fixture
def jumping(monkeypatch):
    """A wall clock that is set a day forward or back whenever somebody looks at it."""
    days = iter(np.random.default_rng(0).integers(-1, 2, 100_000))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400.0 * next(days))


def test_a_measurement_does_not_see_the_clock_jump(jumping):
    timing = measure(lambda: sum(range(2000)), Plan(num_runs=50))
    assert min(timing.samples_ms) > 0
    assert max(timing.samples_ms) < 86_400_000
