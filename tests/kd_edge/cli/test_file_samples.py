"""Samples for a file are scaled and drawn as its metadata say."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.cli.file_samples import samples_of, seed_of
from kd_edge.conversion.metadata import add_metadata
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.errors import DataWarning, ModelError
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.model.reader import read_model

SCALED = {"input": {"meaning": "(value - mean) / deviation", "mean": [10.0, 20.0], "deviation": [2.0, 4.0]}}


@pytest.fixture
def described(tmp_path):
    """Writes a network for two numbers and two classes that says something of itself."""

    def write(description):
        network = SyntheticNetwork((2,))
        network.dense(2)
        path = tmp_path / "model.tflite"
        path.write_bytes(add_metadata(network.to_bytes(), description))
        return path

    return write


@pytest.fixture
def integers(tmp_path):
    """Samples of integers with a mean and deviation of their own."""
    x, y = np.arange(80).reshape(40, 2) + 100, np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x_train=x + 100, y_train=y, x_test=x, y_test=y)
    return tmp_path / "data.npz", x


@pytest.fixture
def table(tmp_path):
    """Forty rows, a fifth of which is drawn to test."""
    rows = [f"{i}.0,{2 * i}.0,{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y,label", *rows]))
    return tmp_path / "rows.csv"


def read(model, source, seed=0, *, normalize=None):
    return samples_of(model, str(source), normalize, seed, SourceOptions())


def test_samples_are_scaled_by_the_numbers_of_the_file_not_by_their_own(described, integers):
    path, x = integers
    data = read(described(SCALED), path)
    assert data.scale == ((10.0, 20.0), (2.0, 4.0))
    # The first sample is 100 and 101.
    assert data.x_test[0].tolist() == [45.0, 20.25]
    np.testing.assert_array_equal(data.x_test, ((x - [10, 20]) / [2, 4]).astype("float32"))


def test_one_number_of_the_file_scales_all_channels(described, integers):
    path, x = integers
    one = {"input": {"meaning": "(value - mean) / deviation", "mean": [10.0], "deviation": [2.0]}}
    data = read(described(one), path)
    assert data.scale == ((10.0,), (2.0,))
    np.testing.assert_array_equal(data.x_test, ((x - 10) / 2).astype("float32"))
    three = {"input": {"meaning": "(value - mean) / deviation", "mean": [1.0] * 3, "deviation": [2.0] * 3}}
    with pytest.raises(ModelError, match=r"expected 1 mean, or one for each channel .*\(1, 2\), received 3"):
        read(described(three), path)


def test_floats_are_scaled_by_the_numbers_of_the_file_too(described, table):
    data = read(described(SCALED), table)
    raw = load_data(table)
    np.testing.assert_array_equal(data.x_test, ((raw.x_test - [10, 20]) / [2, 4]).astype("float32"))


def test_what_the_user_says_of_the_scale_holds(described, integers):
    path, x = integers
    assert np.array_equal(read(described(SCALED), path, normalize=False).x_test, x)
    own = read(described(SCALED), path, normalize=True)
    assert abs(own.x_train.mean()) < 1e-5


def test_a_file_that_reads_raw_values_gets_them(described, integers):
    path, x = integers
    data = read(described({"input": {"meaning": "the values as they are"}}), path)
    assert data.scale is None
    assert np.array_equal(data.x_test, x)


def test_a_stock_file_of_unsigned_bytes_gets_the_pixels(tmp_path, integers):
    path, x = integers
    pixels = keras.Input(x.shape[1:], dtype="uint8")
    model = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Rescaling(1 / 255)(pixels)))
    file = tmp_path / "stock.tflite"
    file.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    assert read_model(file.read_bytes()).input_tensors[0].dtype == "uint8"
    data = read(file, path)
    assert data.scale is None
    assert np.array_equal(data.x_test, x)


def test_samples_are_drawn_by_the_seed_of_the_file_where_none_is_given(described, table):
    model = described({"provenance": {"seed": 7}})
    assert (seed_of(model, None), seed_of(model, 3)) == (7, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read(model, table, seed_of(model, None))
    assert np.array_equal(data.x_test, load_data(table, seed=7).x_test)
    assert [seed_of(described(said), None) for said in ({}, {"provenance": {"seed": "7"}})] == [0, 0]


def test_another_seed_than_that_of_the_file_is_warned_of_where_test_samples_are_drawn(described, table, integers):
    model = described({"provenance": {"seed": 7}})
    with pytest.warns(DataWarning, match=r"made with seed 7, and seed 0 draws other test samples.*take --seed 7"):
        read(model, table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(model, integers[0])  # the source says which samples test
