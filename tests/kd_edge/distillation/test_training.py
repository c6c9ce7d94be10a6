"""The one recipe for teacher, student and baseline."""

import keras

from kd_edge.data.loading import load_data
from kd_edge.distillation.early_halting import EarlyHalting
from kd_edge.distillation.training import Recipe, distill


def network(width, data):
    return keras.Sequential(
        [
            keras.Input(data.input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(data.num_classes),
        ]
    )


def test_a_rule_for_a_trainee_has_no_effect_where_there_is_none(waves_npz):
    data = load_data(waves_npz)
    halting = EarlyHalting(rule="epoch", start_from_epoch=1)
    trained = distill(network(4, data), data, Recipe(2), teacher=network(16, data), halting=halting)
    assert [(report.guide, report.halted) for report in trained.halting] == [("teacher", False)]
