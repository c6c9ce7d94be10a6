"""A trained model that knows nothing of the data as they were read is an error, with the scale as its likely reason."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import unscaled
from kd_edge.data.options import SourceOptions
from kd_edge.distillation.models.given_models import check_trained
from kd_edge.errors import ModelError


@pytest.fixture(scope="module")
def counts():
    """Integers whose largest channel is the class."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "test"):
        y = rng.integers(0, 3, 240)
        x = rng.integers(100, 140, (240, 3))
        x[np.arange(240), y] += 60
        arrays |= {f"x_{split}": x, f"y_{split}": y}
    return dataset_of("counts", arrays, "counts.npz", None, 0)


def thresholds(low):
    """Names the channel that is far above `low`; the first one where none is."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="relu")])
    model.set_weights([np.eye(3, dtype="float32"), np.full(3, -low, "float32")])
    return model


def test_a_model_that_is_right_on_the_data_as_read_is_taken(counts):
    check_trained(thresholds(140), unscaled(counts))
    check_trained(thresholds(0), counts)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_scale_that_a_model_does_not_know_is_named(counts, role):
    said = (
        rf"the {role} .* at chance on counts \(mean recall 0.333, guessing gives 0.333\) with integers scaled by mean"
    )
    with pytest.raises(ModelError, match=rf"{said}.*integers as they are \(1.000\).*--no-normalize"):
        check_trained(thresholds(140), counts, role=role)


def test_integers_that_should_have_been_scaled_are_named(counts):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="sigmoid"), keras.layers.Dense(3)])
    model.set_weights([4 * np.eye(3), np.zeros(3), np.eye(3), np.zeros(3)])
    with pytest.raises(ModelError, match=r"with integers as they are, and is not with integers scaled.*--normalize\)"):
        check_trained(model, unscaled(counts))


def test_floats_of_another_scale_are_the_likely_reason_for_a_teacher_and_none_for_a_student(counts):
    floats = replace(counts, integers=False)
    with pytest.raises(ModelError, match=re.escape("the likely reason is the scale of the samples")):
        check_trained(thresholds(140), floats)
    check_trained(thresholds(140), floats, role="student")


def signs(num_classes, num_samples):
    """Each class lights one number of a sample; how many training samples there are of each is given."""
    y = np.repeat(np.arange(num_classes), num_samples)
    x = np.eye(num_classes, dtype="float32")[y]
    return dataset_of("signs", {"x_train": x, "y_train": y, "x_test": x, "y_test": y}, "signs.npz", None, 0)


def permuted(order):
    """Answers with the class that another order of the classes gives."""
    model = keras.Sequential([keras.Input((len(order),)), keras.layers.Dense(len(order), use_bias=False)])
    model.set_weights([np.eye(len(order), dtype="float32")[order]])
    return model


@pytest.mark.parametrize(
    ("num_classes", "num_samples"),
    [(12, [20] * 11 + [2]), (100, 20), (300, 20)],
    ids=["a rare class", "many classes", "more classes than can be asked about"],
)
def test_rare_and_many_classes_leave_a_teacher_checked(num_classes, num_samples):
    data = signs(num_classes, num_samples)
    check_trained(permuted(np.arange(num_classes)), data)
    with pytest.raises(ModelError, match=r"at chance on signs \(mean recall 0\.000"):
        check_trained(permuted(np.roll(np.arange(num_classes), 1)), data)


def test_a_rare_label_leaves_the_others_checked():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 3))
    y[:, 2] = np.arange(200) < 2
    arrays = {"x_train": y.astype("f4"), "y_train": y, "x_test": y.astype("f4"), "y_test": y}
    data = dataset_of("tags", arrays, "tags.npz", None, 0, SourceOptions(task="multilabel"))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.set_weights([2 * np.eye(3), -np.ones(3)])
    check_trained(model, data)
    model.set_weights([np.zeros((3, 3)), -np.ones(3)])
    with pytest.raises(ModelError, match=r"at chance on tags \(mean recall 0\.500, guessing gives 0\.500\)"):
        check_trained(model, data)


def test_too_few_samples_say_nothing(counts):
    few = replace(counts, x_train=counts.x_train[:4], y_train=counts.y_train[:4], x_val=counts.x_val[:4])
    check_trained(thresholds(140), replace(few, y_val=counts.y_val[:4]))
