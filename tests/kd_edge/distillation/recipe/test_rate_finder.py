"""The learning rate range test."""

import math

import keras
import numpy as np
import pytest

from kd_edge.data.loading import load_data
from kd_edge.distillation.recipe.rate_finder import suggested_rate
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.training import distill, train
from kd_edge.errors import ModelError


def network(data, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(data.num_classes)]
    return keras.Sequential(layers)


def test_a_third_of_the_rate_with_the_lowest_loss_is_taken():
    rates = np.geomspace(1e-4, 1, 100)
    losses = (np.log(rates) - math.log(0.04)) ** 2
    # The mean of the last steps lags behind: by about nine steps at a decay of 0.9.
    lag = (1 / 1e-4) ** (9 / 99)
    assert suggested_rate(rates, losses) == pytest.approx(0.04 / 3 * lag, rel=0.2)


def test_what_comes_after_divergence_does_not_count():
    rates = np.geomspace(1e-4, 1, 100)
    losses = [1.0 - 0.005 * i for i in range(60)] + [50.0] * 20 + [0.0] * 20
    assert suggested_rate(rates, losses) == pytest.approx(rates[59] / 3, rel=0.02)
    assert suggested_rate(rates, [*losses[:60], math.nan]) == suggested_rate(rates, losses)


def test_a_loss_that_is_no_number_from_the_start_is_refused(waves_npz):
    data = load_data(waves_npz)
    broken = network(data)
    broken.set_weights([np.full(w.shape, np.nan, "float32") for w in broken.get_weights()])
    with pytest.raises(ModelError, match="no learning rate can be found: expected a finite loss in the first step"):
        train(broken, data, Recipe(2, learning_rate="auto"))


def test_a_rate_is_found_for_both_sides_and_the_training_starts_from_the_same_weights(waves_npz):
    data = load_data(waves_npz)
    lone = train(network(data), data, Recipe(2, learning_rate="auto"))
    taught = distill(network(data), data, Recipe(2, learning_rate="auto"), teacher=network(data, 1))
    for training in (lone, taught):
        assert 1e-4 <= training.recipe.learning_rate <= 0.16
    given = train(network(data), data, Recipe(2, learning_rate=lone.recipe.learning_rate))
    assert given.history["loss"] == lone.history["loss"]
