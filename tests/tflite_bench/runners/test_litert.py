"""The LiteRT runner, on real models."""

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from tflite_bench.errors import ConfigError, ModelFileError, RunnerError
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert
from tflite_bench.runners.litert import LiteRTRunner
from tflite_bench.runners.litert_interpreter import make_interpreter
from tools.networks.single_ops import CASES, signature, single_op

X = np.array([[1, 2, 3, 4], [0.5, 0, -1, 2]], np.float32)
Y = np.array([[2, 2, 2, 2], [4, 4, 4, 4]], np.float32)


def test_each_output_of_a_model_with_two_inputs_is_the_sum_or_the_product(
    model_bytes: Callable[[str], bytes],
) -> None:
    content = model_bytes("two_in_two_out")
    model = read_model(content)
    expected = {"ADD": X + Y, "MUL": X * Y}
    for position, index in enumerate(model.outputs):
        op = next(op for op in model.ops if index in op.outputs)
        np.testing.assert_array_equal(litert.run_outputs(content, [X, Y], output=position), expected[op.name])


def test_quantized_outputs_follow_the_float_model(model_bytes: Callable[[str], bytes]) -> None:
    quantized, floating = model_bytes("residual_int8"), model_bytes("residual_float")
    model = read_model(quantized)
    source, result = model.input_tensors[0], model.output_tensors[0]
    samples = np.random.default_rng(0).random((40, 12, 8, 3), np.float32)
    steps = np.round(samples / source.scales[0]) + source.zero_points[0]
    raw = litert.run_outputs(quantized, np.clip(steps, -128, 127).astype(np.int8), reference_kernels=True)
    assert (raw.shape, raw.dtype) == ((40, 5), np.int8)
    scores = (raw.astype(np.float32) - result.zero_points[0]) * result.scales[0]
    # The converter calibrated the output to 255 steps; a few of them are lost in six layers.
    assert np.abs(scores - litert.run_outputs(floating, samples)).max() < 8 * result.scales[0]


def repeated(op: str = "TILE", version: int = 3) -> bytes:
    """Four numbers, each twice, by an op of this version."""
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: tuple[int, ...], kind: int, buffer: int) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), kind, buffer
        return made

    types = schema.TensorType
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", (1, 4), types.FLOAT32, 0),
        tensor("times", (2,), types.INT32, 1),
        tensor("y", (1, 8), types.FLOAT32, 0),
    ]
    graph.inputs, graph.outputs = [0], [2]
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1], [2]
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, op)
    code.version = version
    graph.operators = [operator]
    empty, times = schema.BufferT(), schema.BufferT()
    times.data = list(np.array([1, 2], np.int32).tobytes())
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [empty, times]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_optimised_kernels_run_what_reference_kernels_lack_and_say_so(model_bytes: Callable[[str], bytes]) -> None:
    outputs, lack = litert.run_reference(repeated(), X)
    np.testing.assert_array_equal(outputs, np.tile(X, 2))
    assert lack is not None
    assert lack.startswith("LiteRT's reference kernels lack TILE of version 3: its optimised kernels were run")
    with pytest.raises(RunnerError, match=r"TILE.*version '3'"):
        litert.run_outputs(repeated(), X, reference_kernels=True)
    with pytest.raises(RunnerError, match=r"TILE.*version '99'"):
        litert.run_reference(repeated(version=99), X)
    content = model_bytes("residual_int8")
    samples = random_inputs(read_model(content))[0]
    outputs, lack = litert.run_reference(content, samples)
    assert lack is None
    np.testing.assert_array_equal(outputs, litert.run_outputs(content, samples, reference_kernels=True))


@pytest.mark.parametrize(("dtype", "most"), [("int8", 127), ("int16", 30_000)])
def test_integers_are_added_up_by_the_kernels_that_can(dtype: str, most: int) -> None:
    content = single_op(CASES["SUM"], signature(CASES["SUM"], dtype))
    samples = np.random.default_rng(0).integers(-most, most, (30, 4, 4, 4)).astype(dtype) // 16
    outputs, told = litert.run_reference(content, samples)
    np.testing.assert_array_equal(outputs, samples.sum(axis=(1, 2)).reshape(outputs.shape))
    assert told is not None
    assert told.startswith("LiteRT's reference kernels compute SUM of int8 and int16 wrongly: its optimised kernels")
    with pytest.raises(RunnerError, match="reference kernels compute SUM of int8 and int16 wrongly; use the optimised"):
        litert.run_outputs(content, samples, reference_kernels=True)


def test_the_reference_kernel_of_sums_is_still_wrong() -> None:
    """Once it is right, `sums_integers` can go."""
    content = single_op(CASES["SUM"], signature(CASES["SUM"], "int8"))
    interpreter = make_interpreter(content, "BUILTIN_REF")
    sample = np.random.default_rng(0).integers(-7, 8, (1, 4, 4, 4)).astype(np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
    interpreter.invoke()
    sums = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert (sums != sample.sum(axis=(1, 2))).any()


def test_samples_do_not_depend_on_their_neighbours(model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_int8")
    samples = np.concatenate([random_inputs(read_model(content), seed=seed)[0] for seed in range(4)])
    together = litert.run_outputs(content, samples, reference_kernels=True)
    reversed_order = litert.run_outputs(content, samples[::-1].copy(), reference_kernels=True)
    np.testing.assert_array_equal(together, reversed_order[::-1])


@pytest.mark.shared
def test_the_state_of_a_recurrent_model_is_reset_before_each_sample(shared_path: Path) -> None:
    content = (shared_path / "models" / "tflm_mnist_lstm_int8.tflite").read_bytes()
    sample = random_inputs(read_model(content))[0]
    outputs = litert.run_outputs(content, np.concatenate([sample, sample, sample]))
    np.testing.assert_array_equal(outputs, np.repeat(outputs[:1], 3, axis=0))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X, "expected 2 input arrays, received 1"),
        ([X, Y[:, :3]], r"expected an input of shape \(n, 4\) and type float32, received \(2, 3\) and float32"),
        ([X, Y.astype(np.float64)], "and type float32, received .* and float64"),
        ([X, Y[:1]], r"expected one or more samples, received \[2, 1\]"),
        ([X[:0], Y[:0]], r"expected one or more samples, received \[0, 0\]"),
    ],
)
def test_inputs_that_do_not_belong_to_the_model_are_named(
    inputs: object, message: str, model_bytes: Callable[[str], bytes]
) -> None:
    with pytest.raises(ConfigError, match=message):
        litert.run_outputs(model_bytes("two_in_two_out"), inputs)


def test_an_output_that_is_not_there_is_named(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(ConfigError, match="the model has 2 outputs, received output=2"):
        litert.run_outputs(model_bytes("two_in_two_out"), [X, Y], output=2)


def test_a_file_that_is_no_model_never_reaches_the_runtime() -> None:
    with pytest.raises(ModelFileError, match=r"expected a \.tflite file"):
        litert.run_outputs(b"no model at all", X)


def test_a_model_that_never_ends_is_stopped(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match="the runtime did not end within 2 s and was stopped"):
        litert.run_outputs(model_bytes("endless_loop"), X, time_limit_s=2)


@pytest.mark.shared
def test_a_model_that_crashes_the_runtime_is_an_error(shared_path: Path) -> None:
    content = (shared_path / "models" / "tflm_keyword_scrambled_8bit.tflite").read_bytes()
    with pytest.raises(RunnerError, match=r"the runtime was ended by SIG\w+; the model crashes this runtime"):
        litert.run_outputs(content, np.zeros((1, 96), np.int16))


@pytest.mark.shared
def test_a_model_that_the_runtime_refuses_is_an_error_with_its_reason(shared_path: Path) -> None:
    content = (shared_path / "models" / "tflm_person_detect.tflite").read_bytes()
    with pytest.raises(RunnerError, match=r"cannot run the model in LiteRT: .*quantized_dimension must be in range"):
        litert.run_outputs(content, np.zeros((1, 96, 96, 1), np.int8))


@pytest.mark.parametrize("xnnpack", [True, False])
def test_the_benchmark_measures_the_runs_it_was_asked_for(xnnpack: bool, model_bytes: Callable[[str], bytes]) -> None:
    runner = LiteRTRunner(num_threads=2, xnnpack=xnnpack)
    result = runner.benchmark(model_bytes("residual_int8"), Plan(num_runs=30))
    assert (result.runner, result.kind, result.num_runs, result.num_threads) == ("litert", "wall time", 30, 2)
    assert ("without XNNPACK" in result.note) is not xnnpack
    assert [op.op for op in result.ops] == [op.name for op in read_model(model_bytes("residual_int8")).ops]
    latency = result.latency
    assert latency is not None
    assert latency.init_ms is not None
    assert 0 < latency.min_ms <= latency.p5_ms <= latency.median_ms <= latency.p95_ms <= latency.max_ms
    assert latency.ci95_low_ms <= latency.median_ms <= latency.ci95_high_ms


def test_a_benchmark_that_the_time_limit_cut_short_says_so(model_bytes: Callable[[str], bytes]) -> None:
    plan = Plan(num_runs=10**9, time_limit_s=0.2)
    result = LiteRTRunner().benchmark(model_bytes("residual_int8"), plan)
    assert 0 < result.num_runs < 10**9
    assert "stopped by the time limit of 0.2 s" in result.note
