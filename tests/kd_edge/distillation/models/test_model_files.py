"""Teachers from files are put on the samples of the data."""

import keras
import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.distillation.models.model_files import load_model, load_teacher
from kd_edge.errors import ModelError
from kd_edge.files import write_model

L = keras.layers


@pytest.fixture
def images():
    """Images of 8 x 6 pixels of two classes."""
    x, y = np.random.default_rng(0).uniform(size=(40, 8, 6, 3)).astype("float32"), np.arange(40) % 2
    return dataset_of("images", {"x_train": x, "y_train": y, "x_test": x, "y_test": y}, "images.npz", None, 0)


def teacher(shape):
    base = keras.Sequential([keras.Input(shape), L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()], name="base")
    source = keras.Input(shape)
    return keras.Model(source, L.Dense(2)(L.GlobalAveragePooling2D()(base(L.Rescaling(2.0)(source)))))


def unknown_to_keras(y_true, y_pred):
    return y_true - y_pred


def test_a_written_model_is_read_by_keras_alone_whatever_it_was_compiled_with(tmp_path):
    made = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    made.compile("sgd", "mse", metrics=[keras.metrics.MeanMetricWrapper(unknown_to_keras)])
    write_model(tmp_path / "student.keras", made)
    assert made.compiled
    found = keras.models.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(found(np.ones((1, 2))), made(np.ones((1, 2))))


@pytest.mark.parametrize("form", ["functional", "sequential"])
@pytest.mark.parametrize("shape", [(None, None, 3), (8, None, 3)])
def test_a_teacher_for_samples_of_any_size_is_one_for_those_of_the_data(tmp_path, images, shape, form):
    made = teacher(shape)
    if form == "sequential":
        made = keras.Sequential([keras.Input(shape), L.Conv2D(4, 3), L.GlobalMaxPooling2D(), L.Dense(2)])
    made.save(tmp_path / "any.keras")
    found = load_teacher(tmp_path / "any.keras", images)
    assert found.inputs[0].shape == (None, 8, 6, 3)
    np.testing.assert_allclose(found(images.x_test), made(images.x_test), rtol=1e-6)
    assert found.count_params() == made.count_params()


@pytest.mark.parametrize("shape", [(None, None, 1), (None, 7, 3), (8, 8, 3)])
def test_a_teacher_of_another_known_size_is_refused(tmp_path, images, shape):
    teacher(shape).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match=r"expected samples of shape \(8, 6, 3\), received \("):
        load_teacher(tmp_path / "other.keras", images)


def test_a_teacher_for_any_size_that_cannot_read_samples_as_small_as_these_is_refused(tmp_path, images):
    layers = [L.Conv2D(4, 3, strides=2), L.Conv2D(4, 3, strides=2), L.Conv2D(4, 3), L.GlobalMaxPooling2D(), L.Dense(2)]
    keras.Sequential([keras.Input((None, None, 3)), *layers]).save(tmp_path / "deep.keras")
    with pytest.raises(ModelError, match=r"deep.keras: expected one that reads samples of shape \(8, 6, 3\); "):
        load_teacher(tmp_path / "deep.keras", images)


@pytest.mark.parametrize(
    ("name", "content", "received"),
    [
        ("junk.keras", b"junk", "a file of another kind"),
        ("empty.keras", b"", "an empty file"),
        ("cut.keras", b"PK\x03\x04junk", "a zip archive that is cut off"),
        ("m.json", b"{}", "a file of another kind"),
        ("t.tflite", b"\x1c\0\0\0TFL3", "a file of another kind"),
    ],
)
def test_a_file_that_is_no_model_is_told_as_what_it_is(tmp_path, name, content, received):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ModelError, match=rf"cannot read .*{name}: expected a Keras model, whole in a .* received {received}"
    ):
        load_model(tmp_path / name)


def test_weights_alone_and_another_ending_are_told(tmp_path):
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    model.save_weights(tmp_path / "t.weights.h5")
    with pytest.raises(
        ModelError, match=r"received an HDF5 file without the model's configuration: weights alone; save"
    ):
        load_model(tmp_path / "t.weights.h5")
    model.save(tmp_path / "t.keras")
    (tmp_path / "t.keras").rename(tmp_path / "t.zip")
    with pytest.raises(ModelError, match=r"received one that does not end in \.keras; rename it"):
        load_model(tmp_path / "t.zip")


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b"])
def test_a_path_that_the_system_refuses_is_no_model(path):
    with pytest.raises(ModelError, match="found nothing at"):
        load_model(path)
