"""JSON documents of the commands of `tflite-bench`; their schemas are in `schemas/`."""

from collections.abc import Sequence
from typing import Any

from tflite_bench.benchmark import Benchmark
from tflite_bench.calibration.calibrate import Calibration
from tflite_bench.comparison import Comparison, Rule
from tflite_bench.measurement.environment import PACKAGES
from tflite_bench.measurement.power_series import Energy
from tflite_bench.model.info import ModelInfo
from tflite_bench.reporting.envelope import Tool, make_document, to_plain
from tflite_bench.reporting.model_contents import contents_of
from tflite_bench.runners.figures import kinds_of
from tflite_bench.runners.spec import Device

TFLITE_BENCH = Tool("tflite-bench", 1, PACKAGES)


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


def energy_document(energy: Energy) -> dict[str, Any]:
    """Return the energy of a series as plain data; `schemas/energy.schema.json` describes it."""
    return make_document(TFLITE_BENCH, "energy", energy)
