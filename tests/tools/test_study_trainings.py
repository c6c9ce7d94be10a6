"""The compiled trainings of the study are those of the package, and its data sets are parted as they should be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kd_edge.data.loading import load_data
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.gradient_probe import make_probe
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.recipe.optimizer import make_optimizer
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.recipe_targets import store_targets
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.training import distill, train
from kd_edge.ir.lowering import lower
from tools.studies.halting import forms, gain, leaving, product, sources
from tools.studies.halting import guided as guided_trainings
from tools.studies.halting.joint import SHARED, SUB_NETWORK, make_joint
from tools.studies.halting.networks import rates
from tools.studies.halting.rows import Rows
from tools.studies.halting.tasks import Task, TeacherPlan, with_few_labels
from tools.studies.halting.trainings import Plan, Trainer

STUDENT = {
    "width": 4,
    "stem_kernel": 3,
    "stem_stride": 2,
    "num_blocks": 1,
    "num_strided": 1,
    "kernel": 3,
    "growth": 1.0,
}


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


@pytest.fixture(scope="module")
def task(data):
    return Task("waves", "sensor", STUDENT, TeacherPlan(4, 2, ("none",)), lambda folder, fold: data)


@pytest.fixture(scope="module")
def trainer(task, data):
    return Trainer(task, data)


@pytest.fixture(scope="module")
def teacher(data):
    keras.utils.set_random_seed(9)
    model = build_teacher(data.input_shape, data.num_classes, width=8)
    train(model, data, Recipe(2, learning_rate=1e-2))
    return model


def losses(trainer, data, plan, seed, targets):
    return [-trainer.score(state, data).minus_loss for _, state in trainer.states(data, plan, seed, targets)]


def test_the_learning_rates_are_those_of_the_package():
    optimizer = make_optimizer(0.08, epochs=5, steps_per_epoch=7)
    expected = []
    for step in range(35):
        optimizer.iterations.assign(step)
        expected.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates(0.08, 5, 7), expected, rtol=1e-5)


def test_a_training_alone_is_that_of_the_package(trainer, task, data):
    training = train(task.build_student(data, 3), data, Recipe(3, learning_rate=1e-2, augment="mixup", seed=3))
    found = losses(trainer, data, Plan(1e-2, 3, "mixup"), 3, None)
    assert found == pytest.approx(training.history["val_loss"], rel=1e-2)


@pytest.mark.parametrize(("augment", "few"), [("none", False), ("sensor", True), ("mixup", True)])
def test_a_distilled_training_is_that_of_the_package(trainer, task, data, teacher, augment, few):
    own = with_few_labels(data) if few else data
    recipe = Recipe(3, learning_rate=1e-2, augment=augment, seed=3)
    targets = store_targets(teacher, own, recipe)
    training = distill(
        task.build_student(data, 3), own, recipe, teacher=targets, temperature=2.0, student_loss_weight=0.1
    )
    assert losses(trainer, own, Plan(1e-2, 3, augment), 3, targets) == pytest.approx(
        training.history["val_loss"], rel=1e-2
    )


def test_the_best_epoch_counts(trainer, data):
    plan = Plan(0.1, 6)
    trained = trainer.train(data, plan, 0)
    scores = {epoch: trainer.score(state, data) for epoch, state in trainer.states(data, plan, 0, None)}
    assert trained.epoch == max(scores, key=scores.get)
    assert trained.val == max(scores.values()).accuracy


def test_every_tenth_sample_of_each_class_keeps_its_label(data):
    few = with_few_labels(data)
    counts, all_counts = np.bincount(few.y_train), np.bincount(data.y_train)
    assert np.abs(counts - all_counts / 10).max() <= 1
    assert len(few.x_train) + len(few.x_unlabeled) == len(data.x_train)


def test_over_the_folds_everyone_tests_once_and_nobody_is_in_two_parts():
    everyone = np.arange(1, 11)
    folds = [sources._people(everyone, fold) for fold in range(sources.NUM_FOLDS)]
    for parts in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), everyone)
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, _, test in folds])), everyone)


@pytest.fixture(scope="module")
def leavings(task, data, trainer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaving")
    return leaving.Leaving(task, data, trainer, Rows(folder / "results.json", folder / "locks"))


@pytest.fixture(scope="module")
def taught(teacher, data):
    return soft_targets(teacher, data.x_train)


class Measure(keras.callbacks.Callback):
    """What the gradients say after the first epoch."""

    def on_train_begin(self, logs=None):
        self.probe = make_probe(self.model, "trainee", None)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.evidence = self.probe.measure()


@pytest.mark.slow
def test_a_trainee_is_watched_and_leaves_as_the_package_measures_and_takes_it_out(
    leavings, task, data, taught, monkeypatch
):
    monkeypatch.setattr(guided_trainings, "APART", 1)
    guided, plan, measure = leavings._guided, Plan(1e-3, 4), Measure()
    watched = guided.train(data, plan, 3, taught, observe=True)
    parts = guided.without(watched, 2, data, plan, 3, taught)
    keras.utils.set_random_seed(3)
    trainee = build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)
    training = distill(
        task.build_student(data, 3),
        data,
        Recipe(4, learning_rate=1e-3, seed=3),
        teacher=taught,
        trainee=trainee,
        halting=EarlyHalting("trainee", "epoch", start_from_epoch=2),
        callbacks=[measure],
        temperature=2.0,
        student_loss_weight=0.1,
        trainee_loss_weight=0.5,
    )
    found = [-parts.scores[epoch].minus_loss for epoch in range(1, 5)]
    assert found == pytest.approx(training.history["val_loss"], rel=1e-2)
    observed = [seen.agreement for seen in watched.observed[:2]]
    assert observed == pytest.approx(training.history["trainee_agreement"][:2], abs=0.05)
    seen, measured = watched.observed[0].evidence, measure.evidence
    assert (seen.alignment, seen.explained) == pytest.approx((measured.alignment, measured.explained), abs=0.05)
    assert measured.remaining == seen.remaining


@pytest.mark.slow
@pytest.mark.parametrize("form", [SHARED, SUB_NETWORK])
def test_the_student_starts_alike_in_each_form(form, task, data, trainer):
    begin = trainer.start(data, 5)
    joint = make_joint(form, task, data, trainer.network)
    own = joint.student(joint.start(begin, 5))
    np.testing.assert_array_equal(own.weights, begin.weights)
    assert trainer.score(own, data) == trainer.score(begin, data)


@pytest.mark.slow
def test_the_student_is_the_first_channels_of_the_wider_one(task, data, trainer):
    joint = make_joint(SUB_NETWORK, task, data, trainer.network)
    state = joint.start(trainer.start(data, 5), 5)
    wide = tf.split(state.weights, [3 * 2 * 12, len(state.weights) - 3 * 2 * 12])[0]
    # The kernel of the first convolution: 3 steps, 2 channels, 12 filters, of which the student has 4.
    np.testing.assert_array_equal(
        tf.reshape(wide, (3, 2, 12))[..., :4], tf.reshape(trainer.start(data, 5).weights[: 3 * 2 * 4], (3, 2, 4))
    )


@pytest.fixture
def rows(tmp_path):
    return Rows(tmp_path / "results.json", tmp_path / "locks")


@pytest.mark.slow
def test_every_rule_of_halting_has_a_row(leavings, task, data, taught, monkeypatch):
    monkeypatch.setattr(leaving, "PLAN", Plan(1e-2, 5))
    leavings.run(0, data, taught)
    rows = leavings._rows
    found = {row["arm"]: row for row in rows.all}
    assert tuple(found) == leaving.ARMS
    assert leaving.is_done(rows.all, task, 0)
    halted = {arm: row["halted"] for arm, row in found.items()}
    assert (halted["never"], halted["fixed epoch"], halted["from the start"]) == (5, 1, 0)
    # Of 5 epochs one: 1 pass of the teacher and 3 of the trainee in place of 1 and 15. All samples fill batches here.
    assert found["fixed epoch"]["guide_macs"] / found["never"]["guide_macs"] == pytest.approx(4 / 16)
    assert found["never"]["guide_macs"] == 16 * 320 * guide_macs(task, data)
    assert len(found["never"]["alignment"]) == 5


def guide_macs(task, data):
    return lower(build_teacher(data.input_shape, data.num_classes, width=task.teacher.width)).total_macs


@pytest.mark.slow
def test_every_form_of_a_trainee_has_a_row_and_one_that_teaches_nothing_leaves_the_labels_their_full_weight(
    rows, task, data, trainer, taught, monkeypatch
):
    monkeypatch.setattr(forms, "PLAN", Plan(1e-2, 2))
    formed = forms.Forms(task, data, trainer, rows)
    formed.run(0, data, taught, teacher=False)
    assert [row["form"] for row in rows.all] == list(forms.FORMS)
    assert forms.is_done(rows.all, task, 0, teacher=False)
    assert not forms.is_done(rows.all, task, 0, teacher=True)
    plans = [Plan(1e-2, 1, labels=share) for share in (0.1, 0.9)]
    guided = formed._guided[SUB_NETWORK]
    first, second = (guided.train(data, plan, 0, None, observe=False).states[-1].weights for plan in plans)
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_a_trainee_is_asked_for_a_share_of_the_samples(task, data, taught, monkeypatch):
    monkeypatch.setattr(product, "_RECIPE", Recipe(4, learning_rate=1e-2))
    always, asked = (product.halted_by_sample(task, data, taught, 0, by_sample=by) for by in (False, True))
    assert always["share_asked"] == 1
    assert 0 < asked["share_asked"] < 1


@pytest.mark.slow
def test_a_rate_is_found_and_trained_with(task, data, trainer, teacher):
    few = with_few_labels(data)
    row = product.found_rate(task, few, soft_targets(teacher, joined(few)), trainer, Plan(0.0, 2), 0)
    assert 1e-4 / 3 <= row["rate"] <= 0.16
    assert 0 <= row["val"] <= 1


def joined(data):
    return np.concatenate([data.x_train, data.x_unlabeled])


@pytest.mark.slow
def test_the_best_training_is_chosen_and_gone_on_with(rows, task, data, trainer, teacher, monkeypatch):
    monkeypatch.setattr(gain, "first_epochs", lambda steps: 1)
    monkeypatch.setattr(gain, "_EPOCHS", 1)
    monkeypatch.setattr(gain, "SEEDS", range(3))
    own = {"data_of": lambda seed: data, "trainer": trainer, "teachers": None, "rows": rows}
    gain.Gain(task, "all", gain.ALONE, **own).run()
    tuning = [row for row in rows.all if row["arm"] == "tuning"]
    best = [row for row in rows.all if row["arm"] == gain.BEST]
    # Two seeds: three rates, two augmentations more, then once or twice as many epochs.
    assert len(tuning) in (2 * 6, 2 * 7)
    plans = {(row["rate"], row["augment"], row["epochs"]) for row in best}
    assert len(plans) == 1
    means = {}
    for row in tuning:
        means.setdefault((row["rate"], row["augment"], row["epochs"]), []).append(row["val"])
    assert sum(means[plans.pop()]) == pytest.approx(max(map(sum, means.values())))
    assert gain.is_done(rows.all, task, "all", gain.ALONE)
