"""Networks made without TensorFlow, as the real runtimes see them."""

import numpy as np
import pytest

from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm


def every_op(dtype: str) -> SyntheticNetwork:
    network = SyntheticNetwork((12, 8, 3), dtype=dtype)
    network.conv(8, (3, 5), stride=2)
    branch = network.depthwise(3)
    network.conv(8, 1)
    network.add(branch)
    network.pool(2, kind="MAX")
    network.pool()
    network.dense(16, relu=True)
    network.dense(5)
    network.softmax()
    return network


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_operators_are_those_that_were_added(dtype: str) -> None:
    model = read_model(every_op(dtype).to_bytes())
    assert [op.name for op in model.ops] == [
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE",
        "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    assert [tensor.shape for tensor in model.input_tensors + model.output_tensors] == [(1, 12, 8, 3), (1, 5)]
    assert {tensor.dtype for tensor in model.input_tensors + model.output_tensors} == {dtype}


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_litert_computes_outputs_that_depend_on_the_input_and_do_not_saturate(dtype: str) -> None:
    network = SyntheticNetwork((16, 16, 8), dtype=dtype)
    for _ in range(6):
        network.conv(16, 3)
    network.pool()
    network.dense(10)
    content = network.to_bytes()
    samples = np.concatenate([random_inputs(read_model(content), seed=seed)[0] for seed in range(8)])
    outputs = litert.run_outputs(content, samples)
    assert outputs.shape == (8, 10)
    assert np.isfinite(outputs).all()
    assert (outputs.astype(float).std(axis=0) > 0).any()
    if dtype == "int8":
        assert np.abs(outputs.astype(int)).max() < 127


@pytest.mark.skipif(not tflm.is_installed(), reason="tflite-micro has wheels for Linux x86_64 only")
def test_tflm_computes_the_same_as_litert() -> None:
    content = every_op("int8").to_bytes()
    sample = random_inputs(read_model(content))[0]
    there = litert.run_outputs(content, sample, reference_kernels=True).astype(int)
    assert np.abs(tflm.run_outputs(content, sample) - there).max() <= 2  # two FULLY_CONNECTED


def test_a_seed_makes_the_same_file_again() -> None:
    first, again, other = (SyntheticNetwork((8,), seed=seed) for seed in (1, 1, 2))
    for network in (first, again, other):
        network.dense(4)
    assert first.to_bytes() == again.to_bytes() != other.to_bytes()
