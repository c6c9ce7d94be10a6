"""Operators that TFLM lacks or computes wrongly become others, which compute the same."""

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.cost.refusals import find_refusals
from kd_edge.ir.lowering import lower
from kd_edge.verification.tflm_run import run_micro
from tflite_bench.model.quantized_values import dequantize, quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm

L = keras.layers
SAMPLES = 3 * np.random.default_rng(0).normal(size=(40, 6, 8)).astype("float32")


def joined(x):
    return L.Concatenate()([L.Dense(8)(x), L.Dense(4)(x)])


def pooled(x):
    return L.GlobalMaxPooling1D()(L.Dense(8)(x))


def alone(x):
    return x


def widened(x):
    return L.Concatenate()([x, L.Rescaling(4.0)(L.Dense(4)(x))])


def made(before, after=alone):
    keras.utils.set_random_seed(1)
    source = keras.Input((6, 8))
    return keras.Model(source, after(L.ReLU(6.0)(before(source))))


def error_of(content, model, run):
    """Root of the mean squared difference, over the standard deviation of what the model says."""
    info, wanted = read_model(content), model.predict(SAMPLES, verbose=0)
    given = dequantize(run(content, quantize(SAMPLES, info.input_tensors[0])), info.output_tensors[0])
    return np.sqrt(np.mean((given.reshape(wanted.shape) - wanted) ** 2)) / wanted.std()


@pytest.mark.parametrize(("before", "mode"), [(joined, "int8"), (pooled, "int8"), (joined, "int16x8")])
def test_a_relu6_of_its_own_computes_the_same_in_both_runtimes(before, mode):
    model = made(before)
    content = convert(model, SAMPLES, quantize=mode)
    assert "RELU6" not in [op.name for op in read_model(content).ops]
    assert model.predict(SAMPLES, verbose=0).max() == 6.0
    for run in (litert.run_outputs, tflm.run_outputs):
        assert error_of(content, model, run) < 0.04


def test_the_graph_of_a_model_has_the_operator_of_the_file():
    model = made(pooled)
    content = convert(model, SAMPLES)
    assert [op.kind for op in lower(model).ops] == [op.name for op in read_model(content).ops]


def test_in_floats_it_stays():
    assert "RELU6" in [op.name for op in read_model(convert(made(joined), quantize="none")).ops]


def test_one_that_shares_a_wide_scale_is_refused_for_tflm_which_computes_it_wrongly():
    wide = made(joined, widened)
    content = convert(wide, SAMPLES)
    (refusal,) = find_refusals(content)
    assert (refusal.op, refusal.reason[:40]) == ("RELU6", "TFLM runs it and computes wrong numbers,")
    assert find_refusals(content, runs_tflm=False) == ()
    assert error_of(content, wide, litert.run_outputs) < 0.05 < 0.2 < error_of(content, wide, tflm.run_outputs)


def test_tflm_is_told_to_refuse_it_although_it_ran():
    content = convert(made(joined, widened), SAMPLES)
    info = read_model(content)
    micro = run_micro(content, info, quantize(SAMPLES, info.input_tensors[0]))
    assert micro.outputs is not None
    assert [refusal.op for refusal in micro.refusals] == ["RELU6"]


def test_a_loop_that_keeps_every_step_is_refused_in_floats_and_unrolled_in_int8():
    source = keras.Input((6, 8))
    model = keras.Model(source, L.SimpleRNN(3, return_sequences=True)(source))
    loop = convert(model, quantize="none")
    assert {refusal.op for refusal in find_refusals(loop)} == {"SLICE"}
    assert error_of(loop, model, tflm.run_outputs) > 0.5 > 0.01 > error_of(loop, model, litert.run_outputs)
    content = convert(model, SAMPLES)
    assert find_refusals(content) == ()
    assert error_of(content, model, tflm.run_outputs) < 0.1
