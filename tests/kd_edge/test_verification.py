"""Verification of a model against budget, float student and prediction, in the real runtimes."""

import keras
import numpy as np
import pytest

from kd_edge.budget import Budget
from kd_edge.conversion import convert
from kd_edge.data import load_data
from kd_edge.devices import load_device
from kd_edge.errors import ModelError
from kd_edge.space import StudentSpace
from kd_edge.verification import quantize, verify
from tflite_bench.errors import ModelFileError
from tflite_bench.model import TensorInfo, read_model

BOARD = load_device("nucleo-l4r5zi")
ROOMY = Budget(64_000, 32_000, 100.0)


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


@pytest.fixture(scope="module")
def student(data):
    keras.utils.set_random_seed(0)
    space = StudentSpace.family("ds_cnn", data.input_shape, data.num_classes)
    model = space.blueprint({name: options[1] for name, options in space.choices.items()}).to_keras()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def content(student, data):
    return convert(student, data.x_train)


@pytest.fixture(scope="module")
def checked(student, content, data):
    return verify(content, data, device=BOARD, budget=ROOMY, student=student)


def test_a_good_model_passes_every_gate(checked):
    assert checked.passed
    assert all(gate.passed for gate in checked.gates.values())


def test_the_figures_are_those_of_the_runtimes(checked, content, student, data):
    assert checked.measured.flash_bytes == len(content)
    scores = student.predict(data.x_test, verbose=0)
    assert checked.accuracy.float_keras == np.mean(scores.argmax(axis=1) == data.y_test)
    assert checked.parity.num_samples == len(data.x_test)
    assert checked.parity.max_difference <= 1
    assert sum(map(sum, checked.confusion)) == len(data.x_test)
    right = sum(row[i] for i, row in enumerate(checked.confusion))
    assert right / len(data.x_test) == checked.accuracy.int8_litert


def test_the_smallest_arena_that_works_is_not_smaller_than_the_activations(checked):
    assert checked.measured.arena_minimum_bytes > checked.measured.arena_nonpersistent_bytes
    assert checked.predicted_host_arena_bytes == pytest.approx(checked.measured.arena_bytes, abs=64)
    assert checked.predicted.arena_bytes < checked.measured.arena_bytes


@pytest.mark.parametrize(
    ("budget", "gate"),
    [
        (Budget(1000, 32_000), "flash_bytes"),
        (Budget(64_000, 1000), "ram_bytes"),
        (Budget(64_000, 32_000, 0.001), "latency_ms"),
    ],
)
def test_each_limit_of_the_budget_can_fail_the_model(content, data, budget, gate):
    result = verify(content, data, device=BOARD, budget=budget)
    assert not result.passed
    assert [name for name, checked in result.gates.items() if checked.passed is False] == [gate]


def test_a_loss_of_accuracy_fails_the_model(student, data):
    wrong = convert(student, data.x_train * 0.01)
    result = verify(wrong, data, device=BOARD, budget=ROOMY, student=student, max_accuracy_loss=0.0)
    assert result.gates["accuracy_loss"].passed is False


def test_what_was_not_given_is_not_checked_and_says_why(content, data):
    result = verify(content, data, device=BOARD, budget=Budget(64_000, 32_000))
    assert result.passed
    assert result.gates["latency_ms"].passed is None
    assert result.accuracy.float_keras is None
    assert "--student" in result.unavailable_reason["float_keras"]


def test_a_model_of_other_samples_or_classes_is_named(content, data, waves_npz):
    watch = load_data("watch")
    with pytest.raises(ModelError, match=r"the model reads samples of shape \(32, 3\), watch has \(128, 6\)"):
        verify(content, watch, device=BOARD, budget=ROOMY)
    other = keras.Sequential([keras.Input((32, 3)), keras.layers.Flatten(), keras.layers.Dense(9)])
    with pytest.raises(ModelError, match="the model has 9 outputs, waves has 4 classes"):
        verify(convert(other, data.x_train), data, device=BOARD, budget=ROOMY)


def test_bytes_that_are_no_model_are_named(data):
    with pytest.raises(ModelFileError):
        verify(b"no model at all", data, device=BOARD, budget=ROOMY)


def test_quantizing_rounds_to_the_nearest_step_and_saturates(content):
    tensor = read_model(content).input_tensors[0]
    assert isinstance(tensor, TensorInfo)
    scale, zero = np.float32(tensor.scales[0]), tensor.zero_points[0]
    steps = quantize(np.array([0.0, 1.4 * scale, 1e9, -1e9], "float32"), tensor)
    assert steps.tolist() == [zero, zero + 1, 127, -128]
