"""The study that sets the defaults of halting: its arithmetic, and a small version of it."""

import json
import math
from pathlib import Path

import pytest

from kd_edge.data.loading import load_data
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.teacher_models import build_teacher
from kd_edge.distillation.training import distill
from tools.studies.halting.results import ALONE, MIN_SEEDS, NEVER, RULES, paired, render, summarize
from tools.studies.halting.run import Study, halting_arms
from tools.studies.halting.tasks import Settings, Task
from tools.studies.halting.trainings import LIVE, TRAINEE, Runs

PAGE = Path(__file__).parents[2] / "docs" / "halting.md"
QUICK, SLOW = RULES[1], RULES[0]


def row(data, seed, arm, accuracy, macs):
    figures = {"accuracy": accuracy, "guide_macs": macs, "seconds": 1.0, "halted": {}}
    return {"data": data, "seed": seed, "arm": arm, **figures}


def document(rows):
    arms = list(dict.fromkeys(r["arm"] for r in rows))
    return {"result": {"rows": rows, "arms": arms}}


def test_the_interval_is_that_of_the_paired_t_test():
    mean, half_width = paired([0.9, 0.8, 0.7], [0.8, 0.8, 0.5])
    # Differences 10, 0 and 20 points: mean 10, deviation 10; the quantile for 2 degrees of freedom is 4.303.
    assert mean == pytest.approx(10)
    assert half_width == pytest.approx(4.303 * 10 / math.sqrt(3))


def test_one_seed_has_no_interval():
    assert paired([0.9], [0.8]) == (pytest.approx(10), None)


def test_a_seed_that_lacks_an_arm_does_not_count():
    rows = [row("a", seed, arm, 0.5 + seed / 10, 10) for seed in (0, 1) for arm in (ALONE, NEVER)]
    found = summarize(document(rows[:-1]))["data"]["a"]
    assert (found[ALONE]["num_seeds"], found[ALONE]["accuracy"]) == (1, 0.5)


def test_data_sets_count_alike_and_their_macs_add_up():
    rows = [row(d, 0, arm, a, 10) for d, a in (("a", 0.5), ("b", 0.9)) for arm in (ALONE, NEVER)]
    overall = summarize(document(rows))["overall"][ALONE]
    assert (overall["accuracy"], overall["guide_macs"]) == (pytest.approx(0.7), 20)


@pytest.mark.parametrize(("loss", "chosen"), [(0.001, QUICK), (0.003, SLOW)])
def test_the_default_saves_most_without_losing_more_than_the_limit(loss, chosen):
    arms = ((ALONE, 0.8, 0), (NEVER, 0.9, 100), (SLOW, 0.9, 60), (QUICK, 0.9 - loss, 30))
    rows = [row("a", seed, *arm) for seed in range(MIN_SEEDS) for arm in arms]
    assert summarize(document(rows))["default_rule"] == chosen
    assert summarize(document(rows[: -len(arms)]))["default_rule"] is None  # too few seeds


@pytest.fixture
def results():
    return json.loads((PAGE.parent / "results" / "halting.json").read_text())


def test_the_default_of_early_halting_is_the_one_that_the_study_found(results):
    summary = summarize(results)
    if summary["overall"][NEVER]["num_seeds"] < MIN_SEEDS:
        pytest.skip("the study is not finished: no default is drawn from it")
    (chosen,) = halting_arms(Settings())[summary["default_rule"]]
    default = EarlyHalting()
    assert type(default.rule) is type(chosen.rule)
    assert vars(default.rule) == vars(chosen.rule)


def test_the_page_shows_the_results_that_are_there(results):
    assert render(results, summarize(results)).rstrip() in PAGE.read_text()


@pytest.fixture
def waves_task(waves_npz):
    values = {"num_blocks": 1, "num_strided": 1, "kernel": 3, "growth": 1.0}
    student = {"width": 4, "stem_kernel": 3, "stem_stride": 2, **values}
    return Task("waves", load_data(waves_npz), student, teacher_width=8)


SMALL = Settings(epochs=4, fixed_epochs=2, teacher_epochs=3)


@pytest.mark.slow
def test_a_training_in_two_parts_is_the_one_with_early_halting(waves_task):
    teacher = build_teacher(waves_task.data.input_shape, waves_task.data.num_classes, width=8)
    runs = Runs(waves_task, SMALL, teacher)
    whole = runs.run(TRAINEE, 3)
    parts = whole.until(2).then(runs.run(LIVE, 3, first_epoch=2, state=whole.states[2]))
    student = waves_task.build_student(3)
    halting = EarlyHalting(rule="epoch", start_from_epoch=2)
    loss = {"temperature": 4.0, "student_loss_weight": 0.3, "trainee_loss_weight": 0.5}
    trained = distill(
        student, waves_task.data, SMALL.recipe(3), teacher=teacher, trainee="like_teacher", halting=halting, **loss
    )
    for name in ("teacher_divergence", "trainee_divergence", "student_loss"):
        assert parts.history[name] == pytest.approx(trained.history[name], rel=1e-2)


@pytest.mark.slow
def test_a_small_study_runs_goes_on_where_it_was_and_is_shown(waves_task, tmp_path):
    results, arms = tmp_path / "halting.json", [ALONE, "live teacher", "soft targets", NEVER, *halting_arms(SMALL)]
    Study(results, tmp_path, SMALL).run([waves_task], range(1))
    first = json.loads(results.read_text())["result"]["rows"]
    again = Study(results, tmp_path, SMALL)
    again.run([waves_task], range(2))
    assert again.rows[: len(arms)] == first
    assert [(r["seed"], r["arm"]) for r in again.rows] == [(seed, arm) for seed in range(2) for arm in arms]
    found = summarize(again.document)["data"]["waves"]
    assert found["trainee, fixed epoch"]["halted"]["trainee"] == [2, 2]
    # Half of the trainee's MACs and all of the teacher's, which stays; a trainee costs three times a teacher.
    assert found["trainee, fixed epoch"]["share_of_never"] == pytest.approx((1 + 3 / 2) / (1 + 3))
    assert found["soft targets"]["guide_macs"] == pytest.approx(found["live teacher"]["guide_macs"] / 4)
    assert "| trainee, fixed epoch |" in render(again.document, summarize(again.document))
    with pytest.raises(SystemExit, match="other settings"):
        Study(results, tmp_path, Settings())
