"""Renders results as JSON documents; the schemas are in `schemas/`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tflite_bench.benchmark import Benchmark
from tflite_bench.calibration.calibrate import Calibration
from tflite_bench.comparison import Comparison, Rule
from tflite_bench.measurement.environment import read_machine, read_versions
from tflite_bench.model.reader import ModelInfo, TensorInfo
from tflite_bench.runners.discovery import Device

SCHEMA_VERSION = 1

ARENA_FIGURES = ("arena_bytes", "arena_persistent_bytes", "arena_nonpersistent_bytes", "arena_minimum_bytes")
# Figure: (what it is, how it was had). The generator of a firmware plans its workspace; its ELF file has the rest.
_FIGURES = {
    "latency": ("wall time", "measured"),
    "ops.latency_ms": ("wall time", "measured"),
    **dict.fromkeys((*ARENA_FIGURES, "memory_bytes"), ("bytes", "measured")),
    **dict.fromkeys(("execution.instructions", "execution.functions"), ("instructions", "measured")),
    **dict.fromkeys(("execution.code_bytes", "execution.constant_bytes"), ("bytes", "measured")),
    "execution.workspace_bytes": ("bytes", "computed"),
    "estimate.latency_ms": ("compiler estimate", "computed"),
    **dict.fromkeys(("estimate.sram_bytes", "estimate.flash_bytes"), ("bytes", "computed")),
}
_CALIBRATION = {
    "networks.measured_ms": "measured",
    **dict.fromkeys(("costs", "inference_ns", "blocks"), "calibrated"),
    **dict.fromkeys(("networks.predicted_ms", "mean_error", "error_percent"), "computed"),
}
_ELSEWHERE = {
    **dict.fromkeys(ARENA_FIGURES, "only TFLM has an arena (--on tflm)"),
    "memory_bytes": "only benchmark_model reports the memory of its process",
    "execution": "only an emulated processor counts instructions (--on qemu:m4)",
    "estimate": "only the compiler of an accelerator estimates (--on ethos-u)",
}


def benchmark_document(benchmark: Benchmark) -> dict[str, Any]:
    """Return a measurement as plain data; `schemas/benchmark.schema.json` describes it."""
    result = asdict(benchmark.result)
    model = {"size_bytes": benchmark.model.size_bytes, "sha256": benchmark.model.sha256}
    had = {name: facts for name, facts in _FIGURES.items() if _has(result, name)}
    reasons = {name: reason for name, reason in _ELSEWHERE.items() if not _has(result, name)}
    result["unavailable_reason"] = reasons | result["unavailable_reason"]
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": "tflite-bench",
        "command": "run",
        "created": benchmark.created,
        "versions": benchmark.versions,
        "machine": asdict(benchmark.machine),
        "seed": benchmark.plan.seed,
        "result": _finite({"model": model, "plan": benchmark.plan._asdict(), **result}),
        "kinds": {name: kind for name, (kind, _) in had.items()},
        "provenance": {name: provenance for name, (_, provenance) in had.items()},
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
    result = {
        "size_bytes": model.size_bytes,
        "sha256": model.sha256,
        "description": model.description,
        "schema_version": model.schema_version,
        "num_subgraphs": model.num_subgraphs,
        "metadata": model.metadata,
        "signatures": model.signatures,
        "inputs": model.inputs,
        "outputs": model.outputs,
        "constant_bytes": constant_bytes(model),
        "missing_ops_tflm": missing_ops,
        "ops": [asdict(op) for op in model.ops],
        "tensors": [_tensor_values(tensor) for tensor in model.tensors],
        "unavailable_reason": {} if missing_reason is None else {"missing_ops_tflm": missing_reason},
    }
    provenance = {"constant_bytes": "computed", "size_bytes": "measured"}
    return _document("inspect", _finite(result)) | {"provenance": provenance}


def comparison_document(comparison: Comparison, rules: Sequence[Rule]) -> dict[str, Any]:
    """Return a comparison as plain data; `schemas/compare.schema.json` describes it."""
    result = {**asdict(comparison), "passed": comparison.passed, "rules": [asdict(rule) for rule in rules]}
    return _document("compare", _finite(result))


def devices_document(devices: Sequence[Device]) -> dict[str, Any]:
    """Return a list of devices as plain data; `schemas/devices.schema.json` describes it."""
    return _document("devices", {"devices": [asdict(device) for device in devices]})


def calibration_document(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as plain data; `schemas/calibrate.schema.json` describes it."""
    return _document("calibrate", _finite(asdict(calibration))) | {"provenance": _CALIBRATION}


def constant_bytes(model: ModelInfo) -> int:
    """Return the bytes of all constants; a buffer that several tensors share counts once."""
    return sum({tensor.buffer: tensor.constant_bytes for tensor in model.tensors if tensor.constant}.values())


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON."""
    return json.dumps(document, indent=2, allow_nan=False)


def _document(command: str, result: Any) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": "tflite-bench",
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": read_versions(),
        "machine": asdict(read_machine()),
        "seed": None,
        "result": result,
        "provenance": {},
    }


def _has(result: Mapping[str, Any], name: str) -> bool:
    """Return whether a result has a figure; `"ops.latency_ms"` stands for all operators."""
    outer, _, inner = name.partition(".")
    part = result[outer]
    parts = part if outer == "ops" else [part]
    return any(item is not None and (not inner or item[inner] is not None) for item in parts)


def _tensor_values(tensor: TensorInfo) -> dict[str, Any]:
    names = [name for name in TensorInfo.__dataclass_fields__ if name != "data"]
    values = {name: getattr(tensor, name) for name in names}
    return values | {"constant": tensor.constant, "constant_bytes": tensor.constant_bytes}


def _finite(value: Any) -> Any:
    """Return plain data without nan and infinity, which JSON does not know and a model file may hold."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
