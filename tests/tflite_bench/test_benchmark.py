"""run_benchmark() and its JSON document."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import ConfigError, ModelFileError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.writer import pack, unpack
from tflite_bench.reporting.documents import benchmark_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import benchmark_text, model_text

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


def test_at_which_size_a_model_without_a_fixed_one_was_measured_is_said() -> None:
    network = SyntheticNetwork((1, 1, 3), dtype="float32")
    network.conv(8, 3)
    content = network.to_bytes()
    model = unpack(content)
    (graph,) = model.subgraphs
    graph.tensors[graph.inputs[0]].shapeSignature = [-1, 1, 1, 3]
    assert "no fixed size" not in run_benchmark(pack(model), runner=Constant()).result.note
    graph.tensors[graph.inputs[0]].shapeSignature = [1, -1, -1, 3]
    benchmark = run_benchmark(pack(model), runner=Constant())
    assert "has no fixed size (1, any, any, 3): the figures are those of (1, 1, 1, 3)" in benchmark.result.note
    assert "(1, 1, 1, 3) of (1, any, any, 3)" in model_text(benchmark.model, missing_ops=())


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
