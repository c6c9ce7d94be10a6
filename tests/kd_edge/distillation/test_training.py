"""The one recipe for teacher, student and baseline."""

import gc
import inspect
import weakref

import keras

from kd_edge.config import DistillConfig
from kd_edge.data.loading import load_data
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.training import Recipe, distill, train
from tflite_bench.provenance import provenance_of


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


def test_the_summary_of_a_training_says_how_each_figure_was_had(waves_npz):
    data = load_data(waves_npz)
    halting = EarlyHalting(rule="epoch", start_from_epoch=1)
    trained = distill(
        network(4, data), data, Recipe(3), teacher=network(16, data), trainee="like_teacher", halting=halting
    )
    marked = provenance_of(trained)
    assert marked["seconds"] == marked["history.val_accuracy"] == "measured"
    assert marked["halting[].macs_saved"] == marked["halting[].megabytes_saved"] == "computed"
    # An extrapolation: what a step took with the guide less what it took without, times the steps.
    assert marked["halting[].seconds_saved"] == "estimated"


def test_the_labels_have_the_same_weight_in_the_function_and_in_the_configuration():
    default = inspect.signature(distill).parameters["student_loss_weight"].default
    assert default == DistillConfig().student_loss_weight == 0.1


def test_a_network_that_was_trained_leaves_the_memory_with_its_last_user(waves_npz):
    data = load_data(waves_npz)
    trained = train(network(4, data), data, Recipe(1))
    held = [weakref.ref(variable.value.handle) for variable in trained.model.variables]
    del trained
    gc.collect()
    assert [ref() for ref in held] == [None] * len(held)
