"""Files with several subgraphs, resource variables and loops, against the real interpreter."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from kd_edge.cost.memory.arena import arena_bytes
from kd_edge.ir.lowering import lower
from tflite_bench.model.reader import read_model
from tflite_bench.runners import litert, tflm
from tflite_bench.runners.tflm import measure_arena

ROW = tf.TensorSpec([1, 8], tf.float32)


class Stream(tf.Module):
    """A state that survives an inference, and two functions that share it."""

    def __init__(self):
        self.state = tf.Variable(tf.zeros([1, 8]))

    @tf.function(input_signature=[ROW])
    def step(self, x):
        self.state.assign(self.state * 0.5 + x)
        return tf.matmul(self.state, tf.ones([8, 4]))

    @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 3], tf.float32)])
    def image(self, x):
        return tf.nn.conv2d(x, tf.ones([3, 3, 3, 4]), 1, "SAME")


def converted(function, *specs):
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert()


def branches():
    return converted(
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: tf.matmul(x, tf.ones([8, 8]))), ROW
    )


def loop():
    weights = tf.constant(np.random.default_rng(0).random((8, 8), np.float32))
    return converted(
        lambda x: tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, tf.matmul(x, weights)), [0, x])[1], ROW
    )


def variables():
    model = Stream()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.step.get_concrete_function()], model)
    converter.experimental_enable_resource_variables = True
    return converter.convert()


def recurrent():
    model = keras.Sequential([keras.Input((10, 6), batch_size=1), keras.layers.GRU(5), keras.layers.Dense(3)])
    return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def signatures(folder):
    model = Stream()
    tf.saved_model.save(model, str(folder), signatures={"step": model.step, "image": model.image})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["step", "image"])
    converter.experimental_enable_resource_variables = True
    return converter.convert()


@pytest.mark.parametrize("make", [branches, loop, variables, recurrent])
def test_the_arena_is_that_of_tflm_to_the_byte(make):
    content = make()
    predicted, real = arena_bytes(lower(content), pointer_bytes=8), measure_arena(content, minimum=True)
    assert predicted.nonpersistent_bytes == real.nonpersistent_bytes
    assert predicted.arena_bytes == real.arena_bytes
    assert 0 <= predicted.needed_bytes - real.minimum_bytes <= 32


def test_no_sample_sees_what_a_variable_kept_of_the_one_before():
    content = variables()
    samples = np.random.default_rng(0).random((3, *read_model(content).input_tensors[0].shape[1:]), np.float32)
    alone = np.concatenate([litert.run_outputs(content, samples[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(litert.run_outputs(content, samples), alone)
    np.testing.assert_allclose(tflm.run_outputs(content, samples), alone, rtol=1e-5)


def test_every_signature_counts_in_the_arena(tmp_path):
    content = signatures(tmp_path)
    assert read_model(content).num_subgraphs > 1
    assert arena_bytes(lower(content), pointer_bytes=8).arena_bytes == measure_arena(content).arena_bytes


def test_a_loop_that_counts_to_a_constant_multiplies_the_macs_of_its_rounds():
    # Five products with an 8 x 8 matrix.
    assert lower(loop()).total_macs == 5 * 8 * 8
    # Ten steps of three gates, each a product with 6 inputs and 5 units; then a dense layer.
    assert lower(recurrent()).total_macs == 10 * 3 * 5 * (6 + 5) + 5 * 3


def test_of_two_branches_the_dearer_one_counts():
    assert lower(branches()).total_macs == 8 * 8


def test_the_macs_of_a_loop_that_ends_by_what_it_computes_are_unknown():
    weights = tf.ones([8, 8])
    content = converted(
        lambda x: tf.while_loop(lambda x: tf.reduce_sum(x) < 9.0, lambda x: (tf.matmul(x, weights),), [x])[0], ROW
    )
    graph = lower(content)
    assert graph.total_macs is None
    assert "only the inference shows how often a loop runs" in graph.unknown_macs
