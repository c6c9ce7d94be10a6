"""The TFLM runner, on real models in the real interpreter."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm
from tflite_bench.runners.tflm import TFLMRunner

pytestmark = pytest.mark.skipif(not tflm.is_installed(), reason="tflite-micro has wheels for Linux x86_64 only")

X = np.array([[1, 2, 3, 4]], np.float32)


def samples_of(content: bytes, count: int) -> np.ndarray:
    return np.concatenate([random_inputs(read_model(content), seed=seed)[0] for seed in range(count)])


def test_outputs_are_those_of_litert_up_to_the_rounding_of_the_dense_layer(
    model_bytes: Callable[[str], bytes],
) -> None:
    content = model_bytes("residual_int8")
    samples = samples_of(content, 50)
    here = tflm.run_outputs(content, samples)
    there = litert.run_outputs(content, samples, reference_kernels=True)
    assert (here.shape, here.dtype) == ((50, 5), np.int8)
    assert np.abs(here.astype(int) - there).max() <= 1  # one FULLY_CONNECTED


def test_float_outputs_are_those_of_litert(model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_float")
    samples = samples_of(content, 5)
    there = litert.run_outputs(content, samples, reference_kernels=True)
    np.testing.assert_allclose(tflm.run_outputs(content, samples), there, rtol=1e-5, atol=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mlperf_kws_ref_model", "mlperf_pretrainedResnet_quant", "tflm_mnist_lstm_int8"])
def test_outputs_of_models_of_others_are_bit_for_bit_those_of_litert(name: str, shared_path: Path) -> None:
    content = (shared_path / "models" / f"{name}.tflite").read_bytes()
    samples = samples_of(content, 5)
    there = litert.run_outputs(content, samples, reference_kernels=True)
    np.testing.assert_array_equal(tflm.run_outputs(content, samples), there)


def test_the_activations_of_the_arena_are_the_largest_sum_of_live_tensors(
    model_bytes: Callable[[str], bytes],
) -> None:
    arena = tflm.measure_arena(model_bytes("residual_int8"))
    # While the second convolution runs, three tensors of 6x4x8 live: its input, its output, and the other branch.
    assert arena.nonpersistent_bytes == 3 * 6 * 4 * 8
    assert arena.arena_bytes == arena.persistent_bytes + arena.nonpersistent_bytes
    assert arena.minimum_bytes is None


def test_the_model_runs_in_the_smallest_arena_and_in_none_below(model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_int8")
    sample = samples_of(content, 1)
    smallest = tflm.measure_arena(content, minimum=True).minimum_bytes
    assert smallest is not None
    assert tflm.run_outputs(content, sample, arena_bytes=smallest).shape == (1, 5)
    with pytest.raises(RunnerError, match=f"an arena of {smallest - 1} B is too small for this model"):
        tflm.run_outputs(content, sample, arena_bytes=smallest - 1)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "persistent_bytes", "nonpersistent_bytes"),
    [
        ("mlperf_kws_ref_model", 8_272, 16_000),
        ("mlperf_pretrainedResnet_quant", 6_832, 49_152),
        ("tflm_person_detect", 29_968, 55_296),
    ],
)
def test_arenas_of_models_of_others(
    name: str, persistent_bytes: int, nonpersistent_bytes: int, shared_path: Path
) -> None:
    arena = tflm.measure_arena((shared_path / "models" / f"{name}.tflite").read_bytes())
    assert (arena.persistent_bytes, arena.nonpersistent_bytes) == (persistent_bytes, nonpersistent_bytes)


@pytest.mark.shared
def test_a_kernel_that_crashes_in_a_small_arena_does_not_end_the_search(shared_path: Path) -> None:
    content = (shared_path / "models" / "tflm_keyword_scrambled_8bit.tflite").read_bytes()
    arena = tflm.measure_arena(content, minimum=True)
    assert arena.minimum_bytes is not None
    assert arena.minimum_bytes >= arena.arena_bytes


def test_an_arena_that_crashes_the_interpreter_is_refused_before(model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_int8")
    with pytest.raises(ConfigError, match="expected an arena of 512 B or more, received 64"):
        tflm.run_outputs(content, samples_of(content, 1), arena_bytes=64)


def test_an_operator_that_tflm_lacks_is_named(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match="TFLM has no kernel for the operator ATAN2"):
        tflm.run_outputs(model_bytes("atan2"), X)


def test_a_model_with_float_activations_and_int8_weights_is_refused(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match="quantize it fully"):
        tflm.measure_arena(model_bytes("dense_hybrid"))


def test_a_model_that_never_ends_is_stopped(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match="did not end within 2 s"):
        tflm.run_outputs(model_bytes("endless_loop"), X, time_limit_s=2)


@pytest.mark.parametrize(
    ("name", "missing"), [("atan2", ("ATAN2",)), ("residual_int8", ()), ("endless_loop", ()), ("dense_hybrid", ())]
)
def test_missing_operators_are_listed(name: str, missing: tuple[str, ...], model_bytes: Callable[[str], bytes]) -> None:
    assert tflm.missing_ops(read_model(model_bytes(name))) == missing


def test_without_the_wheel_the_error_says_what_to_install(
    model_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)  # how Python marks a module that cannot be imported
    with pytest.raises(RuntimeMissingError, match="pip install 'tflite-micro"):
        tflm.measure_arena(model_bytes("residual_int8"))


def test_the_benchmark_says_that_its_times_mean_nothing_for_a_board(model_bytes: Callable[[str], bytes]) -> None:
    result = TFLMRunner(minimum_arena=False).benchmark(model_bytes("residual_int8"), Plan(num_runs=20))
    assert "say nothing about any microcontroller" in result.note
    assert (result.runner, result.num_runs, result.arena_nonpersistent_bytes) == ("tflm", 20, 576)
    assert result.arena_minimum_bytes is None
    assert result.unavailable_reason["arena_minimum_bytes"] == "the search for it was switched off"


def test_a_benchmark_that_the_time_limit_cut_short_says_so(model_bytes: Callable[[str], bytes]) -> None:
    plan = Plan(num_runs=10**9, time_limit_s=0.2)
    result = TFLMRunner(minimum_arena=False).benchmark(model_bytes("residual_int8"), plan)
    assert 0 < result.num_runs < 10**9
    assert result.note.endswith("stopped by the time limit of 0.2 s, the number of 1,000,000,000 runs was not reached")
