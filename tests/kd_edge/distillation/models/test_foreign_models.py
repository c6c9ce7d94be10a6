"""Models of other libraries: files of Keras 2 are rebuilt, SavedModels answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from kd_edge.distillation.guides.fresh import fresh_copy
from kd_edge.distillation.models.foreign_models import ForeignModel, only_answers
from kd_edge.distillation.models.model_files import load_model
from kd_edge.distillation.targets.fingerprints import hash_of
from kd_edge.errors import ModelError
from kd_edge.ir.lowering import macs_of

K = tf_keras.layers
SHAPE = (8, 8, 3)


class Scaled(tf_keras.layers.Layer):
    """A layer that Keras 3 does not have."""

    def call(self, x):
        return x * 3.0


class Product(tf.Module):
    """A matrix behind a signature, as any library may save one."""

    def __init__(self, scale):
        self.matrix = tf.Variable(scale * np.eye(4, 3, dtype="float32"))

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
    def answer(self, x):
        return x @ self.matrix


def old_model(*front):
    source = tf_keras.Input(SHAPE)
    value = tf_keras.applications.mobilenet_v2.preprocess_input(source)
    block = tf_keras.Sequential([K.Conv2D(4, 3), K.DepthwiseConv2D(3), K.BatchNormalization(), K.ReLU(6.0)])
    value = K.GlobalAveragePooling2D()(block(value))
    for layer in front:
        value = layer(value)
    return tf_keras.Model(source, K.Dense(2, activation="softmax")(value))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign")
    model = old_model()
    for name in ("old.h5", "old.keras", "old_saved"):
        model.save(path / name)
    tf_keras.utils.get_custom_objects()["Scaled"] = Scaled
    old_model(Scaled()).save(path / "custom.h5")
    for scale in (1, 2):
        module = Product(scale)
        tf.saved_model.save(module, str(path / f"product_{scale}"), signatures=module.answer)
    yield path
    del tf_keras.utils.get_custom_objects()["Scaled"]


def samples(shape=SHAPE):
    return np.random.default_rng(0).uniform(0, 255, (5, *shape)).astype("float32")


@pytest.mark.parametrize("name", ["old.h5", "old.keras", "old_saved"])
def test_a_file_of_keras_2_is_a_model_of_keras_3_that_computes_the_same(folder, name, capsys):
    model = load_model(folder / name)
    said = f"note: {folder / name} is a file of Keras 2, read through tf_keras and rebuilt in Keras 3\n"
    assert capsys.readouterr().err == said
    assert not only_answers(model)
    expected = tf_keras.models.load_model(folder / name, compile=False)(samples())
    np.testing.assert_allclose(model(samples()), expected, rtol=1e-4)


@pytest.mark.parametrize("front", [(), (Scaled(),)], ids=["rebuilt", "answers"])
def test_a_file_of_keras_2_for_images_of_any_size_is_read(folder, tmp_path, front):
    source = value = tf_keras.Input((None, None, 3))
    for layer in (*front, K.GlobalAveragePooling2D(), K.Dense(2)):
        value = layer(value)
    old = tf_keras.Model(source, value)
    old.save(tmp_path / "free.h5")
    model = load_model(tmp_path / "free.h5")
    assert only_answers(model) == bool(front)
    for shape in ((8, 8, 3), (5, 6, 3)):
        np.testing.assert_allclose(model(samples(shape)), old(samples(shape)), rtol=1e-4)


def adapted():
    layer = K.Normalization()
    layer.adapt(samples())
    return layer


@pytest.mark.parametrize(
    "front",
    [tf_keras.applications.resnet50.preprocess_input, adapted, lambda x: x[:, 1:, ..., :2]],
    ids=["channels in another order", "adapted normalization", "slices"],
)
def test_what_stands_before_a_network_of_keras_2_is_rebuilt(tmp_path, front):
    source = tf_keras.Input(SHAPE)
    value = front()(source) if front is adapted else front(source)
    old = tf_keras.Model(source, K.Dense(2)(K.GlobalAveragePooling2D()(K.Conv2D(4, 3)(value))))
    old.save(tmp_path / "old.h5")
    model = load_model(tmp_path / "old.h5")
    assert not only_answers(model)
    np.testing.assert_allclose(model(samples()), old(samples()), rtol=1e-4)
    if front is not adapted and value.shape[-1] == 3:
        assert macs_of(model) == 6 * 6 * 4 * 27 + 4 * 2


def test_layers_that_keras_3_lacks_leave_a_model_that_answers(folder, capsys):
    model = load_model(folder / "custom.h5")
    assert "it only answers, as a teacher" in capsys.readouterr().err
    assert only_answers(model)
    # It ends in a softmax: what it answers with are logits here.
    expected = tf_keras.models.load_model(folder / "custom.h5", compile=False)(samples())
    np.testing.assert_allclose(np.exp(model(samples())), expected, rtol=1e-4, atol=1e-6)


def test_a_saved_model_answers_and_is_saved_as_where_it_is(folder, tmp_path):
    model = load_model(folder / "product_2")
    expected = [[2.0, 4.0, 6.0]]
    np.testing.assert_array_equal(model(np.array([[1.0, 2.0, 3.0, 4.0]], "float32")), expected)
    assert macs_of(model) == 12
    model.save(tmp_path / "teacher.keras")
    again = keras.models.load_model(tmp_path / "teacher.keras")
    np.testing.assert_array_equal(again(np.array([[1.0, 2.0, 3.0, 4.0]], "float32")), expected)


def test_models_that_answer_are_told_apart_by_what_is_in_their_files(folder):
    first, second = (load_model(folder / f"product_{scale}") for scale in (1, 2))
    assert hash_of(first) != hash_of(second)
    assert hash_of(first) == hash_of(load_model(folder / "product_1"))
    assert isinstance(first.layers[1], ForeignModel)


def test_a_model_that_only_answers_is_no_architecture_for_a_trainee(folder):
    with pytest.raises(ModelError, match="no trainee like the teacher: expected a network of Keras' layers"):
        fresh_copy(load_model(folder / "product_1"))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"expected a \.keras file or a SavedModel, found a folder of neither"):
        load_model(tmp_path)


def test_a_broken_file_of_keras_2_is_named_as_one(tmp_path):
    import h5py

    with h5py.File(tmp_path / "broken.h5", "w") as file:
        file.attrs["keras_version"] = "2.13.1"
    with pytest.raises(
        ModelError, match=r"cannot read .*broken\.h5, a file of Keras 2: tf_keras says: No model config"
    ):
        load_model(tmp_path / "broken.h5")
