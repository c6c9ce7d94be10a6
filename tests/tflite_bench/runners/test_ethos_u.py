"""Vela's estimate for Arm's Ethos-U, from the real compiler."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tflite_bench import run_benchmark
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.reporting.documents import benchmark_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import benchmark_text
from tflite_bench.runners import ethos_u
from tflite_bench.runners.ethos_u import EthosURunner

pytestmark = pytest.mark.skipif(not ethos_u.is_installed(), reason="ethos-u-vela is not installed")


def test_a_quantized_model_runs_on_the_npu(model_bytes: Callable[[str], bytes]) -> None:
    result = EthosURunner().benchmark(model_bytes("residual_int8"), Plan())
    assert (result.kind, result.latency, result.runner) == ("compiler estimate", None, "ethos-u:ethos-u55-128")
    estimate = result.estimate
    assert estimate is not None
    assert (estimate.num_npu_ops, estimate.cpu_ops) == (6, ())
    assert estimate.latency_ms is not None
    # 8,680 MACs at 128 per cycle and 500 MHz cannot take less.
    assert estimate.latency_ms >= 8680 / 128 / 500e6 * 1e3
    assert "not measured" in result.note
    assert "Ethos_U55_128, 500 MHz" in estimate.accelerator


def test_a_larger_accelerator_is_expected_to_be_faster() -> None:
    network = SyntheticNetwork((32, 32, 16))
    network.conv(64, 3)
    small, large = (
        EthosURunner(f"ethos-u55-{macs}").benchmark(network.to_bytes(), Plan()).estimate for macs in (32, 256)
    )
    assert small is not None
    assert large is not None
    assert small.latency_ms > large.latency_ms


def test_constants_that_vela_puts_into_dram_are_a_figure_of_their_own_and_flash_is_not_known() -> None:
    network = SyntheticNetwork((32, 32, 16))
    network.conv(64, 3)
    content = network.to_bytes()
    flash, dram = (EthosURunner(f"ethos-{name}").benchmark(content, Plan()) for name in ("u55-256", "u65-256"))
    assert flash.estimate is not None
    assert dram.estimate is not None
    # 64 kernels of 3 x 3 x 16 random weights, which Vela compresses.
    assert flash.estimate.flash_bytes > 64 * 3 * 3 * 16 / 2
    assert (flash.estimate.dram_bytes, dram.estimate.flash_bytes) == (None, None)
    assert dram.estimate.dram_bytes > 64 * 3 * 3 * 16 / 2
    assert "Shared_Sram has constants and commands in flash" in flash.unavailable_reason["estimate.dram_bytes"]
    assert "Dedicated_Sram_384KB has constants and commands in DRAM" in dram.unavailable_reason["estimate.flash_bytes"]
    assert "estimate.dram_bytes" not in dram.unavailable_reason


def test_working_memory_beyond_the_sram_is_counted_in_dram() -> None:
    network = SyntheticNetwork((128, 128, 16))
    network.conv(64, 3)  # its output alone has 128 x 128 x 64 bytes
    estimate = EthosURunner("ethos-u65-256").benchmark(network.to_bytes(), Plan()).estimate
    assert estimate is not None
    assert estimate.sram_bytes <= 384 * 1024
    assert estimate.sram_bytes + estimate.dram_bytes >= 128 * 128 * 64


def test_a_float_model_is_not_on_the_npu_and_has_no_time(model_bytes: Callable[[str], bytes]) -> None:
    result = EthosURunner().benchmark(model_bytes("residual_float"), Plan())
    estimate = result.estimate
    assert estimate is not None
    assert (estimate.latency_ms, estimate.num_npu_ops, estimate.sram_bytes) == (None, 0, None)
    assert estimate.cpu_ops == (
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "AVERAGE_POOL_2D", "FULLY_CONNECTED",
    )  # fmt: skip
    assert "not on the NPU" in result.note
    for name in ("latency_ms", "sram_bytes", "flash_bytes", "dram_bytes"):
        assert "not on the NPU" in result.unavailable_reason[f"estimate.{name}"]


@pytest.mark.parametrize("name", ["residual_int8", "residual_float"])
def test_the_document_follows_the_schema_and_no_estimate_is_shown_as_a_measurement(
    name: str, model_path: Callable[[str], Path]
) -> None:
    benchmark = run_benchmark(model_path(name), runner="ethos-u")
    document = json.loads(to_json(benchmark_document(benchmark)))
    jsonschema.validate(
        document, json.loads((files("tflite_bench.reporting") / "schemas/benchmark.schema.json").read_text())
    )
    sizes = {"estimate.sram_bytes": "bytes", "estimate.flash_bytes": "bytes"}
    figures = {} if "float" in name else {"estimate.latency_ms": "compiler estimate"} | sizes
    assert document["kinds"] == figures
    had = {place: kind for place, kind in document["provenance"].items() if place.startswith("estimate.")}
    assert had == dict.fromkeys((*figures, "estimate.num_npu_ops"), "computed")
    text = benchmark_text(benchmark)
    assert ("not on the NPU" if "float" in name else "ms (an estimate)") in text
    assert "median" not in text


def test_an_accelerator_that_vela_does_not_know_is_an_error(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match=r"Vela cannot compile the model \(ended with exit status 2\): .*ethos-u99"):
        EthosURunner("ethos-u99").benchmark(model_bytes("atan2"), Plan())


def test_without_vela_the_error_says_what_to_install(
    model_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not ethos_u.is_installed()
    with pytest.raises(RuntimeMissingError, match=r"pip install 'kd-edge\[ethos-u\]'"):
        EthosURunner().benchmark(model_bytes("atan2"), Plan())
