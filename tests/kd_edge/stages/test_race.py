"""The race before the long training, and which student is handed on."""

import contextlib
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig, TeacherConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import ConvertConfig, DesignConfig, DistillConfig
from kd_edge.data.dataset import Dataset
from kd_edge.distillation.augmentation.base import registered_augmentations
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import ConfigError, DataError
from kd_edge.pipeline import STAGES, do_stages, run
from kd_edge.reporting.run_files import write_run
from kd_edge.stages.choice import choose, compare_students
from kd_edge.stages.context import RunContext
from kd_edge.stages.race import race, verdict_of
from kd_edge.stages.results import BaselineResult, DistillResult
from kd_edge.stages.student import distill_by
from kd_edge.stages.teacher import teach

WANTED = DistillConfig("none", epochs=16, batch_size=32)
DIRECTIONS = np.random.default_rng(0).normal(size=(8, 3))
FOUR_DIRECTIONS = np.random.default_rng(5).normal(size=(8, 4))


def samples(count, seed):
    x = np.random.default_rng(seed).normal(size=(count, 8)).astype("float32")
    return x, (x @ DIRECTIONS).argmax(axis=1)


def dataset(*, share_wrong=0.0):
    """A task that a dense network learns; a share of the training labels is drawn anew."""
    (x, y), val, test = samples(320, 1), samples(300, 2), samples(60, 3)
    rng = np.random.default_rng(4)
    y = np.where(rng.random(len(y)) < share_wrong, rng.integers(0, 3, len(y)), y)
    return Dataset("directions", x, y, *val, *test, class_names=("a", "b", "c"))


def answering(weights):
    """A teacher whose logits are the samples times `weights`."""
    teacher = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, use_bias=False)])
    teacher.set_weights([weights])
    return teacher


def fresh_student():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)])


RIGHT, WRONG = answering(4 * DIRECTIONS), answering(4 * np.roll(DIRECTIONS, 1, axis=1))


@pytest.fixture(scope="module")
def helped():
    return race(fresh_student, dataset(share_wrong=0.9), WANTED, teacher=RIGHT)


def test_a_race_tells_a_teacher_that_helps_from_one_that_hurts(helped):
    hurt = race(fresh_student, dataset(), WANTED, teacher=WRONG)
    for found, verdict in ((helped, "helps"), (hurt, "hurts")):
        assert (found.verdict, found.epochs) == (verdict, 4)
        gain = found.distilled_accuracy - found.alone_accuracy
        assert found.difference["difference"] == pytest.approx(gain)
        assert found.difference["ci95_low"] <= gain <= found.difference["ci95_high"]


def test_a_teacher_without_weight_makes_no_difference():
    found = race(fresh_student, dataset(), replace(WANTED, student_loss_weight=1.0), teacher=WRONG)
    assert found.verdict == "no_difference"
    assert found.difference["ci95_low"] <= 0 <= found.difference["ci95_high"]


def test_a_race_with_stored_targets_is_the_race_with_their_teacher(helped):
    data = dataset(share_wrong=0.9)
    stored = race(fresh_student, data, WANTED, teacher=soft_targets(RIGHT, data.x_train))
    assert replace(stored, seconds=0.0) == replace(helped, seconds=0.0)


def test_what_the_recipe_leaves_open_is_decided_once_for_each_side():
    data = dataset(share_wrong=0.9)
    found = race(fresh_student, data, replace(WANTED, learning_rate="auto"), teacher=RIGHT)
    rates = [found.distilled_recipe.learning_rate, found.alone_recipe.learning_rate]
    assert all(0 < rate <= 0.16 for rate in rates)
    assert rates[0] != rates[1]
    assert (found.distilled_recipe.epochs, found.alone_recipe.epochs) == (16, 16)
    by_hand = distill_by(replace(WANTED, epochs=4, learning_rate=rates[0]), fresh_student(), data, teacher=RIGHT)
    assert by_hand.val_accuracy == pytest.approx(found.distilled_accuracy, abs=1e-6)


def test_a_training_that_is_short_itself_is_not_raced():
    found = race(lambda: pytest.fail("a student was made"), dataset(), replace(WANTED, epochs=15), teacher=RIGHT)
    assert (found.verdict, found.epochs, found.difference) == ("not_raced", 0, None)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.1, "helps"), (-0.1, -0.01, "hurts"), (-0.1, 0.1, "no_difference"), (0.0, 0.0, "no_difference")],
)
def test_an_interval_proves_something_only_where_it_leaves_out_zero(low, high, verdict):
    assert verdict_of(low, high) == verdict


@pytest.mark.parametrize(
    ("distilled", "alone", "guided", "shipped"),
    [
        (0.8, 0.7, True, "distilled"),
        (0.8, 0.8, True, "distilled"),
        (0.7, 0.8, True, "alone"),
        (0.8, 0.8, False, "alone"),
    ],
)
def test_the_better_student_on_validation_samples_is_handed_on_and_of_equal_ones_the_distilled_one(
    distilled, alone, guided, shipped
):
    sizes = {"macs": 1, "params": 1}
    chosen = choose(
        DistillResult(test_accuracy=0.1, val_accuracy=distilled, guided=guided, **sizes),
        BaselineResult(test_accuracy=0.9, val_accuracy=alone, distillation_gain=None, **sizes),
    )
    assert (chosen.shipped, chosen.distilled_accuracy, chosen.alone_accuracy) == (shipped, distilled, alone)


@pytest.mark.parametrize(
    ("asked", "scores", "shipped", "preferred"),
    [
        ("best", (0.5, 0.6), "alone", "alone"),
        ("best", (0.6, 0.6), "distilled", "distilled"),
        ("distilled", (0.5, 0.6), "distilled", "alone"),
        ("baseline", (0.7, 0.6), "alone", "distilled"),
    ],
)
def test_the_user_decides_or_the_objective_on_validation_samples(asked, scores, shipped, preferred):
    sizes = {"macs": 1, "params": 1}
    gain = {"difference": -0.8, "ci95_low": -0.9, "ci95_high": -0.7}
    chosen = choose(
        DistillResult(test_accuracy=0.1, val_accuracy=0.8, **sizes),
        BaselineResult(test_accuracy=0.9, val_accuracy=0.8, distillation_gain=gain, **sizes),
        asked=asked,
        scores=scores,
    )
    assert (chosen.shipped, chosen.preferred, chosen.asked) == (shipped, preferred, asked)
    assert (chosen.test_difference, chosen.val_difference) == (gain, None)
    assert (chosen.distilled_score, chosen.alone_score) == (scores or (0.8, 0.8))


def test_students_are_compared_on_validation_samples_by_the_objective():
    data = dataset()
    first = answering(np.eye(8, 3) * 0)  # names class 0 always
    (objective, scores, difference) = compare_students(RIGHT, first, data, "balanced_accuracy").values()
    assert objective == "balanced_accuracy"
    assert scores == (1.0, pytest.approx(1 / 3))
    share = np.mean(data.y_val == 0)
    assert difference["difference"] == pytest.approx(1 - share)
    assert difference["ci95_low"] < 1 - share < difference["ci95_high"]


def small_config(source, teacher):
    return RunConfig(
        DataConfig(str(source)),
        BudgetConfig("nucleo-l4r5zi", flash="64k", ram="24k"),
        teacher=teacher,
        design=DesignConfig("mlp", trials=1, epochs=1, teacher_ratio=0.1),
        distill=WANTED,
        convert=ConvertConfig(qat="never"),
    )


@pytest.fixture(scope="module")
def windows_npz(tmp_path_factory):
    """Windows of 8 steps in four classes that lie in four directions."""
    arrays = {}
    for seed, (split, count) in enumerate((("train", 320), ("val", 300), ("test", 100))):
        x = np.random.default_rng(seed).normal(size=(count, 8, 1)).astype("float32")
        arrays |= {f"x_{split}": x, f"y_{split}": (x[..., 0] @ FOUR_DIRECTIONS).argmax(axis=1)}
    path = tmp_path_factory.mktemp("data") / "windows.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def wrong_teacher(tmp_path_factory):
    """A teacher that takes two of the four classes for one another."""
    teacher = keras.Sequential([keras.Input((8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, use_bias=False)])
    teacher.set_weights([4 * FOUR_DIRECTIONS[:, [0, 1, 3, 2]]])
    path = tmp_path_factory.mktemp("misled") / "teacher.keras"
    teacher.save(path)
    return TeacherConfig(path=str(path))


@pytest.fixture(scope="module")
def misled(windows_npz, wrong_teacher, tmp_path_factory):
    return run(small_config(windows_npz, wrong_teacher), tmp_path_factory.mktemp("misled") / "run")


def test_where_distillation_hurts_the_student_is_trained_alone_and_that_is_said(misled, check_document):
    assert misled.results.race.verdict == "hurts"
    assert not misled.results.distill.guided
    assert misled.results.distill.halting == ()
    assert misled.results.choice.shipped == "alone"
    assert misled.results.baseline.distillation_gain is None
    assert (misled.folder / "student.keras").read_bytes() == (misled.folder / "alone.keras").read_bytes()
    assert misled.results.verify.accuracy.float_keras == misled.results.baseline.test_accuracy
    check_document(write_run(misled))
    assert (misled.folder / "distilled.keras").read_bytes() == (misled.folder / "alone.keras").read_bytes()
    summary = " ".join((misled.folder / "summary.txt").read_text().split())
    assert "distillation does not help here: the student is trained without a teacher" in summary
    assert "student distilled" not in summary


def test_who_asks_for_the_distilled_student_gets_it_though_the_race_advises_against(misled, check_document, tmp_path):
    folder = shutil.copytree(misled.folder, tmp_path / "run")
    config = replace(misled.config, distill=replace(misled.config.distill, student="distilled"))
    done = []
    forced = run(config, folder, progress=lambda stage, share, message="": done.append(stage) if not share else 0)
    assert done[0] == "distill"
    choice = forced.results.choice
    assert (choice.shipped, choice.preferred, choice.asked) == ("distilled", "alone", "distilled")
    assert choice.val_difference["ci95_high"] < 0
    assert choice.test_difference == forced.results.baseline.distillation_gain
    assert (forced.folder / "student.keras").read_bytes() == (forced.folder / "distilled.keras").read_bytes()
    assert (forced.folder / "alone.keras").read_bytes() != (forced.folder / "distilled.keras").read_bytes()
    check_document(write_run(forced))
    summary = " ".join((forced.folder / "summary.txt").read_text().split())
    assert "handed on, as asked; the validation samples prefer the student without a teacher" in summary


def test_folds_that_the_data_cannot_be_parted_in_end_the_run_before_anything_is_trained(windows_npz, tmp_path):
    config = small_config(windows_npz, TeacherConfig(width=8, epochs=1, folds=100))
    with pytest.raises(DataError, match="too few samples for 100 folds: expected at least one of each class per fold"):
        run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("augment", ["auto", "mixup"])
def test_cross_fitting_with_changes_that_it_cannot_keep_is_refused_by_the_configuration(augment):
    with pytest.raises(ConfigError, match=f"'augment' in .distill.: .* with 'folds' .*, received '{augment}'"):
        replace(small_config("waves.npz", TeacherConfig(folds=2)), distill=DistillConfig(augment=augment))


def test_what_a_teacher_tells_is_the_same_whether_it_ends_in_a_softmax_or_not(tmp_path):
    data, found = dataset(), []
    softmax = keras.Sequential([*RIGHT.layers, keras.layers.Softmax()])
    for teacher in (RIGHT, softmax):
        teacher.save(tmp_path / "teacher.keras")
        found.append(teach(teacher, data, TeacherConfig(path=str(tmp_path / "teacher.keras"))).result.information)
    assert found[1].bits_beyond_label == pytest.approx(found[0].bits_beyond_label, rel=1e-4)
    assert found[1].entropy_bits == pytest.approx(found[0].entropy_bits, rel=1e-4)


class EnoughError(Exception):
    """Ends a run at a stage."""


@pytest.fixture(scope="module")
def folded(windows_npz, wrong_teacher, tmp_path_factory):
    """A run with a trainee and a good teacher per fold, in which the race decides the rate."""
    config = small_config(windows_npz, replace(wrong_teacher, epochs=20, learning_rate=0.1, folds=2))
    recipe = replace(WANTED, trainee="like_teacher", learning_rate="auto")
    return run(replace(config, distill=recipe), tmp_path_factory.mktemp("folded"))


def test_the_long_trainings_go_by_what_the_race_has_decided(folded):
    stages = folded.results
    assert stages.race.verdict == "helps"
    assert stages.baseline.recipe == stages.race.alone_recipe
    assert stages.distill.recipe == stages.race.distilled_recipe
    rates = [stages.race.distilled_recipe.learning_rate, stages.race.alone_recipe.learning_rate]
    assert rates[0] != rates[1]
    assert all(isinstance(rate, float) for rate in rates)


def test_the_targets_of_each_fold_are_made_once_and_give_the_same_student_when_they_are_read(folded, tmp_path):
    folder = shutil.copytree(folded.folder, tmp_path / "run")
    folds = {path: path.stat().st_mtime_ns for path in (folder / "folds").rglob("*.npy")}
    assert sorted(path.name for path in folds) == ["fold-0.npy", "fold-1.npy"]
    (folder / "distilled.keras").unlink()
    again = run(folded.config, folder)
    assert again.results.distill.history == folded.results.distill.history
    assert {path: path.stat().st_mtime_ns for path in (folder / "folds").rglob("*.npy")} == folds


def test_samples_that_are_changed_have_targets_of_their_own(folded, tmp_path):
    folder = shutil.copytree(folded.folder, tmp_path / "run")
    changed = replace(folded.config, distill=replace(folded.config.distill, augment="sensor"))
    context = RunContext(changed, folder, lambda stage, share, message="": None)
    do_stages(("data", "teacher"), context, context.data.sha256)
    assert context.guidance.views.augment == "sensor"
    assert len(list((folder / "folds").rglob("*.npy"))) == 4


def test_other_folds_leave_the_teacher_and_the_search_as_they_are(folded, tmp_path):
    folder = shutil.copytree(folded.folder, tmp_path / "run")
    other = replace(folded.config, teacher=replace(folded.config.teacher, folds=3))
    begun = []

    def watch(stage, share, message=""):
        if share == 0.0:
            begun.append(stage)
            raise EnoughError

    with contextlib.suppress(EnoughError):
        run(other, folder, progress=watch)
    assert begun == ["race"]


OWN_AUGMENTATION = """
import numpy
from kd_edge.distillation.augmentation.registry import register_augmentation

@register_augmentation("upside-down")
class UpsideDown:
    version, repeatable = 1, True

    def __init__(self, *, strength=1.0):
        pass

    def check(self, sample_shape):
        pass

    def __call__(self, samples, seeds):
        return -samples

def windows():
    return dict(numpy.load({path!r}))
"""


def test_a_configuration_may_name_an_augmentation_that_the_file_of_the_data_registers(
    windows_npz, wrong_teacher, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("kd_edge.distillation.augmentation.base._REGISTERED", registered_augmentations())
    (tmp_path / "own_windows.py").write_text(OWN_AUGMENTATION.format(path=str(windows_npz)))
    config = small_config("own_windows:windows", wrong_teacher)
    named = replace(config, distill=replace(WANTED, epochs=2, augment="upside-down"))
    context = RunContext(named, tmp_path / "run", lambda stage, share, message="": None)
    do_stages(STAGES[: STAGES.index("distill") + 1], context, context.data.sha256)
    assert context.results["distill"].recipe.augment == "upside-down"
    wrong = replace(config, distill=replace(WANTED, epochs=2, augment="upside-dwon"))
    with pytest.raises(ConfigError, match="unknown augmentation 'upside-dwon': did you mean 'upside-down'"):
        run(wrong, tmp_path / "wrong")
