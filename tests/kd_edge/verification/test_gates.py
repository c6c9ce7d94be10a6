"""By how many steps the outputs of two runtimes may differ."""

import math

import keras
import numpy as np
import pytest

from kd_edge.conversion.converter import convert
from kd_edge.conversion.file_outputs import micro_outputs, reference_outputs
from kd_edge.cost.budget import Budget
from kd_edge.cost.gate import BROKEN, HOLDS, at_most
from kd_edge.verification.gates import gates_of
from kd_edge.verification.parity import Parity, compare
from kd_edge.verification.tflm_run import MeasuredSizes, Micro
from tflite_bench.model.quantized_values import quantize
from tflite_bench.model.reader import read_model
from tflite_bench.runners import tflm

X = np.random.default_rng(0).normal(size=(600, 16)).astype("f4")


def network(*ends):
    """Dense layers whose logits are far apart, each behind the same hidden one."""
    keras.utils.set_random_seed(0)
    source = keras.Input((16,))
    hidden = keras.layers.Dense(32, activation="relu")(source)
    wide = [keras.initializers.RandomNormal(stddev=1.0, seed=1 + place) for place in range(len(ends))]
    outputs = [
        keras.layers.Dense(4, activation=end, kernel_initializer=kernel)(hidden)
        for end, kernel in zip(ends, wide, strict=True)
    ]
    return keras.Model(source, outputs)


def output_steps(content, x=X):
    """The check of a file by what both runtimes answer."""
    info = read_model(content)
    samples = quantize(x, info.input_tensors[0])
    parity = compare(content, samples, reference_outputs(content, samples)[0], micro_outputs(content, samples))
    unknown = Micro(MeasuredSizes(len(content), None, None, None, None))
    limits = {"latency": at_most(None, None), "micro": unknown, "runs_tflm": True, "ram": at_most(0, 1)}
    return gates_of(info, Budget(10**6, 10**6), parity=parity, **limits)["output_steps"]


@pytest.mark.parametrize(("agreement", "verdict"), [(0.99, HOLDS), (0.98, BROKEN)])
def test_one_sample_of_a_hundred_may_be_answered_otherwise(agreement, verdict):
    parity = Parity("diverged", 100, 90, 0, 10, 2.0, agreement)
    unknown = Micro(MeasuredSizes(1, None, None, None, None))
    limits = {"latency": at_most(None, None), "micro": unknown, "runs_tflm": True, "ram": at_most(0, 1)}
    gates = gates_of(read_model(convert(network(None), X)), Budget(10**6, 10**6), parity=parity, **limits)
    assert gates["runtime_disagreement"].verdict == verdict
    assert gates["runtime_disagreement"].measured == pytest.approx(1 - agreement)


def step_of(content, kind):
    """A step of what an op of a kind reads."""
    info = read_model(content)
    return next(info.tensors[op.inputs[0]].scales[0] for op in info.ops if op.name == kind)


@pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")
def test_a_softmax_may_spread_a_step_of_its_logits_as_far_as_its_slope_does():
    plain, closed = (convert(network(end), X) for end in (None, "softmax"))
    assert output_steps(plain).limit == 2  # two dense layers
    found = output_steps(closed)
    # At most half a step of the logits, in steps of 1/256, for each of two dense layers.
    assert found.limit == 2 * math.ceil(step_of(closed, "SOFTMAX") / 2 * 256)
    assert 2 < found.measured <= found.limit
    assert found.verdict == HOLDS


@pytest.mark.skipif(not tflm.is_installed(), reason="needs tflite-micro")
def test_each_of_several_outputs_is_looked_at_wherever_its_last_op_is():
    model = network("sigmoid", None)
    shaped = keras.layers.Reshape((2, 2))(model.outputs[0])
    content = convert(keras.Model(model.inputs, [shaped, model.outputs[1]]), X)
    assert read_model(content).ops[-1].name != "LOGISTIC"
    assert output_steps(content, X[:4]).limit == 3 * math.ceil(step_of(content, "LOGISTIC") / 4 * 256)


def test_no_logits_that_differ_by_a_step_each_are_further_apart_than_the_slopes_say():
    rng = np.random.default_rng(0)
    logits, step = rng.normal(scale=3, size=(2000, 4)), 0.8
    others = logits + step * rng.choice([-1, 1], logits.shape)
    softmax = [np.exp(values) / np.exp(values).sum(axis=1, keepdims=True) for values in (logits, others)]
    sigmoid = [1 / (1 + np.exp(-values)) for values in (logits, others)]
    for answers, slope in ((softmax, 1 / 2), (sigmoid, 1 / 4)):
        apart = np.abs(answers[0] - answers[1]).max()
        assert 0.8 * step * slope < apart <= step * slope
