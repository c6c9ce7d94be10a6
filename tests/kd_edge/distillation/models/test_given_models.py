"""A trained model that knows nothing of the data as they were read is an error, with the scale as its likely reason."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.data.arrays import dataset_of
from kd_edge.data.dataset import unscaled
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


def test_too_few_samples_say_nothing(counts):
    few = replace(counts, x_train=counts.x_train[:4], y_train=counts.y_train[:4], x_val=counts.x_val[:4])
    check_trained(thresholds(140), replace(few, y_val=counts.y_val[:4]))
