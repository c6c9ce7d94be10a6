"""The study of teaching and halting: its arithmetic, its file, its page and the defaults that it found."""

import json
import math
import re
from pathlib import Path

import pytest
import tensorflow as tf

from kd_edge.distillation.halting.early_halting import EarlyHalting
from tools.studies.halting import gain, leaving
from tools.studies.halting.averages import averaged
from tools.studies.halting.networks import State
from tools.studies.halting.pages import render
from tools.studies.halting.results import MIN_SEEDS, RULES, default_rule, difference, summarize
from tools.studies.halting.rows import Rows, dumped
from tools.studies.halting.tasks import TASKS
from tools.studies.paired import paired

PAGE = Path(__file__).parents[2] / "docs" / "halting.md"


def test_the_interval_is_that_of_the_paired_t_test():
    mean, half_width = paired([0.9, 0.8, 0.7], [0.8, 0.8, 0.5])
    # Differences 10, 0 and 20 points: mean 10, deviation 10; the quantile for 2 degrees of freedom is 4.303.
    assert mean == pytest.approx(10)
    assert half_width == pytest.approx(4.303 * 10 / math.sqrt(3))


def test_one_seed_has_no_interval():
    assert paired([0.9], [0.8]) == (pytest.approx(10), None)


def test_a_seed_that_lacks_a_side_does_not_count():
    assert difference({0: 0.6, 1: 0.9}, {0: 0.5})["points"] == pytest.approx(10)
    assert difference({0: 0.6}, {1: 0.5}) is None


def of_rule(saved, points, num_seeds=MIN_SEEDS):
    return {"macs_saved_share": saved, "against_never": {"points": points, "half_width": 0.1, "num_seeds": num_seeds}}


@pytest.mark.parametrize(("points", "chosen"), [(-0.1, "gradient"), (-0.3, "plateau 5 %")])
def test_the_default_saves_most_without_losing_more_than_the_limit(points, chosen):
    rules = {
        "gradient": of_rule(0.9, points),
        "agreement 80 %": None,
        "plateau 5 %": of_rule(0.6, 0.0),
        "fixed epoch": of_rule(0.95, 0.0),
        leaving.FROM_THE_START: of_rule(0.99, 0.0),
    }
    assert default_rule(rules) == chosen
    assert default_rule({chosen: of_rule(0.9, 0.0, num_seeds=MIN_SEEDS - 1)}) is None


def gain_row(side, arm, seed, test):
    return {"part": "gain", "set": "har", "labels": "all", "side": side, "arm": arm, "seed": seed, "test": test}


def test_the_gain_of_a_set_is_distilled_less_alone_at_the_best_of_each():
    plan = {"rate": 0.06, "augment": "none", "epochs": 40, "val": 0.8}
    rows = [gain_row(gain.ALONE, gain.BEST, seed, 0.8) | plan for seed in (0, 1)]
    rows += [gain_row(gain.DISTILLED, gain.BEST, seed, test) | plan for seed, test in ((0, 0.81), (1, 0.83))]
    summary = summarize(rows)
    assert summary["gain"]["har"]["all"]["gain"]["points"] == pytest.approx(2)
    assert summary["mean_gain_points"] is None  # the other sets are missing


def test_what_is_handed_on_is_the_better_one_on_validation_samples():
    plan = {"rate": 0.06, "augment": "none", "epochs": 40}
    rows = [gain_row(gain.ALONE, gain.BEST, seed, 0.8) | plan | {"val": 0.7} for seed in (0, 1)]
    distilled = ((0, 0.9, 0.69), (1, 0.76, 0.71))  # better where it is not chosen, worse where it is
    rows += [gain_row(gain.DISTILLED, gain.BEST, s, test) | plan | {"val": val} for s, test, val in distilled]
    handed_on = summarize(rows)["gain"]["har"]["all"]["gain_handed_on"]
    assert handed_on["points"] == pytest.approx((0 - 4) / 2)


def test_an_average_keeps_its_share_of_weights_and_statistics_and_counts_as_they_are():
    states = [State(tf.constant([w]), None, None, (tf.constant([2 * w]), tf.constant([9]))) for w in (1.0, 3.0)]
    first, second = averaged(states, 0.75)
    assert float(first.weights[0]) == 1.0
    assert (float(second.weights[0]), float(second.others[0][0]), int(second.others[1][0])) == (1.5, 3.0, 9)


def test_the_default_gains_on_both_sides_alike():
    rows = [
        gain_row(side, arm, 0, test)
        for side, new, old in ((gain.ALONE, 0.8, 0.7), (gain.DISTILLED, 0.9, 0.7))
        for arm, test in ((gain.DEFAULT, new), (gain.TODAY, old))
    ]
    assert summarize(rows)["gain"]["har"]["all"]["default"]["points"] == pytest.approx(15)


def test_what_a_rule_saves_and_loses_is_the_mean_over_the_sets():
    def row(name, arm, test, macs):
        return {"part": "halting", "set": name, "seed": 0, "arm": arm, "test": test, "guide_macs": macs, "halted": 4}

    rows = [row("har", "never", 0.9, 100), row("har", "gradient", 0.91, 10)]
    rows += [row("watch", "never", 0.8, 200), row("watch", "gradient", 0.77, 100)]
    rule = summarize(rows)["rules"]["gradient"]
    assert rule["macs_saved_share"] == pytest.approx((0.9 + 0.5) / 2)
    assert rule["against_never"]["points"] == pytest.approx((1 - 3) / 2)


def test_a_row_is_made_once_and_kept(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return {"test": 0.123456789}

    path = tmp_path / "results.json"
    for _ in range(2):
        row = Rows(path, tmp_path / "locks").once(make, part="gain", set="har", seed=1)
    assert made == [0]
    assert row == {"part": "gain", "set": "har", "seed": 1, "test": 0.12346}
    document = json.loads(path.read_text())
    assert document["result"]["rows"] == [row]
    assert re.match(r"20\d\d-\d\d-\d\d, \w", document["made"]["gain, har"])


def test_a_job_has_one_process(tmp_path):
    rows = Rows(tmp_path / "results.json", tmp_path / "locks")
    with rows.claimed("job") as mine, rows.claimed("job") as theirs, rows.claimed("other") as another:
        assert (mine, theirs, another) == (True, False, True)
    with rows.claimed("job") as again:
        assert again


def test_a_file_of_rows_has_one_line_for_each():
    document = {"a": 1, "result": {"rows": [{"x": 1}, {"x": 2}]}}
    assert json.loads(dumped(document)) == document
    assert sum('"x"' in line for line in dumped(document).splitlines()) == 2


@pytest.fixture
def results():
    return json.loads((PAGE.parent / "results" / "halting.json").read_text())


def test_the_summary_is_that_of_the_rows(results):
    assert results["summary"] == json.loads(json.dumps(summarize(results["result"]["rows"])))


def test_the_page_shows_the_results_that_are_there(results):
    assert render(results).rstrip() in PAGE.read_text()


def test_the_default_of_early_halting_is_the_one_that_the_study_found(results):
    chosen = results["summary"]["default_rule"]
    if chosen is None:
        pytest.skip("the study is not finished: no default is drawn from it")
    found, default = leaving.rules()[chosen], EarlyHalting().rule
    default.reset()
    assert type(default) is type(found)
    assert vars(default) == vars(found)


def test_no_teacher_has_less_than_fifty_times_the_students_macs(results):
    shapes = {"fashion-2000": ((28, 28, 1), 10), "har": ((128, 9), 6), "watch": ((128, 6), 7)}
    teachers = {row["set"]: row for row in results["result"]["rows"] if row["part"] == "teacher"}
    known = {name: teacher for name in shapes if (teacher := teachers.get(TASKS[name].teacher_task or name))}
    assert known
    for name, teacher in known.items():
        shape, num_classes = shapes[name]
        assert teacher["macs"] >= 50 * TASKS[name].network(shape, num_classes).to_graph().total_macs


def test_the_rules_are_those_of_the_package():
    assert RULES[0] == "gradient"
    assert {type(rule).__name__ for rule in leaving.rules().values()} == {
        "GradientRule",
        "Agreement",
        "Plateau",
        "FixedEpoch",
    }
