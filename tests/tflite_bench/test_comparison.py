"""compare(): what is a regression, and what must not be compared."""

import functools
import json
import math
import operator
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.comparison import Rule, compare, read_document, read_rule
from tflite_bench.errors import ConfigError
from tflite_bench.measurement.timing import Plan
from tflite_bench.reporting.documents import benchmark_document, comparison_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import comparison_markdown, comparison_text
from tflite_bench.runners.base import Estimate, Execution

SCHEMA = json.loads((files("tflite_bench.reporting") / "schemas" / "compare.schema.json").read_text())
STEADY = LatencyStats(10.0, 10.0, 0.1, 9.9, 10.3, 9.95, 10.2, 9.99, 10.01)
SUMMARY = LatencyStats(None, 10.0, 1.0, 9.0, 12.0, None, None)


class Told:
    """A runner that returns what the test says."""

    def __init__(self, latency: LatencyStats | None = STEADY, **fields: Any) -> None:
        self.name = fields.pop("name", "told")
        kind = fields.pop("kind", "wall time")
        self.result = RunnerResult(self.name, kind, fields.pop("num_runs", 100), latency, **fields)

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        return self.result


@pytest.fixture
def document(model_path: Callable[[str], Path]) -> Callable[..., dict[str, Any]]:
    """Makes the JSON document of a run whose figures the test says."""

    def make(latency: LatencyStats | None = STEADY, *, model: str = "atan2", **fields: Any) -> dict[str, Any]:
        return json.loads(to_json(benchmark_document(run_benchmark(model_path(model), runner=Told(latency, **fields)))))

    return make


def scaled(factor: float, latency: LatencyStats = STEADY, **changes: Any) -> LatencyStats:
    values = {name: value * factor for name, value in vars(latency).items() if isinstance(value, float)}
    return LatencyStats(**(vars(latency) | values | changes))


def executed(instructions: int, code_bytes: int = 5000) -> dict[str, Any]:
    execution = Execution(instructions, (), True, 0, code_bytes, 1, 1, "cortex-m4", "kernels", "gcc")
    return {"kind": "instructions", "execution": execution, "num_runs": 1}


def test_a_growth_beyond_the_intervals_fails(document: Callable[..., dict[str, Any]]) -> None:
    # The intervals are 9.99 to 10.01, widened by the precision of 2 %: 9.79 to 10.21. Of 1.05: 10.28 to 10.72.
    result = compare(document(), document(scaled(1.05)))
    (change,) = result.changes
    assert (change.figure, change.kind, change.unit, change.beyond_noise, change.failed) == (
        "latency", "wall time", "ms", True, True,
    )  # fmt: skip
    assert change.share == pytest.approx(0.05)
    assert not result.passed


def test_a_figure_that_was_nothing_has_no_growth_in_percent_and_bytes_are_whole(
    document: Callable[..., dict[str, Any]],
) -> None:
    result = compare(document(**executed(1, code_bytes=0)), document(**executed(1_234_567, code_bytes=4)))
    assert {change.figure: change.share for change in result.changes}.items() >= {
        ("instructions", 1_234_566),
        ("code", math.inf),
    }
    for text in (comparison_text(result), comparison_markdown(result)):
        assert "1,234,567" in text
        assert "from nothing" in text
        assert "inf" not in text.replace("inference", "")


def test_a_growth_within_the_intervals_passes(document: Callable[..., dict[str, Any]]) -> None:
    result = compare(document(), document(scaled(1.03)))
    assert (result.passed, result.changes[0].beyond_noise) == (True, False)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_too_few_runs_are_neither_better_nor_worse_and_the_comparison_says_so(
    factor: float, document: Callable[..., dict[str, Any]]
) -> None:
    few = document(LatencyStats.from_samples([10.0 * factor]), num_runs=1)
    assert few["result"]["unavailable_reason"]["latency.ci95_low_ms"].startswith("1 of at least 5 inferences")
    for pair in ((document(), few), (few, document())):
        result = compare(*pair, [Rule("latency", 0.05)])
        (change,) = result.changes
        assert (change.beyond_noise, change.failed, result.passed) == (None, False, True)
        assert any("too few runs: expected 5 or more, received 1" in warning for warning in result.warnings)
        text = comparison_text(result)
        assert "within noise" not in text
        assert "too few runs" in text
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(to_json(comparison_document(result, ()))))


def test_a_gain_beyond_the_intervals_passes(document: Callable[..., dict[str, Any]]) -> None:
    result = compare(document(), document(scaled(0.9)))
    assert (result.passed, result.changes[0].beyond_noise) == (True, True)


@pytest.mark.parametrize(("factor", "passed"), [(1.05, True), (1.07, True), (1.11, False)])
def test_a_rule_tolerates_growth_up_to_its_limit(
    factor: float, passed: bool, document: Callable[..., dict[str, Any]]
) -> None:
    assert compare(document(), document(scaled(factor)), [read_rule("latency>10%")]).passed is passed


def test_unsteady_runs_fail_only_beyond_their_percentiles(document: Callable[..., dict[str, Any]]) -> None:
    wide = {"min_ms": 8.9, "p5_ms": 9.0, "p95_ms": 13.0, "max_ms": 13.5, "bimodal": True}
    result = compare(document(), document(scaled(1.1, **wide)))
    assert result.passed
    assert any("the second was not steady" in warning for warning in result.warnings)
    assert not compare(document(), document(scaled(1.5, drift=0.1))).passed


def test_without_single_inferences_the_interval_is_that_of_the_mean(document: Callable[..., dict[str, Any]]) -> None:
    # 1.96 x 1 ms / sqrt(100) = 0.196 ms on each side, and 2 % of precision: 10.4 is above, 12 is not reached by 11.
    assert compare(document(SUMMARY), document(scaled(1.0, SUMMARY, avg_ms=10.7))).passed
    assert not compare(document(SUMMARY), document(scaled(1.0, SUMMARY, avg_ms=10.9))).passed


def test_counts_repeat_exactly_so_any_growth_fails(document: Callable[..., dict[str, Any]]) -> None:
    before, after = document(None, **executed(1000)), document(None, **executed(1001))
    result = compare(before, after)
    assert [(change.figure, change.kind, change.failed) for change in result.changes] == [
        ("instructions", "instructions", True), ("code", "bytes", False),
    ]  # fmt: skip
    assert compare(before, after, [Rule("instructions", 0.001)]).passed
    assert compare(before, after, [Rule("code", 0.0)]).passed


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"name": "tflm"}, "different runners: received told and tflm"),
        ({"model": "two_in_two_out"}, "different models: received"),
        ({"latency": None, **executed(1000)}, "different kinds: received wall time and instructions"),
    ],
)
def test_different_models_runners_and_kinds_are_not_compared(
    other: dict[str, Any], message: str, document: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(document(), document(**other))


def test_a_rule_for_a_figure_that_is_not_there_is_refused(document: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match=r"cannot compare instructions: .* which have \['latency'\]"):
        compare(document(), document(), [Rule("instructions", 0.1)])


def test_two_rules_for_one_figure_are_refused(document: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match="expected one rule per figure, received latency, latency"):
        compare(document(), document(), [Rule("latency", 0.1), Rule("latency", 0.2)])


def test_results_without_a_figure_in_common_are_refused(document: Callable[..., dict[str, Any]]) -> None:
    estimate = Estimate(None, 0, ("CONV_2D",), None, None, "npu", "vela")
    empty = document(None, kind="compiler estimate", estimate=estimate)
    with pytest.raises(ConfigError, match="expected a figure in both results of told, received none"):
        compare(empty, empty)


@pytest.mark.parametrize(
    "text",
    [
        "latency",
        "latency>5",
        "speed>5%",
        "latency<5%",
        "latency>-1%",
        "latency>nan%",
        "latency>\u0665%",
        f"latency>{'9' * 400}%",
    ],
)
def test_a_text_that_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a rule such as 'latency>5%'"):
        read_rule(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a result of tflite-bench run, received no JSON: Expecting value"),
        ("[]", "received another document"),
        ('{"tool": "tflite-bench", "command": "inspect"}', "received another document"),
        ('{"tool": "tflite-bench", "command": "run", "schema_version": 9}', "of schema version 1; measure again"),
        (
            '{"tool": "tflite-bench", "command": "run", "schema_version": 1, "result": {}, "kinds": {}}',
            "without 'kind'",
        ),
        ('{"tool": "tflite-bench", "command": "run", "schema_version": 1, "result": 3, "kinds": {}}', "a damaged one"),
        ('{"tool": NaN}', "received no JSON: it has no number NaN"),
        ("[" * 100_000, "received no JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_file_that_is_no_result_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_document(tmp_path / "result.json")


MISSING = object()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("machine", "cpu"), MISSING, "one without 'cpu'"),
        (("result", "model", "sha256"), MISSING, "one without 'sha256'"),
        (("result", "latency", "p5_ms"), MISSING, "one without 'p5_ms'"),
        (("result", "latency", "ci95_high_ms"), MISSING, "one without 'ci95_high_ms'"),
        (("result", "note"), MISSING, "one without 'note'"),
        (("result", "runner"), ["told"], r"a damaged one \(its runner is no text\)"),
        (("result", "latency", "median_ms"), 10**400, "a damaged one"),
        (("result", "latency", "median_ms"), True, r"a damaged one \(expected a number, received True\)"),
        (("result", "latency", "median_ms"), -1.0, r"a damaged one \(expected 0 or more, received -1.0\)"),
        (("result", "latency", "median_ms"), "fast", "a damaged one"),
        (
            ("result", "latency", "median_ms"),
            100.0,
            r"a damaged one .expected latencies in order from min_ms to max_ms, received .*100.0",
        ),
        (
            ("result", "latency", "max_ms"),
            10.0,
            r"a damaged one .expected latencies in order from min_ms to max_ms, received .*10.01, 10.0",
        ),
        (
            ("result", "latency", "p5_ms"),
            1.0,
            r"a damaged one .expected latencies in order from min_ms to max_ms, received .9.9, 1.0",
        ),
        (("result", "num_runs"), 10**400, "a damaged one .expected a number of runs, received 1000"),
        (("result", "arena_bytes"), 100.5, "a damaged one .expected a whole number of B, received 100.5"),
        (("result", "plan", "precision"), None, "a damaged one"),
        (("result", "plan", "precision"), 5.0, "a damaged one .expected a precision between 0 and 1, received 5.0"),
        (("result", "plan", "precision"), -0.9, "a damaged one .expected a precision between 0 and 1, received -0.9"),
        (("result", "num_runs"), True, "a damaged one .expected a number of runs, received True"),
        (("result", "num_runs"), 6.5, "a damaged one .expected a number of runs, received 6.5"),
        (("result", "num_runs"), 0, "a damaged one .expected a number of runs, received 0"),
        (("result", "latency", "ci95_low_ms"), 10.02, "a damaged one .expected an interval of latencies, received"),
        (("result", "kind"), "bananas", "a damaged one .expected one of the kinds wall time, .*, received 'bananas'"),
        (("result", "model", "sha256"), "", "a damaged one .expected a sha256 of 64 digits, received ''"),
        (("machine",), 3, "a damaged one"),
    ],
)
def test_a_result_without_a_key_or_with_a_wrong_value_is_refused(
    keys: tuple[str, ...], value: Any, message: str, document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    damaged = document()
    inner = functools.reduce(operator.getitem, keys[:-1], damaged)
    if value is MISSING:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    path = tmp_path / "result.json"
    path.write_text(json.dumps(damaged))
    with pytest.raises(ConfigError, match=f"expected a result of tflite-bench run, received {message}"):
        read_document(path)


def test_a_number_without_end_a_negative_deviation_and_a_version_that_is_none_are_refused(
    document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document()).replace('"num_runs": 100', '"num_runs": 1e400'))
    with pytest.raises(ConfigError, match="expected a number of runs, received inf"):
        read_document(path)
    path.write_text(json.dumps(document(scaled(1.0, SUMMARY, std_ms=-1.0))))
    with pytest.raises(ConfigError, match=r"expected an interval of latencies, received one from 10\.\d+ to 9\.\d+ ms"):
        read_document(path)
    path.write_text(json.dumps({**document(), "schema_version": True}))
    with pytest.raises(ConfigError, match="expected a result of schema version 1"):
        read_document(path)


def test_a_figure_that_only_one_result_has_is_warned_of(document: Callable[..., dict[str, Any]]) -> None:
    both, latency = document(arena_bytes=1504), document()
    assert compare(both, both).warnings == ()
    assert compare(both, latency).warnings == ("only the first has a figure of arena: it is not compared",)
    assert compare(latency, both).warnings == ("only the second has a figure of arena: it is not compared",)


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({}, "expected results of tflite-bench run, received one without 'result'"),
        (None, "expected results of tflite-bench run, received a damaged one"),
        ("a.json", "expected results of tflite-bench run, received a damaged one"),
    ],
)
def test_what_is_no_document_is_not_compared(
    before: Any, message: str, document: Callable[..., dict[str, Any]]
) -> None:
    for pair in ((before, before), (before, document()), (document(), before)):
        with pytest.raises(ConfigError, match=message):
            compare(*pair)


def test_what_is_no_rule_is_named_and_a_path_may_be_text(
    document: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text(json.dumps(document()))
    read = read_document(str(tmp_path / "result.json"))
    with pytest.raises(ConfigError, match="expected rules that read_rule returns, received 'latency>5%'"):
        compare(read, read, ["latency>5%"])


def test_the_document_follows_the_schema_and_the_text_names_the_verdict(
    document: Callable[..., dict[str, Any]],
) -> None:
    rules = [Rule("latency", 0.01)]
    result = compare(document(), document(scaled(1.2), num_threads=4), rules)
    jsonschema.validate(json.loads(to_json(comparison_document(result, rules))), SCHEMA)
    text = comparison_text(result)
    assert "WORSE" in text
    assert "+20.0%" in text
    assert "the two differ in threads: 1 and 4" in text


def test_a_name_from_a_file_is_shown_as_it_is_and_steers_no_terminal(document: Callable[..., dict[str, Any]]) -> None:
    odd = document(name="[red]a\n\x1b[31mb")
    assert "[red]a [31mb" in comparison_text(compare(odd, odd))
