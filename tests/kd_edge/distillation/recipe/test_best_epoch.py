"""The best validation epoch is kept, and a training that has gone wrong is stopped."""

import keras
import numpy as np
import pytest

from kd_edge.data.loading import load_data
from kd_edge.distillation.recipe.best_epoch import BestEpoch
from kd_edge.distillation.results import Recipe, kept_accuracy
from kd_edge.distillation.training import train
from kd_edge.errors import ModelError


def network(data):
    keras.utils.set_random_seed(0)
    layers = [keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(data.num_classes)]
    return keras.Sequential(layers)


def test_the_network_ends_with_the_weights_of_its_best_epoch(waves_npz):
    data = load_data(waves_npz)
    training = train(network(data), data, Recipe(6, learning_rate=0.5))
    scores = list(zip(training.history["val_accuracy"], [-v for v in training.history["val_loss"]], strict=True))
    assert training.best_epoch == scores.index(max(scores)) + 1
    answers = training.model.predict(data.x_val, verbose=0).argmax(1)
    assert np.mean(answers == data.y_val) == pytest.approx(training.val_accuracy, abs=1e-6)


def test_of_equal_accuracies_the_lower_loss_counts_and_of_equal_losses_the_first():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = BestEpoch(model)
    for epoch, (accuracy, loss) in enumerate([(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)]):
        model.set_weights([np.full(w.shape, epoch, "float32") for w in model.get_weights()])
        best.on_epoch_end(epoch, {"loss": 1.0, "val_accuracy": accuracy, "val_loss": loss})
    best.on_train_end()
    assert best.epoch == 3
    assert float(model.get_weights()[1][0]) == 2.0


def test_a_loss_that_is_no_number_ends_the_training_with_the_best_weights(waves_npz):
    data = load_data(waves_npz)
    model = network(data)
    before = model.get_weights()
    with pytest.raises(ModelError, match="training stopped in epoch 1: expected a finite loss"):
        train(model, data, Recipe(3, learning_rate=1e38))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_where_classes_have_weights_the_epoch_is_best_by_them():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = BestEpoch(model)
    rows = [(0.9, 0.5, 1.0), (0.7, 0.8, 0.9), (0.8, 0.6, 0.8)]
    for epoch, (accuracy, weighted, loss) in enumerate(rows):
        logs = {"loss": 1.0, "val_accuracy": accuracy, "val_weighted_accuracy": weighted, "val_loss": loss}
        best.on_epoch_end(epoch, logs)
    names = ("val_accuracy", "val_weighted_accuracy", "val_loss")
    history = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    assert (best.epoch, kept_accuracy(history)) == (2, 0.7)
    del history["val_weighted_accuracy"]
    assert kept_accuracy(history) == 0.9
    assert kept_accuracy({"val_accuracy": [0.5, None, 0.4], "val_loss": [1.0, None, 0.1]}) == 0.5
