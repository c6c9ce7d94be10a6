"""Integers stay integers before what makes sense of them itself."""

import json
import zipfile

import keras
import numpy as np
import pytest

from kd_edge.data.loading import load_data
from kd_edge.data.model_inputs import answers_one_number, integer_reader
from kd_edge.distillation.models.model_files import load_model
from kd_edge.errors import ModelError

L, A = keras.layers, keras.applications
IMAGE = (8, 8, 3)


def functional(first, shape=IMAGE):
    source = keras.Input(shape)
    return keras.Model(source, L.Dense(2)(L.Flatten()(first(source))))


def behind_augmentation():
    changes = keras.Sequential([keras.Input(IMAGE), L.RandomFlip(), L.RandomTranslation(0.1, 0.1)], name="changes")
    base = keras.Sequential([keras.Input(IMAGE), L.Rescaling(1 / 255, name="to_one"), L.Conv2D(2, 3)], name="base")
    return functional(lambda x: base(changes(x)))


READERS = {
    "embedding": (lambda: keras.Sequential([keras.Input((5,)), L.Embedding(9, 2, name="words")]), "words"),
    "rescaling": (lambda: keras.Sequential([keras.Input(IMAGE), L.Rescaling(1 / 127.5, -1, name="scale")]), "scale"),
    "normalization": (lambda: functional(L.Normalization(name="norm", mean=3.0, variance=2.0)), "norm"),
    "nested": (behind_augmentation, "to_one"),
    "mobilenet": (lambda: functional(A.mobilenet_v2.preprocess_input), "true_divide"),
    "resnet": (lambda: functional(A.resnet50.preprocess_input), "add"),
    "densenet": (lambda: functional(A.densenet.preprocess_input), "true_divide"),
    "lambda": (
        lambda: keras.Sequential([keras.Input(IMAGE), L.Lambda(A.vgg16.preprocess_input, name="as_vgg")]),
        "as_vgg",
    ),
}


@pytest.mark.parametrize(
    "change",
    [
        *(L.RandAugment, L.AugMix, L.MixUp, L.CutMix, L.RandomFlip, L.ActivityRegularization, L.Identity),
        *(lambda: L.AlphaDropout(0.1), lambda: L.GaussianNoise(0.1), lambda: L.RandomCrop(4, 4)),
    ],
)
def test_what_changes_samples_in_training_alone_stands_before_the_layer_that_makes_sense_of_integers(change):
    model = functional(lambda x: L.Rescaling(1 / 255, name="to_one")(change()(x)))
    assert integer_reader(model) == "to_one"


@pytest.mark.parametrize("kind", READERS)
def test_the_layer_that_makes_sense_of_integers_is_found(kind):
    keras.backend.clear_session()
    make, name = READERS[kind]
    assert integer_reader(make()).startswith(name)


@pytest.mark.parametrize(
    "model",
    [
        functional(L.Conv2D(2, 3)),
        functional(L.BatchNormalization()),
        functional(lambda x: 2 * x - 1),
        functional(lambda x: L.Add()([x, L.Rescaling(1 / 255)(x)])),
        keras.Sequential([keras.Input(IMAGE), L.Dense(2, activation="softmax")]),
    ],
    ids=["convolution", "batch normalization", "small numbers", "only in part", "dense"],
)
def test_other_models_read_scaled_values(model):
    assert integer_reader(model) is None


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_file_tells_it_like_the_model(name, tmp_path):
    path = tmp_path / name
    behind_augmentation().save(path)
    assert integer_reader(path) == integer_reader(str(path)) == "to_one"
    assert integer_reader(tmp_path / "none.keras") is None


def test_tensorflow_operations_of_keras_2_files_are_known():
    first = {"class_name": "InputLayer", "config": {"name": "in"}, "name": "in", "inbound_nodes": []}
    divide = {"function": "math.truediv", "name": "div"}
    second = {
        "class_name": "TFOpLambda",
        "config": divide,
        "name": "div",
        "inbound_nodes": [["in", 0, 0, {"y": 255.0}]],
    }

    class OfKeras2:
        def get_config(self):
            return {"layers": [first, second]}

    assert integer_reader(OfKeras2()) == "div"


@pytest.mark.parametrize(("module", "name"), [("resnet50", "tf.nn.bias_add"), ("densenet", "tf.math.truediv")])
def test_files_of_keras_2_with_preprocess_input_are_known(module, name, tmp_path):
    import tf_keras

    source = tf_keras.Input(IMAGE)
    value = getattr(tf_keras.applications, module).preprocess_input(source)
    tf_keras.Model(source, tf_keras.layers.Conv2D(2, 3)(value)).save(tmp_path / "old.h5")
    assert integer_reader(tmp_path / "old.h5").startswith(name)


def arrays(rng):
    x = {f"x_{split}": rng.integers(0, 256, (40, *IMAGE)).astype("uint8") for split in ("train", "test")}
    return x | {f"y_{split}": np.arange(40) % 2 for split in ("train", "test")}


def test_integers_are_handed_on_exactly_where_a_model_reads_them_and_scaled_where_none_does(tmp_path):
    given = arrays(np.random.default_rng(0))
    np.savez(tmp_path / "d.npz", **given)
    raw = load_data(tmp_path / "d.npz", models=[behind_augmentation()])
    assert np.array_equal(raw.x_test, given["x_test"].astype("float32"))
    assert raw.scale is None
    for models in ([], [functional(L.Conv2D(2, 3))]):
        scaled = load_data(tmp_path / "d.npz", models=models)
        assert abs(scaled.x_train.mean()) < 1e-5
        assert len(scaled.scale[0]) == 3
    assert load_data(tmp_path / "d.npz", normalize=True, models=[behind_augmentation()]).scale is not None


def test_large_indices_are_handed_on_exactly(tmp_path):
    given = arrays(np.random.default_rng(1))
    for split in ("train", "test"):
        given[f"x_{split}"] = np.random.default_rng(2).integers(0, 2**20, (40, 6))
    np.savez(tmp_path / "d.npz", **given)
    words = keras.Sequential([keras.Input((6,)), L.Embedding(2**20, 1)])
    assert np.array_equal(load_data(tmp_path / "d.npz", models=[words]).x_test, given["x_test"])


def test_floats_are_left_alone_whatever_reads_them(tmp_path):
    given = arrays(np.random.default_rng(0))
    given |= {name: given[name] / np.float32(255) for name in ("x_train", "x_test")}
    np.savez(tmp_path / "d.npz", **given)
    assert np.array_equal(load_data(tmp_path / "d.npz", models=[behind_augmentation()]).x_test, given["x_test"])


class Own:
    """A model of an own class, as far as its configuration goes."""

    def __init__(self, layers):
        self.layers = layers

    def get_config(self):
        return {"name": "own", "layers": self.layers}


BLOCK = {"class_name": "Block", "name": "block", "config": {"name": "block", "layers": [16]}}


@pytest.mark.parametrize("layers", [[64, 32], [], 3, ["Dense"], [{"class_name": "Dense"}], [BLOCK]])
def test_what_an_own_class_calls_layers_may_be_anything(layers):
    assert integer_reader(Own(layers)) is None
    assert not answers_one_number(Own(layers))


def damaged(content):
    """Return an archive with a compressed member whose bytes are other ones."""
    start = content.index(b"config.json") + len(b"config.json")
    return content[: start + 5] + b"\xff" * 20 + content[start + 25 :]


def other_compression(content):
    at = content.index(b"PK\x01\x02") + 10
    return content[:8] + b"\x63" + content[9:at] + b"\x63" + content[at + 1 :]


def encrypted(content):
    at = content.index(b"PK\x01\x02") + 8
    return content[:6] + b"\x01" + content[7:at] + b"\x01" + content[at + 1 :]


@pytest.mark.parametrize("change", [damaged, other_compression, encrypted])
def test_a_damaged_archive_says_nothing_of_its_model_and_is_refused_in_one_line(tmp_path, change):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", json.dumps({"config": {"layers": [BLOCK] * 20}}))
    path.write_bytes(change(path.read_bytes()))
    assert integer_reader(path) is None
    assert not answers_one_number(path)
    with pytest.raises(ModelError, match=r"cannot read .*model\.keras: [^\n]+$"):
        load_model(path)
