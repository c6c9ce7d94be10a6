"""The one recipe for teacher, student and baseline."""

import gc
import inspect
import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.config.stages import DistillConfig
from kd_edge.data.class_weights import with_class_weight
from kd_edge.data.dataset import Dataset, checked
from kd_edge.data.loading import load_data
from kd_edge.data.metrics.classification import classification_of
from kd_edge.data.metrics.named_class import named_classes
from kd_edge.distillation.augmentation.registry import candidates_for
from kd_edge.distillation.feed import steps_per_execution
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.results import HaltingReport, Recipe
from kd_edge.distillation.targets.recipe_targets import store_targets
from kd_edge.distillation.training import distill, train
from kd_edge.errors import DataError
from tflite_bench.provenance import Provenance, marks, provenance_of


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
    assert trained.halting[1].seconds_saved is None  # of so few epochs nobody knows
    assert marked["seconds"] == marked["history.val_accuracy"] == "measured"
    assert marked["halting[].macs_saved"] == marked["halting[].megabytes_saved"] == "computed"
    # An extrapolation: what a step took with the guide less what it took without, times the steps.
    assert marks(HaltingReport, Provenance)["seconds_saved"] == Provenance("estimated")


def images(seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(60) % 3
    x = rng.normal(size=(60, 8, 8, 1)).astype("float32") + y[:, None, None, None]
    return checked(Dataset("dots", x[:40], y[:40], x[40:50], y[40:50], x[50:], y[50:], ("a", "b", "c")))


@pytest.mark.parametrize("augment", ["none", "image", "mixup"])
def test_a_teacher_is_asked_before_the_training_once_per_view_and_never_in_it(augment):
    data = images()
    trained = distill(network(4, data), data, Recipe(10, augment=augment), teacher=network(16, data))
    (report,) = trained.halting
    assert report.data_passes == (1.0 if augment == "none" else 8.0)
    assert report.macs_spent == 0  # in training steps


def test_a_teacher_runs_in_every_step_where_a_layer_changes_the_samples():
    data = images()
    recipe = Recipe(2, batch_size=20, augment=keras.layers.RandomTranslation(0.1, 0.1))
    (report,) = distill(network(4, data), data, recipe, teacher=network(16, data)).halting
    assert report.data_passes == 2.0
    assert report.macs_spent > 0


def test_the_augmentation_is_chosen_from_those_that_fit_and_the_training_starts_anew():
    data = images()
    keras.utils.set_random_seed(0)
    chosen = train(network(4, data), data, Recipe(2, augment="auto"))
    assert chosen.recipe.augment in {"none", *candidates_for((8, 8, 1))}
    keras.utils.set_random_seed(0)
    given = train(network(4, data), data, Recipe(2, augment=chosen.recipe.augment))
    assert chosen.history["loss"][1] == pytest.approx(given.history["loss"][1], rel=1e-3)


def test_stored_targets_of_other_changes_are_refused():
    data, teacher = images(), network(16, images())
    targets = store_targets(teacher, data, Recipe(4, augment="image"))
    with pytest.raises(DataError, match="stored targets of other samples: expected 'mixup' of strength 1"):
        distill(network(4, data), data, Recipe(4, augment="mixup"), teacher=targets)
    with pytest.raises(DataError, match="expected 'none' of strength 1 as in the recipe, received 4 views by 'image'"):
        distill(network(4, data), data, Recipe(4), teacher=targets)


def test_samples_without_labels_join_the_training():
    data = replace(images(), x_unlabeled=images(1).x_train)
    trained = distill(
        network(4, data), data, Recipe(3, batch_size=20), teacher=network(16, data), trainee="like_teacher"
    )
    assert {report.guide: report.num_samples for report in trained.halting} == {"teacher": 240, "trainee": 240}


@pytest.mark.parametrize(
    ("num_steps", "at_once"), [(None, 1), (1, 1), (7, 7), (64, 64), (65, 13), (156, 52), (157, 157), (941, 1)]
)
def test_as_many_steps_run_at_once_as_divide_an_epoch(num_steps, at_once):
    assert steps_per_execution(num_steps, []) == at_once


def test_steps_run_one_by_one_where_a_callback_looks_at_batches():
    class Watcher(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    seen: list[int] = []
    data = images()
    for callback in (
        Watcher(),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)),
    ):
        seen.clear()
        train(network(4, data), data, Recipe(1, batch_size=10), callbacks=[callback])
        assert seen == [0, 1, 2, 3]
    assert steps_per_execution(4, [EarlyHalting()]) == 4
    assert steps_per_execution(4, [EarlyHalting(check_freq=2)]) == 1


def test_a_trained_network_is_evaluated_on_as_many_batches_as_are_asked_for():
    data = images()
    model = train(network(4, data), data, Recipe(1, batch_size=10)).model
    answers = model.predict(data.x_train, verbose=0).argmax(axis=1)
    labels = np.where(np.arange(len(answers)) < 10, answers, (answers + 1) % data.num_classes)
    assert model.evaluate(data.x_train, labels, batch_size=10, steps=1, verbose=0, return_dict=True)["accuracy"] == 1.0


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


def rare(seed=0):
    """Two classes that overlap, one of twenty samples of the second."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (1200, 400, 400):
        y = (np.arange(count) % 20 == 0).astype("int64")
        parts += [(rng.normal(size=(count, 2)) + y[:, None]).astype("float32"), y]
    return checked(Dataset("rare", *parts, ("common", "rare")))


@pytest.mark.parametrize("guided", [False, True], ids=["alone", "distilled"])
@pytest.mark.parametrize("augment", ["none", "mixup"])
def test_a_rare_class_is_found_where_classes_count_alike(guided, augment):
    recalls = []
    for class_weight in (None, "balanced", {"rare": 1000.0}):
        data = with_class_weight(rare(), class_weight)
        keras.utils.set_random_seed(0)
        student, teacher = network(4, data), network(8, data)
        recipe = Recipe(6, learning_rate=2e-2, augment=augment)
        if guided:
            train(teacher, data, replace(recipe, augment="none"))
            distill(student, data, recipe, teacher=teacher, student_loss_weight=0.5)
        else:
            train(student, data, recipe)
        found = classification_of(named_classes(student.predict(data.x_test, verbose=0)), data.y_test, data.class_names)
        recalls.append(found.classes[1].recall)
    assert recalls[0] < 0.3 < 0.5 < recalls[1]
    assert recalls[2] == 1.0
