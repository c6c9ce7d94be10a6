"""make_document() and to_plain(): the envelope of both packages."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest

from tflite_bench.calibration.calibrate import Blocks, Calibration, Cost, Network
from tflite_bench.comparison import Change, Comparison, Rule
from tflite_bench.measurement.environment import read_machine
from tflite_bench.model.reader import read_model
from tflite_bench.provenance import Calibrated, Given, Measured
from tflite_bench.reporting.documents import calibration_document, comparison_document, devices_document, model_document
from tflite_bench.reporting.envelope import Tool, make_document, to_json, to_plain
from tflite_bench.runners.spec import Device

TOOL = Tool("some-tool", 7, {"numbers": "numpy", "absent": "no-such-distribution"})


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    title: str
    accuracy: Measured[float]
    interval: Measured[Interval]
    latency_ms: Calibrated[float | None]
    passed: bool = True


class Rendered:
    def to_dict(self) -> dict[str, object]:
        return {"limit": Limit(64)}


JUDGEMENT = Judgement("one", 0.5, Interval(0.25, float("inf")), 2.5)


@dataclass(frozen=True)
class Limit:
    ram_bytes: Given[int]


def schema(name: str) -> dict[str, object]:
    return json.loads((files("tflite_bench.reporting") / "schemas" / f"{name}.schema.json").read_text())


def test_frozen_values_become_plain_data_without_infinities() -> None:
    values = {"a": JUDGEMENT, 1: (Interval(1.0, float("nan")), [None, "text"]), "own": Rendered()}
    assert to_plain(values) == {
        "a": {"title": "one", "accuracy": 0.5, "interval": {"low": 0.25, "high": None}, "latency_ms": 2.5}
        | {"passed": True},
        "1": [{"low": 1.0, "high": None}, [None, "text"]],
        "own": {"limit": {"ram_bytes": 64}},
    }


def test_the_envelope_names_tool_versions_and_machine_and_how_each_figure_was_had() -> None:
    document = make_document(TOOL, "judge", {"limit": Limit(64)}, JUDGEMENT, seed=3)
    assert (document["schema_version"], document["tool"], document["command"]) == (7, "some-tool", "judge")
    assert document["versions"] == {"numbers": version("numpy"), "absent": None}
    assert document["machine"].keys() == {"cpu", "num_cores", "governor", "load_average", "system", "python"}
    assert document["machine"]["cpu"] == read_machine().cpu
    assert document["result"] == {"limit": {"ram_bytes": 64}, **to_plain(JUDGEMENT)}
    assert document["seed"] == 3
    assert document["provenance"] == {
        "limit.ram_bytes": "given",
        "accuracy": "measured",
        "interval.low": "measured",
        "interval.high": "measured",
        "latency_ms": "calibrated",
    }


def test_what_a_datasheet_predicts_is_computed() -> None:
    document = make_document(TOOL, "judge", JUDGEMENT, replaced={"calibrated": "computed"})
    assert document["provenance"]["latency_ms"] == "computed"


def test_a_figure_that_does_not_say_how_it_was_had_makes_no_document() -> None:
    with pytest.raises(TypeError, match=r"no provenance: expected dict\.size marked as"):
        make_document(TOOL, "judge", {"size": 3})


def test_an_inspection_tells_what_the_file_states_from_what_was_measured(model_path: Callable[[str], Path]) -> None:
    document = model_document(read_model(model_path("residual_int8")), missing_ops=())
    jsonschema.validate(json.loads(to_json(document)), schema("inspect"))
    kinds = document["provenance"]
    assert (kinds["size_bytes"], kinds["constant_bytes"], kinds["tensors[].scales"]) == (
        "measured",
        "computed",
        "given",
    )
    assert kinds["ops[].options.stride_h"] == "given"


def test_a_comparison_repeats_what_it_was_given_and_computes_the_growth() -> None:
    change = Change("latency", "wall time", "ms", 1.0, 2.0, 1.0, True, True)
    document = comparison_document(Comparison("litert", (change,), ()), [Rule("latency", 0.05)])
    jsonschema.validate(json.loads(to_json(document)), schema("compare"))
    assert document["result"]["passed"] is False
    assert document["provenance"] == {
        "changes[].before": "given",
        "changes[].after": "given",
        "changes[].share": "computed",
        "rules[].limit": "given",
    }


def test_a_list_of_devices_has_no_figures() -> None:
    document = devices_document([Device("tflm", True, "")])
    jsonschema.validate(document, schema("devices"))
    assert document["result"] == {"devices": [{"on": "tflm", "ready": True, "detail": ""}]}


def test_fitted_costs_are_calibrated_and_predictions_computed() -> None:
    costs = {"int8": {"conv": Cost(0.1, 0.2, 0.3, 0.4)}}
    networks = (Network("dense", "int8", 1.0, 1.25),)
    calibration = Calibration("exact", {}, costs, {"int8": 5.0}, {"int8": Blocks(8, 8, 16)}, networks, 0.25, 25.0)
    document = calibration_document(calibration)
    jsonschema.validate(json.loads(to_json(document)), schema("calibrate"))
    fitted = [f"costs.int8.conv.{name}" for name in ("ns_per_mac", "ns_per_byte", "ns_per_step", "fixed_ns")]
    fitted += ["inference_ns.int8", *(f"blocks.int8.{name}" for name in ("inputs", "filters", "depthwise", "window"))]
    computed = ("networks[].predicted_ms", "mean_error", "error_percent")
    assert document["provenance"] == {
        **dict.fromkeys(fitted, "calibrated"),
        **dict.fromkeys(computed, "computed"),
        "networks[].measured_ms": "measured",
    }
