"""Targets from teachers that have not seen the sample."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.data.loading import load_data
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.cross_fitting import cross_fitted_targets
from kd_edge.distillation.targets.fingerprints import fingerprint, hash_of
from kd_edge.distillation.targets.information import teacher_information
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.training import distill, train
from kd_edge.errors import ConfigError, DataError

FLOAT16 = 2e-2  # of logits of some tens


class Trainings:
    """Fits the last layer to the labels by least squares, and keeps each teacher with what it saw.

    A network that is wider than it has samples answers exactly with their labels.
    """

    def __init__(self):
        self.teachers, self.seen = [], []

    def __call__(self, model, x, y):
        kernel, bias = model.get_layer("hidden").get_weights()
        hidden = np.maximum(x @ kernel + bias, 0)
        answer = np.linalg.lstsq(hidden, 20 * np.eye(3)[y], rcond=None)[0]
        model.get_layer("answer").set_weights([answer, np.zeros(3)])
        self.teachers.append(model)
        self.seen.append(x)

    def saw(self, fold, sample):
        return bool((self.seen[fold] == sample).all(axis=1).any())


@pytest.fixture
def fit():
    return Trainings()


def of(task, fit, **arguments):
    arguments = {"build": lambda: task.network(16), "train": fit, "folds": 3} | arguments
    return cross_fitted_targets(x=task.x, y=task.y, **arguments)


def scaled(scale):
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, "relu", name="hidden")(keras.layers.Rescaling(scale)(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, name="answer")(hidden))


def test_the_teacher_of_a_samples_targets_has_not_seen_it(task, fit):
    targets = of(task, fit)
    assert len(fit.teachers) == 3
    assert len(targets) == len(task.x)
    for sample, answer in zip(task.x, targets.lookup(task.x).numpy(), strict=True):
        (unseen,) = [fold for fold in range(3) if not fit.saw(fold, sample)]
        expected = fit.teachers[unseen](sample[None]).numpy()[0]
        np.testing.assert_allclose(answer, expected, atol=FLOAT16)


def test_a_teacher_has_seen_nobody_of_the_samples_group(task, fit):
    groups = np.arange(64) // 4
    of(task, fit, folds=4, groups=groups)
    for seen in fit.seen:
        people = set(groups[(task.x[:, None] == seen).all(axis=2).any(axis=1)].tolist())
        assert len(people) == 12
        assert len(seen) == 48


def test_folds_may_be_given(task, fit):
    of(task, fit, folds=np.arange(64) % 2)
    np.testing.assert_array_equal(fit.seen[0], task.x[1::2])
    np.testing.assert_array_equal(fit.seen[1], task.x[::2])


def test_identical_samples_come_into_one_fold(task, fit):
    x = np.concatenate([task.x, task.x])
    cross_fitted_targets(lambda: task.network(16), x, np.concatenate([task.y, task.y]), train=fit, folds=3)
    for sample in task.x:
        assert sum(fit.saw(fold, sample) for fold in range(3)) == 2


def test_samples_without_labels_have_the_mean_of_all_teachers(task, fit):
    more = task.x[:7] + 1
    targets = of(task, fit, x_unlabeled=more)
    assert len(targets) == 64 + 7
    expected = np.mean([teacher.predict(more, verbose=0) for teacher in fit.teachers], axis=0)
    np.testing.assert_allclose(targets.lookup(more).numpy(), expected, atol=FLOAT16)
    assert targets.lookup(task.x).shape == (64, 3)


def test_views_come_from_seeds_and_those_of_samples_without_labels_are_the_same_for_all_teachers():
    keras.utils.set_random_seed(0)
    x, more = np.random.default_rng(0).normal(size=(2, 24, 16, 3)).astype("float32")
    teachers = []

    def build():
        return keras.Sequential([keras.Input((16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])

    targets = cross_fitted_targets(
        build,
        x,
        np.arange(24) // 2 % 4,
        folds=np.arange(24) % 2,
        train=lambda model, x, y: teachers.append(model),
        x_unlabeled=more,
        views=2,
        augment="sensor",
        seed=3,
    )
    augmentation = make_augmentation("sensor")
    for view in (0, 1):
        for samples in (x, more):
            numbers = targets.find(fingerprint(samples).numpy())
            at = np.full(24, view)
            shown = augmentation(samples, targets.seeds(numbers, at))
            answers = np.stack([teacher(shown).numpy() for teacher in teachers])
            expected = answers.mean(axis=0) if samples is more else answers[np.arange(24) % 2, np.arange(24)]
            np.testing.assert_allclose(targets.outputs(numbers, at)[0], expected, atol=2e-3)
            assert not np.allclose(shown, samples, atol=1e-2)


def test_the_header_names_all_teachers(task, fit):
    first = of(task, fit)
    again = of(task, Trainings())
    assert first.header == again.header
    assert first.header["teacher"] not in {hash_of(teacher) for teacher in fit.teachers}
    assert first.header["teacher"] != of(task, Trainings(), seed=1).header["teacher"]


def test_a_file_holds_them_like_any_targets(task, fit, tmp_path):
    made = of(task, fit)
    read = SoftTargets.load(made.save(tmp_path / "all.npy"), x=task.x)
    np.testing.assert_array_equal(read.lookup(task.x), made.lookup(task.x))


def test_an_interrupted_run_trains_only_the_folds_that_are_missing(task, tmp_path):
    whole = of(task, Trainings(), x_unlabeled=task.x + 1)

    class Interrupted(Trainings):
        def __call__(self, model, x, y):
            if len(self.teachers) == 2:
                raise KeyboardInterrupt
            super().__call__(model, x, y)

    with pytest.raises(KeyboardInterrupt):
        of(task, Interrupted(), x_unlabeled=task.x + 1, directory=tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {f"fold-{fold}{kind}.npy" for fold in (0, 1) for kind in ("", "-unlabeled")}
    rest, none = Trainings(), Trainings()
    resumed = of(task, rest, x_unlabeled=task.x + 1, directory=tmp_path)
    assert len(rest.teachers) == 1
    assert resumed.header["teacher"] == whole.header["teacher"]
    np.testing.assert_array_equal(resumed.lookup(task.x), whole.lookup(task.x))
    assert of(task, none, x_unlabeled=task.x + 1, directory=tmp_path).num_passes == 0
    assert none.teachers == []
    with pytest.raises(DataError, match=r"fold-0-unlabeled.npy is of other samples"):
        of(task, none, x_unlabeled=task.x[::-1] + 1, directory=tmp_path)


def test_samples_without_labels_that_come_later_are_asked_about_by_new_teachers(task, tmp_path):
    first, later = Trainings(), Trainings()
    of(task, first, directory=tmp_path)
    targets = of(task, later, x_unlabeled=task.x[:5] + 1, directory=tmp_path)
    assert (len(later.teachers), len(targets)) == (3, 69)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": np.arange(64) % 3}, "of other samples, labels, folds"),
        ({"seed": 1}, "of other samples, labels, folds"),
        (
            {"build": lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])},
            "or networks; choose another",
        ),
        ({"build": lambda: scaled(2.0)}, "or networks; choose another"),
        ({"y": np.arange(64) % 3}, "of other samples, labels, folds"),
    ],
)
def test_files_of_other_folds_labels_or_networks_are_refused(task, fit, tmp_path, change, message):
    of(task, fit, directory=tmp_path, build=lambda: scaled(1.0))
    arguments = {"build": lambda: scaled(1.0), "x": task.x, "y": task.y, "train": fit, "folds": 3} | change
    with pytest.raises(DataError, match=message):
        cross_fitted_targets(**arguments, directory=tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"folds": np.arange(64) % 2, "groups": np.arange(64) // 2}, DataError, "received group 0 in 2 folds"),
        ({"folds": 9, "groups": np.arange(64) % 8}, DataError, "too few groups for 9 folds"),
        ({"folds": 60}, DataError, "too few samples for 60 folds"),
        ({"y": np.eye(3)[np.arange(64) % 3]}, DataError, r"one-hot labels: pass y.argmax\(axis=1\)"),
        ({"y": np.arange(63) % 3}, DataError, "received 64 in x_train and 63 in y_train"),
        ({"views": 2, "augment": "mixup"}, ConfigError, "no views of 'mixup' by cross-fitting"),
    ],
)
def test_bad_arguments_are_named_before_a_teacher_is_trained(task, fit, change, error, message):
    arguments = {"x": task.x, "y": task.y, "train": fit, "folds": 3} | change
    with pytest.raises(error, match=message):
        cross_fitted_targets(lambda: task.network(16), **arguments)
    assert fit.teachers == []


def test_a_folder_that_cannot_be_written_to_is_refused_before_a_teacher_is_trained(task, fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .*fold-0\.npy: Not a directory"):
        of(task, fit, directory=tmp_path / "file" / "folds")
    assert fit.teachers == []


def test_they_tell_more_than_a_teacher_that_has_learnt_by_heart(task, fit):
    teacher = task.network(256)
    fit(teacher, task.x, task.y)
    crossed = cross_fitted_targets(lambda: task.network(256), task.x, task.y, train=fit, folds=3)
    plain, fair = (
        teacher_information(targets.rows_of(fingerprint(task.x).numpy())[0], task.y)
        for targets in (soft_targets(teacher, task.x), crossed)
    )
    assert plain.learnt_by_heart
    assert not fair.learnt_by_heart
    assert fair.bits_beyond_label > 10 * plain.bits_beyond_label
    assert fair.accuracy < plain.accuracy


def test_the_recipe_of_a_run_trains_them_and_a_student_learns_from_them(waves_npz):
    data = load_data(waves_npz)

    def network():
        return keras.Sequential([keras.Input((32, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])

    targets = cross_fitted_targets(
        network,
        data.x_train,
        data.y_train,
        folds=2,
        train=lambda model, x, y: train(model, replace(data, x_train=x, y_train=y), Recipe(1)),
    )
    recipe = Recipe(4, learning_rate=2e-2)
    trained = distill(network(), data, recipe, teacher=targets, student_loss_weight=0.0)
    assert trained.history["distillation_loss"][-1] < trained.history["distillation_loss"][0]
