"""Graphs of models with layers without rules: those of the file that `convert` makes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kd_edge.conversion.converter import convert
from kd_edge.cost.devices import load_device
from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.cost.model import CostModel
from kd_edge.cost.refusals import find_refusals
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import lower
from tflite_bench.runners.tflm import measure_arena


def embedded():
    source = keras.Input((12,), dtype="int32")
    value = layers.Conv1D(6, 3, activation="relu")(layers.Embedding(50, 8)(source))
    return keras.Model(source, layers.Dense(3)(layers.GlobalMaxPooling1D()(value)))


def repeated():
    return keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.RepeatVector(5), layers.Conv1D(3, 2)])


def gated():
    return keras.Sequential([keras.Input((5, 4)), layers.GRU(3), layers.Dense(2)])


def two_inputs():
    left, right = keras.Input((8,), name="z"), keras.Input((4,), name="a")
    value = ops.abs(layers.Concatenate()([layers.Dense(3)(left), layers.Dense(3)(right)]))
    return keras.Model([left, right], [layers.Dense(2)(value), layers.Dense(5)(value)])


@pytest.mark.parametrize("build", [embedded, repeated, gated, two_inputs])
def test_the_graph_is_that_of_the_file_and_its_arena_the_interpreters(build):
    model, rng = build(), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    samples = [
        rng.integers(0, 50, (8, 12)) if build is embedded else rng.normal(size=(8, *source.shape[1:]))
        for source in model.inputs
    ]
    content = convert(model, samples if len(samples) > 1 else samples[0])
    graph, real = lower(model), measure_arena(content)
    assert graph.canonical() == lower(content).canonical()
    predicted = arena_bytes(graph, pointer_bytes=8)
    assert predicted.nonpersistent_bytes == real.nonpersistent_bytes
    assert predicted.persistent_bytes == real.persistent_bytes
    assert not find_refusals(content)


def test_what_tflm_refuses_inside_of_a_loop_is_told_before_there_is_a_file():
    model = keras.Sequential([keras.Input((150, 4)), layers.LSTM(4, activation="gelu"), layers.Dense(2)])
    refusals = find_refusals(convert(model, quantize="none"))
    assert [(refusal.op, refusal.subgraph) for refusal in refusals] == [("GELU", 2)] * 2
    graph = lower(model)  # more than 128 steps stay a loop
    assert CostModel(load_device("nucleo-u575zi")).estimate_known(graph)[0].refusals == refusals
    assert CostModel(load_device("nucleo-u575zi-cube-ai")).estimate_known(graph)[0].refusals == ()


def test_what_the_converter_refuses_is_named_with_its_layer():
    pooled = layers.MaxPooling3D(name="pooled")
    model = keras.Sequential([keras.Input((6, 8, 8, 2)), pooled])
    with pytest.raises(
        ModelError, match=r"cannot read it either: TFLite has no operator for MaxPool3D \(layer 'pooled'"
    ):
        lower(model)
