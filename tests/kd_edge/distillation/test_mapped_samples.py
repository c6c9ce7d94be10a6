"""Samples that lie in a file train and are judged like those in memory."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.data import storage
from kd_edge.data.arrays import dataset_of
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.outputs.decisions import accuracy
from kd_edge.distillation.outputs.predictions import predictions
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import distill, train

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def data():
    """Bytes of three classes, by their brightness."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = rng.integers(0, 100, (120, 6, 6, 1)).astype(np.uint8) + (60 * y[:, None, None, None]).astype(np.uint8)
    arrays = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    return dataset_of("bytes", arrays, "bytes", False, 0)


@pytest.fixture(scope="module")
def mapped(data):
    """The same in files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "MAPPED_BYTES", 0)
        names = ("x_train", "x_val", "x_test")
        kept = {name: storage.room_for(getattr(data, name).shape, np.uint8) for name in names}
    for name, array in kept.items():
        array[:] = getattr(data, name)
    return replace(data, **kept)


def network(width):
    keras.utils.set_random_seed(width)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(width, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def test_bytes_in_files_stay_bytes_in_files(data, mapped):
    assert all(storage.is_mapped(getattr(mapped, name)) for name in ("x_train", "x_val", "x_test"))
    assert mapped.x_train.dtype == data.x_train.dtype == np.uint8
    assert mapped.sha256 == data.sha256
    half = storage.taken(mapped.x_train, np.arange(len(mapped.x_train)) % 2 == 0)
    assert np.array_equal(half, data.x_train[::2])


@pytest.mark.parametrize("augmentation", [None, "image"])
def test_batches_from_a_file_are_those_from_memory(data, mapped, augmentation):
    from kd_edge.distillation.augmentation.registry import make_augmentation

    changes = {} if augmentation is None else {"augmentation": make_augmentation(augmentation)}
    feeds = [Batches(x=d.x_train, y=d.y_train, batch_size=16, seed=3, **changes).feed(2) for d in (data, mapped)]
    for ours, theirs in zip(*feeds, strict=True):
        assert np.array_equal(ours[0], theirs[0])
        assert np.array_equal(ours[1], theirs[1])


def test_trainings_from_a_file_are_those_from_memory(data, mapped, recwarn):
    found = []
    for samples in (data, mapped):
        teacher = network(8)
        history = train(teacher, samples, RECIPE).history
        taught = distill(network(4), samples, RECIPE, teacher=teacher)
        found.append((history["loss"], history["val_accuracy"], taught.history["loss"], accuracy(teacher, samples)))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert not [str(w.message) for w in recwarn if "ran out of data" in str(w.message)]


def test_a_model_answers_to_a_file_as_to_memory(data, mapped):
    model = network(4)
    np.testing.assert_allclose(predictions(model, mapped.x_train), predictions(model, data.x_train), rtol=1e-5)
