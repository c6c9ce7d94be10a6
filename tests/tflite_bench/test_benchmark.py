"""run_benchmark() and its JSON document."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import ConfigError, ModelFileError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
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
        ({"num_runs": "5"}, "expected num_runs of 1 or more, a whole number, received '5'"),
        ({"num_runs": 2.5}, "expected num_runs of 1 or more, a whole number, received 2.5"),
        ({"num_runs": True}, "expected num_runs of 1 or more, a whole number, received True"),
        ({"precision": "2%"}, "expected a precision between 0 and 1, .* received '2%'"),
        ({"time_limit_s": None}, "expected a time limit above 0 s and up to a day, received None"),
        ({"seed": 1.5}, "expected a seed of 0 or more, a whole number, received 1.5"),
        ({"seed": None}, "expected a seed of 0 or more, a whole number, received None"),
        ({"runner": None}, "expected a runner, or the name of one, received NoneType"),
        ({"runner": object()}, "expected a runner, or the name of one, received object"),
        ({"runner": "gpu"}, "unknown runner 'gpu': expected one of litert, tflm"),
    ],
)
def test_an_argument_out_of_range_is_refused(
    arguments: dict[str, object], message: str, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_benchmark(model_bytes("atan2"), **arguments)


def test_numbers_of_numpy_are_numbers(model_bytes: Callable[[str], bytes]) -> None:
    numbers = {
        "num_runs": np.int64(5),
        "seed": np.uint8(3),
        "time_limit_s": np.float32(5),
        "precision": np.float64(0.1),
    }
    benchmark = run_benchmark(model_bytes("atan2"), runner=Constant(), **numbers)
    document = json.loads(to_json(benchmark_document(benchmark)))
    jsonschema.validate(document, SCHEMA)
    assert document["result"]["plan"] == {"num_runs": 5, "seed": 3, "time_limit_s": 5.0, "precision": 0.1}
    assert document["provenance"]["plan.num_runs"] == "given"


@pytest.mark.parametrize("model", [None, 5, True, memoryview(b"TFL3"), bytearray(8)])
def test_what_is_neither_a_path_nor_bytes_is_named(model: object) -> None:
    expected = f"expected the path or the bytes of a .tflite file, received {type(model).__name__}"
    for read in (run_benchmark, read_model):
        with pytest.raises(ConfigError, match=expected):
            read(model)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.tflite"
    path.write_text("not a model at all")
    with pytest.raises(ModelFileError, match=r"cannot read .*some\.tflite: expected a \.tflite file"):
        run_benchmark(path)
