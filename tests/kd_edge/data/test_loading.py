"""Data sets, good and bad."""

import sys

import numpy as np
import pytest

from kd_edge.data.loading import load_data
from kd_edge.errors import DataError


def arrays(**changes):
    rng = np.random.default_rng(0)
    good = {
        "x_train": rng.normal(size=(40, 8, 3)).astype("float32"),
        "y_train": np.arange(40) % 4,
        "x_test": rng.normal(size=(12, 8, 3)).astype("float32"),
        "y_test": np.arange(12) % 4,
    }
    return {key: value for key, value in (good | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def write(**changes):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays(**changes))
        return path

    return write


def test_the_watch_set_is_split_by_person_and_normalised_with_training_statistics():
    data = load_data("watch")
    assert data.input_shape == (128, 6)
    assert data.num_classes == 7
    # 28 recordings of two unseen people each, cut every 64 samples into windows of 128.
    assert 500 < len(data.x_val) < 1000
    assert 500 < len(data.x_test) < 1000
    assert len(data.x_train) > 3000
    assert np.isfinite(data.x_train).all()
    assert 0.5 < data.x_train.std() < 2


def test_an_npz_is_taken_as_it_is_and_gives_up_some_training_samples_for_validation(save):
    path = save()
    data = load_data(path, seed=3)
    assert len(data.x_train) == 34
    assert len(data.x_val) == 6
    assert data.scale is None
    assert data.class_names == ("0", "1", "2", "3")
    assert np.array_equal(data.x_val, load_data(path, seed=3).x_val)
    assert not np.array_equal(data.x_val, load_data(path, seed=4).x_val)


def test_integer_samples_are_normalised_with_the_training_samples_mean_and_deviation(save):
    raw = np.random.default_rng(1).integers(0, 255, (40, 8, 3), dtype=np.uint8)
    data = load_data(save(x_train=raw, x_val=raw[:4], y_val=np.arange(4)))
    assert data.scale is not None
    mean, deviation = raw.mean((0, 1)), raw.std((0, 1))
    assert np.allclose(data.x_train, (raw - mean) / deviation, atol=1e-5)
    assert np.allclose(data.scale[0], mean)


def test_class_names_of_the_file_are_kept(save):
    assert load_data(save(class_names=np.array(["a", "b", "c", "d"]))).class_names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "missing y_test"),
        ({"x_val": np.zeros((3, 8, 3))}, "missing y_val"),
        ({"y_train": np.arange(39) % 4}, "received 40 in x_train and 39 in y_train"),
        ({"y_test": np.full(12, 4)}, "expected labels from 0 to 3 in y_test, received 4"),
        ({"y_test": np.full(12, -1)}, "expected labels from 0 to 3 in y_test, received -1"),
        ({"y_train": np.zeros(40, int)}, "expected at least 2 classes in y_train, received 1"),
        ({"y_train": np.arange(40) % 4 + 1, "y_test": np.ones(12, int)}, "received none of class 0"),
        ({"y_train": np.eye(4)[np.arange(40) % 4]}, r"one-hot labels: pass y.argmax\(axis=1\)"),
        ({"x_test": np.zeros((12, 8, 2), "f4")}, r"expected samples of shape \(8, 3\) .* received \(8, 2\) in x_test"),
        ({"x_test": np.full((12, 8, 3), np.nan)}, "received NaN or infinity in 12 of 12 samples of x_test"),
        ({"x_train": np.full((40, 8, 3), np.inf)}, "received NaN or infinity"),
        ({"x_train": np.array(["a"] * 40)}, "expected numbers in x_train, received dtype <U1"),
        ({"x_test": np.zeros((0, 8, 3)), "y_test": np.zeros(0, int)}, "expected x_test of shape"),
    ],
)
def test_arrays_that_do_not_fit_together_are_named(save, changes, message):
    with pytest.raises(DataError, match=message):
        load_data(save(**changes))


def test_python_objects_are_never_unpickled(save):
    with pytest.raises(DataError, match="Python objects, which are never unpickled"):
        load_data(save(class_names=np.array(["a", None, "c", "d"], dtype=object)))


def test_a_missing_file_an_empty_file_a_truncated_file_and_a_text_file_are_named(save, tmp_path):
    with pytest.raises(DataError, match=r"expected an .npz file, found nothing at .*none.npz"):
        load_data(tmp_path / "none.npz")
    whole = save().read_bytes()
    for name, content in (("empty", b""), ("cut", whole[: len(whole) // 2]), ("text", b"hello, world")):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"bad data in .*{name}.npz"):
            load_data(path)


def test_a_single_array_is_no_data_set(tmp_path):
    path = tmp_path / "one.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"received a single .npy array"):
        load_data(path)


def test_an_entry_point_gives_a_mapping_or_two_pairs(tmp_path, monkeypatch):
    (tmp_path / "my_data.py").write_text(
        "import numpy as np\n"
        "x, y = np.zeros((8, 4), 'f4'), np.arange(8) % 2\n"
        "def pairs(): return (x, y), (x, y)\n"
        "def mapping(): return {'x_train': x, 'y_train': y, 'x_test': x, 'y_test': y, 'class_names': ['no', 'yes']}\n"
        "def nothing(): return None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load_data("my_data:pairs").input_shape == (4,)
    assert load_data("my_data:mapping").class_names == ("no", "yes")
    with pytest.raises(DataError, match="received NoneType"):
        load_data("my_data:nothing")
    with pytest.raises(DataError, match="no data function 'my_data:missing'"):
        load_data("my_data:missing")


def test_a_misspelt_built_in_set_names_the_right_one():
    with pytest.raises(DataError, match="did you mean 'watch'"):
        load_data("wacth")
