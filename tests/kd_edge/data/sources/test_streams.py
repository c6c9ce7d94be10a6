"""What a function of the user may return: tf.data, PyDataset and checked data sets."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.data import storage
from kd_edge.data.arrays import dataset_of
from kd_edge.data.loading import load_data
from kd_edge.data.options import SourceOptions
from kd_edge.data.sources import registry, streams
from kd_edge.data.sources.entry_point import SOURCE
from kd_edge.data.sources.registry import DataSource, register_source
from kd_edge.errors import ConfigError, DataError

X = np.arange(240, dtype=np.uint8).reshape(40, 3, 2)
Y = np.arange(40) % 4


class Pairs(keras.utils.PyDataset):
    """Batches of eight samples."""

    def __init__(self, size=8):
        super().__init__()
        self.size = size

    def __len__(self):
        return 40 // self.size

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return X[rows], Y[rows]


def sliced(x=X, y=Y):
    return tf.data.Dataset.from_tensor_slices((x, y))


@pytest.fixture
def loaded(monkeypatch):
    """Loads what a function returns."""
    module = type("Module", (), {})()
    monkeypatch.setitem(__import__("sys").modules, "my_streams", module)

    def load(result, **options):
        module.data = lambda: result
        return load_data("my_streams:data", normalize=False, **options)

    return load


@pytest.mark.parametrize("train", [sliced().batch(7), sliced(), Pairs()])
def test_streams_are_read_in_their_order_and_bytes_stay_bytes(loaded, train):
    data = loaded({"train": train, "val": sliced().take(8).batch(4), "test": Pairs()})
    assert np.array_equal(data.x_train, X)
    assert np.array_equal(data.y_train, Y)
    assert data.x_train.dtype == np.uint8
    assert (len(data.x_val), len(data.x_test)) == (8, 40)
    drawn = loaded((train, Pairs()))
    assert (len(drawn.x_train), len(drawn.x_val)) == (34, 6)
    assert np.array_equal(loaded((train, Pairs(), Pairs())).x_val, X)


def test_larger_streams_go_to_a_file(loaded, monkeypatch):
    monkeypatch.setattr(streams, "MAPPED_BYTES", 50)
    monkeypatch.setattr(storage, "MAPPED_BYTES", 50)
    data = loaded((sliced().batch(8), Pairs()))
    assert isinstance(data.x_train, np.memmap)
    assert np.array_equal(data.x_test, X)
    order = data.x_train[:, 0, 0].astype(int) // 6
    assert np.array_equal(data.x_train, X[order])
    assert np.array_equal(data.y_train, Y[order])
    scaled = load_data("my_streams:data")
    assert isinstance(scaled.x_train, np.memmap)
    mean, deviation = data.x_train.mean((0, 1)), data.x_train.std((0, 1))
    np.testing.assert_allclose(scaled.x_train, (data.x_train - mean) / deviation, atol=1e-6)


def test_names_of_classes_come_with_a_stream(loaded):
    train = sliced().batch(8)
    train.class_names = ["a", "b", "c", "d"]
    assert loaded((train, Pairs())).class_names == ("a", "b", "c", "d")
    assert loaded({"train": Pairs(), "test": Pairs(), "class_names": list("wxyz")}).class_names == tuple("wxyz")


def test_a_data_set_is_taken_as_it_is_and_checked(loaded):
    arrays = {"x_train": X, "y_train": Y, "x_val": X + 1, "y_val": Y, "x_test": X + 2, "y_test": Y}
    scaled = dataset_of("own", arrays, "own", True, 0)
    assert loaded(scaled).sha256 == scaled.sha256
    assert np.array_equal(load_data("my_streams:data").x_train, scaled.x_train)
    with pytest.raises(DataError, match="received 40 in x_test and 39 in y_test"):
        loaded(replace(scaled, y_test=Y[1:]))


class Failing(Pairs):
    """Raises in the second batch."""

    def __getitem__(self, index):
        return X[:8], Y[8 // index :]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (sliced().repeat().batch(8), r"expected an end of train, received none; drop repeat\(\)"),
        (tf.data.Dataset.from_tensor_slices(X).batch(8), r"expected batches \(x, y\) of one input in train"),
        (sliced({"a": X}).batch(8), r"expected batches \(x, y\) of one input in train, received \['dict', 'ndarray'\]"),
        (tf.data.Dataset.from_tensor_slices((X, Y, Y)).batch(8), "weights belong to the classes"),
        (sliced().take(0).batch(8), "expected at least one batch, received none"),
        (Failing(), r"'my_streams:data' raised ZeroDivisionError: .*test_streams.py, line \d+\)"),
        (sliced(y=np.eye(4)[Y]).batch(8), r"one-hot labels: pass y.argmax\(axis=1\)"),
    ],
)
def test_streams_that_cannot_be_read_are_named(loaded, train, message):
    with pytest.raises(DataError, match=message):
        loaded((train, Pairs()))


def test_the_source_of_a_function_ignores_arrays_on_request(loaded):
    arrays = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y, "person": Y}
    assert SOURCE.options == ("ignore", "task", "units")
    assert len(loaded(arrays, options=SourceOptions(ignore=["person"])).x_test) == 40


def test_words_of_a_stream_are_classes(loaded):
    words = np.array(["auf", "ab", "größer", "kleiner"])[Y]
    data = loaded({"train": sliced(y=words).batch(7), "test": sliced(y=words)})
    assert data.class_names == ("ab", "auf", "größer", "kleiner")
    assert np.array_equal(data.y_test, np.array([1, 0, 2, 3])[Y])


def test_labels_of_several_outputs_do_not_come_in_batches(loaded):
    batches = sliced(y={"kind": Y, "speed": Y * 0.5}).batch(8)
    with pytest.raises(DataError, match="labels of one output in train, received a dict of labels; return arrays"):
        loaded({"train": batches, "test": batches})


def test_a_dataset_of_several_outputs_may_be_asked_for_its_own_tasks_alone(loaded):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    y = {"gesture": Y % 2, "speed": x[:, 0]}
    arrays = {"x_train": x, "x_test": x, "y_train": y, "y_test": y}
    gloves = dataset_of("gloves", arrays, "gloves", None, 0, SourceOptions(task="speed:regression"))
    told = "gesture:multiclass,speed:regression"
    assert loaded(gloves, told_task=told).task.kind == "several"
    assert loaded(gloves, options=SourceOptions(task=told)).task.kind == "several"
    with pytest.raises(ConfigError, match=f"expected that of its Dataset, '{told}', received 'speed:binary'"):
        loaded(gloves, options=SourceOptions(task="speed:binary"))
    with pytest.raises(ConfigError, match=r"expected that of its Dataset, .* received 'regression'"):
        loaded(gloves, options=SourceOptions(task="regression"))
    with pytest.raises(ConfigError, match=r"bad option 'ignore' .* its source reads task"):
        loaded(gloves, options=SourceOptions(ignore=["noise"]))


def test_a_source_that_cannot_be_asked_for_a_task_is_not(loaded, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", [])
    data = loaded((sliced(), sliced()))
    register_source(DataSource("'noise'", lambda text: text == "noise", lambda text, normalize, seed: data))
    assert load_data("noise", told_task="regression").task == data.task
