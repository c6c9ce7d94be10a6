"""run_benchmark() and its JSON document."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.errors import ConfigError, ModelFileError
from tflite_bench.measurement.timing import Plan
from tflite_bench.reporting.documents import benchmark_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import benchmark_text

SCHEMA = json.loads((files("tflite_bench.reporting") / "schemas" / "benchmark.schema.json").read_text())
FIGURES = ("latency", "arena_bytes", "arena_persistent_bytes", "arena_nonpersistent_bytes", "arena_minimum_bytes")


class Constant:
    name = "constant"

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        stats = LatencyStats.from_samples([1.0, 2.0, 3.0], seed=plan.seed)
        return RunnerResult("constant", "instructions", 3, stats, unavailable_reason=dict.fromkeys(FIGURES[1:], "no"))


@pytest.mark.parametrize("runner", ["litert", "tflm"])
def test_the_document_of_a_real_run_follows_the_schema(runner: str, model_path: Callable[[str], Path]) -> None:
    benchmark = run_benchmark(model_path("residual_int8"), runner=runner, num_runs=20, seed=3)
    document = json.loads(to_json(benchmark_document(benchmark)))
    jsonschema.validate(document, SCHEMA)
    result = document["result"]
    assert (document["command"], document["seed"], result["num_runs"]) == ("run", 3, 20)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["created"])
    assert document["versions"]["ai-edge-litert"]
    missing = {name for name in FIGURES if result[name] is None}
    assert missing <= result["unavailable_reason"].keys()
    had = {place: kind for place, kind in document["provenance"].items() if place.startswith(FIGURES)}
    assert {place.partition(".")[0] for place in had} == set(FIGURES) - missing
    assert set(had.values()) == {"measured"}
    latencies = {name for name, value in result["latency"].items() if isinstance(value, float)}
    assert {place.partition(".")[2] for place in had} - {""} == latencies
    assert {place for place, kind in document["provenance"].items() if kind == "given"} == {
        "num_threads", "ops[].index", *(f"plan.{name}" for name in ("precision", "num_runs", "time_limit_s", "seed")),
    }  # fmt: skip


def test_any_object_with_a_benchmark_method_is_a_runner(model_bytes: Callable[[str], bytes]) -> None:
    benchmark = run_benchmark(model_bytes("atan2"), runner=Constant())
    jsonschema.validate(json.loads(to_json(benchmark_document(benchmark))), SCHEMA)
    text = benchmark_text(benchmark)
    assert "constant: instructions" in text
    assert re.search(r"median +│ +2 ms", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": 0.0}, "expected a precision between 0 and 1"),
        ({"precision": 2.0}, "expected a precision between 0 and 1"),
        ({"num_runs": 0}, "expected num_runs of 1 or more"),
        ({"time_limit_s": 0.0}, "expected a time limit above 0 s"),
        ({"seed": -1}, "expected a seed of 0 or more"),
        ({"runner": "gpu"}, "unknown runner 'gpu': expected one of litert, tflm"),
    ],
)
def test_an_argument_out_of_range_is_refused(
    arguments: dict[str, object], message: str, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_benchmark(model_bytes("atan2"), **arguments)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.tflite"
    path.write_text("not a model at all")
    with pytest.raises(ModelFileError, match=r"cannot read .*some\.tflite: expected a \.tflite file"):
        run_benchmark(path)
