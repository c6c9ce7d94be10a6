"""JSON documents: one envelope for every command of both packages; the schemas of these are in `schemas/`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from tflite_bench.benchmark import Benchmark
from tflite_bench.calibration.calibrate import Calibration
from tflite_bench.comparison import Comparison, Rule
from tflite_bench.measurement.environment import PACKAGES, read_machine, read_versions
from tflite_bench.model.reader import ModelInfo
from tflite_bench.provenance import provenance_of, renders_itself
from tflite_bench.reporting.model_contents import contents_of
from tflite_bench.runners.figures import kinds_of
from tflite_bench.runners.spec import Device


@dataclass(frozen=True)
class Tool:
    """A command-line tool whose results are documents.

    Attributes:
        name: Its name.
        schema_version: Version of its documents' form.
        packages: Names of the packages that its results depend on, and of their distributions.
    """

    name: str
    schema_version: int
    packages: Mapping[str, str] = field(hash=False)


TFLITE_BENCH = Tool("tflite-bench", 1, PACKAGES)


def make_document(
    tool: Tool,
    command: str,
    *parts: Any,
    seed: int | None = None,
    replaced: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Return a command's result in the envelope that all commands share.

    Args:
        tool: Whose command it is.
        command: Its name.
        *parts: Frozen dataclasses, named tuples or mappings, whose fields together are the result. The types of the
            fields say how each figure was had.
        seed: The seed that the result belongs to.
        replaced: Kinds of provenance that mean another here: for a device that nobody measured,
            `{"calibrated": "computed"}`.

    Returns:
        Plain data: `schema_version`, `tool`, `command`, `created` (ISO 8601 with the zone), `versions`, `machine`,
        `seed`, `result`, and `provenance`, which names for every figure of the result how it was had.

    Raises:
        TypeError: The field of a figure does not say how it was had.
    """
    return {
        "schema_version": tool.schema_version,
        "tool": tool.name,
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": read_versions(tool.packages),
        "machine": to_plain(read_machine()),
        "seed": seed,
        "result": {name: value for part in parts for name, value in to_plain(part).items()},
        "provenance": {path: kind for part in parts for path, kind in provenance_of(part, replaced=replaced).items()},
    }


def to_plain(value: Any) -> Any:
    """Return a value as plain data: dataclasses, named tuples and mappings as objects, other sequences as lists.

    What has a method `to_dict` says itself what it is. nan and infinity, which JSON does not know and a model file may
    hold, become None.
    """
    if renders_itself(value):
        return to_plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if is_dataclass(value) or hasattr(value, "_fields"):
        names = [part.name for part in fields(value)] if is_dataclass(value) else value._fields
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, indent=2, allow_nan=False)


def benchmark_document(benchmark: Benchmark) -> dict[str, Any]:
    """Return a measurement as plain data; `schemas/benchmark.schema.json` describes it."""
    summary = benchmark.summary()
    return make_document(TFLITE_BENCH, "run", summary, seed=benchmark.plan.seed) | {
        "created": benchmark.created,
        "versions": benchmark.versions,
        "machine": to_plain(benchmark.machine),
        "kinds": kinds_of(summary),
    }


def model_document(
    model: ModelInfo, *, missing_ops: tuple[str, ...] | None, missing_reason: str | None = None
) -> dict[str, Any]:
    """Return what a model holds as plain data; `schemas/inspect.schema.json` describes it.

    Args:
        model: The model.
        missing_ops: Operators that TFLM has no kernel for; None if it could not be asked.
        missing_reason: Why it could not be asked.
    """
    reasons = {} if missing_reason is None else {"missing_ops_tflm": missing_reason}
    beside = {"missing_ops_tflm": missing_ops, "unavailable_reason": reasons}
    return make_document(TFLITE_BENCH, "inspect", contents_of(model), beside)


def comparison_document(comparison: Comparison, rules: Sequence[Rule]) -> dict[str, Any]:
    """Return a comparison as plain data; `schemas/compare.schema.json` describes it."""
    beside = {"passed": comparison.passed, "rules": tuple(rules)}
    return make_document(TFLITE_BENCH, "compare", comparison, beside)


def devices_document(devices: Sequence[Device]) -> dict[str, Any]:
    """Return a list of devices as plain data; `schemas/devices.schema.json` describes it."""
    return make_document(TFLITE_BENCH, "devices", {"devices": tuple(devices)})


def calibration_document(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as plain data; `schemas/calibrate.schema.json` describes it."""
    return make_document(TFLITE_BENCH, "calibrate", calibration)
