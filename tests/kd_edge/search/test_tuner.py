"""The search: no infeasible network is built, any oracle can be wrapped, and a search resumes."""

import json
import resource
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.loading import load_data
from kd_edge.data.metrics.named_class import confusion_matrix, score_of
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.errors import BudgetError, ConfigError
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.layers.core import Dense
from kd_edge.ir.lowering import lower
from kd_edge.reporting.page.plots import plot_candidates
from kd_edge.reporting.tables.stages import design_tables
from kd_edge.search.checkpoint import PROJECT, claim_folder
from kd_edge.search.oracles import BudgetOracle
from kd_edge.search.results import Candidate, pareto_front, sort_candidates
from kd_edge.search.sizing import design
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.strategies import find_strategy, make_oracle
from kd_edge.search.tuner import SizingTuner
from kd_edge.search.weight_inheritance import WeightInheritance

BOARD = load_device("nucleo-l4r5zi")
# A third of the students of the small teacher below has more flash.
BUDGET = Budget(4_000, 12_000)


def oracles(space):
    hyperparameters = keras_tuner.HyperParameters()
    for name, options in space.choices.items():
        hyperparameters.Choice(name, list(options))
    common = {"objective": keras_tuner.Objective("val_accuracy", "max"), "hyperparameters": hyperparameters, "seed": 1}
    return {
        "random": keras_tuner.oracles.RandomSearchOracle(max_trials=6, **common),
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle(max_trials=6, num_initial_points=4, **common),
        "grid": keras_tuner.oracles.GridSearchOracle(max_trials=6, **common),
        "hyperband": keras_tuner.oracles.HyperbandOracle(max_epochs=4, factor=2, **common),
    }


@pytest.mark.parametrize("kind", ["random", "bayesian", "grid", "hyperband"])
def test_a_wrapped_oracle_proposes_only_what_fits(kind, tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)
    model, budget = CostModel(BOARD), Budget(6_000, 100_000)
    rejected = []

    def accepts(values):
        cost = model.estimate(space.blueprint(values).to_graph())
        fits = cost.fits(budget) and cost.macs > 1000
        if not fits:
            rejected.append(values)
        return fits

    oracle = BudgetOracle(oracles(space)[kind], accepts)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, kind)
    for number in range(6):
        trial = oracle.create_trial("tuner0")
        assert trial.status == "RUNNING"
        values = {name: trial.hyperparameters.values[name] for name in space.choices}
        assert model.estimate(space.blueprint(values).to_graph()).fits(budget)
        oracle.update_trial(trial.trial_id, {"val_accuracy": number / 10})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert rejected
    assert oracle.get_best_trials(1)[0].score == 0.5


def test_an_oracle_whose_proposals_never_fit_ends_the_search(tmp_path):
    oracle = BudgetOracle(oracles(StudentSpace.family("mlp", (20,), 4))["random"], lambda values: False, max_draws=50)
    oracle._set_project_dir(tmp_path, "none")
    assert oracle.create_trial("tuner0").status == "STOPPED"


def in_folder(oracle, folder):
    """Return an oracle that goes on in a folder if that holds the state of a search."""
    oracle.verbose = 0
    oracle._set_project_dir(folder, "search")
    if oracle.state_path.is_file():
        oracle.reload()
    return oracle


def try_one(oracle):
    """Have an oracle propose a candidate, and tell it that this was trained."""
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return trial.trial_id, trial.hyperparameters.values


@pytest.mark.parametrize("kind", ["random", "bayesian", "grid", "hyperband"])
def test_a_trial_that_was_being_proposed_or_ended_when_the_process_was_killed_is_there_once(kind, tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)

    def oracle():
        return in_folder(BudgetOracle(oracles(space)[kind], lambda values: True, identify=space.graph), tmp_path)

    first = oracle()
    ended = try_one(first)[0]
    state = json.loads(first.state_path.read_text())
    proposed = first.create_trial("tuner0")
    # As if the process had been killed before it wrote what is proposed, and what was under way.
    first.state_path.write_text(json.dumps(state | {"ongoing_trials": {"tuner0": ended}}))
    again = oracle()
    assert try_one(again) == (proposed.trial_id, proposed.hyperparameters.values)
    assert again.end_order == [ended, proposed.trial_id]


def test_the_trials_of_a_search_that_goes_on_are_in_their_order_and_not_in_that_of_the_file_system(tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)

    def oracle(folder):
        plain = keras_tuner.oracles.RandomSearchOracle(
            "val_accuracy", max_trials=30, seed=1, hyperparameters=oracles(space)["random"].hyperparameters
        )
        return in_folder(BudgetOracle(plain, lambda values: True), folder)

    first = oracle(tmp_path / "first")
    tried = [try_one(first)[0] for _ in range(30)]
    (tmp_path / "again" / "search").mkdir(parents=True)
    shutil.copy(first.state_path, tmp_path / "again" / "search")
    for trial_id in reversed(tried):
        name = f"trial_{trial_id}"
        shutil.copytree(tmp_path / "first" / "search" / name, tmp_path / "again" / "search" / name)
    assert list(oracle(tmp_path / "again").trials) == tried


def test_a_grid_search_that_was_interrupted_goes_on_after_its_latest_trial(tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)

    def tried(folder, count):
        oracle = BudgetOracle(oracles(space)["grid"], lambda values: sum(values.values()) % 3)
        oracle.verbose = 0
        oracle._set_project_dir(folder, "grid")
        if oracle.state_path.is_file():
            oracle.reload()
        found = []
        for _ in range(count):
            trial = oracle.create_trial("tuner0")
            found.append(trial.hyperparameters.values)
            oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
        return found

    parts = [*tried(tmp_path / "parts", 2), *tried(tmp_path / "parts", 1), *tried(tmp_path / "parts", 2)]
    assert parts == tried(tmp_path / "whole", 5)


def tried_by(oracle, folder):
    """Return the values of all trials of a search that goes on until nothing is left."""
    oracle.verbose = 0
    oracle._set_project_dir(folder, "tried")
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert trial.status == "STOPPED"
    return [trial.hyperparameters.values for trial in oracle.trials.values()]


def narrow_space():
    """A teacher of 12 hidden units: 7 factors on its width make three networks, of 4, 8 and 12."""
    sketch = Sketch((6,))
    sketch.add(Dense(12, activation="relu"))
    return StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(2))))


@pytest.mark.parametrize("kind", ["random", "bayesian", "grid"])
def test_no_network_is_tried_twice_and_a_space_without_another_one_is_exhausted(kind, tmp_path):
    space = narrow_space()
    assert space.size == 7
    oracle = BudgetOracle(
        oracles(space)[kind], lambda values: space.graph(values).total_macs > 4 * 8, identify=space.graph, max_draws=100
    )
    found = tried_by(oracle, tmp_path)
    assert sorted(space.graph(values).total_macs for values in found) == [8 * 8, 12 * 8]
    assert oracle.is_exhausted


def test_hyperband_ends_after_the_planned_number_of_trials_where_there_are_fewer_networks(tmp_path):
    sketch = Sketch((6,))
    sketch.add(Dense(8, activation="relu"))
    sketch.add(Dense(8, activation="relu"))
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(2))))
    plain = make_oracle("hyperband", space, num_trials=1, epochs=6, seed=0)
    oracle = BudgetOracle(plain, lambda values: True, identify=space.graph, max_draws=100)
    found = tried_by(oracle, tmp_path)
    # Of 112 combinations: both layers have 4 or 8 units.
    assert len(found) == find_strategy("hyperband").num_planned(oracle) > 4
    assert len({space.graph(values) for values in found[:4]}) == 4


def test_a_grid_search_steps_over_a_bounded_number_of_combinations_and_goes_on_with_what_is_known(tmp_path):
    space = StudentSpace.family("ds_cnn", (64, 6), 5)
    rng = np.random.default_rng(0)
    known, asked = [space.sample(rng) for _ in range(2)], []

    def accepts(values):
        asked.append(values)
        return False

    plain = make_oracle("grid", space, num_trials=2, epochs=1, seed=0)
    assert tried_by(BudgetOracle(plain, accepts, max_steps=20, known=known), tmp_path) == known
    # What grid search begins with; then the steps of each of both trials, the first one's twice.
    assert 40 <= len(asked) <= 1 + 3 * 20


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


def small_teacher(data):
    """A network of few layers, which are soon traced, that may become narrower, slower and of smaller windows."""
    layers = keras.layers
    return keras.Sequential([
        keras.Input(data.input_shape),
        layers.Conv1D(64, 9, strides=2, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.GlobalAveragePooling1D(), layers.Dense(data.num_classes),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def teacher(data):
    keras.utils.set_random_seed(3)
    return small_teacher(data)


def test_a_search_keeps_the_budget_and_goes_on_where_it_was_interrupted(data, teacher, tmp_path):
    budget = replace(BUDGET, latency_ms=0.5)
    trained = []

    class InterruptedSearchError(Exception):
        pass

    def search(stop_after):
        def on_trial(done, planned):
            assert planned == 3
            trained.append(done)
            if done == stop_after:
                raise InterruptedSearchError

        return design(
            teacher, data, device=BOARD, budget=budget, recipe=Recipe(1, 32), num_trials=3, teacher_ratio=8.0,
            directory=tmp_path, on_trial=on_trial,
        )  # fmt: skip

    with pytest.raises(InterruptedSearchError):
        search(stop_after=2)
    found = search(stop_after=None)
    assert trained == [1, 2, 3]
    assert len(found.candidates) == 3
    limit = lower(teacher).total_macs / 8
    assert all(c.cost.fits(budget) and c.cost.macs <= limit for c in found.candidates)
    assert found.chosen.accuracy == max(c.accuracy for c in found.candidates)
    assert found.chosen in found.front
    assert CostModel(BOARD).estimate(found.blueprint.to_graph()) == found.chosen.cost
    assert isinstance(found.chosen, Candidate)


def search(teacher, data, directory, **settings):
    common = {"device": "nucleo-l4r5zi", "budget": BUDGET, "recipe": Recipe(1, 32), "num_trials": 1}
    return design(teacher, data, directory=directory, **common | settings)


@pytest.fixture(scope="module")
def finished(data, teacher, tmp_path_factory):
    """The folder of a search with one candidate, and what it found."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, search(teacher, data, folder)


def test_candidates_are_ranked_by_the_objective_on_validation_samples(data, teacher, tmp_path):
    found = search(teacher, data, tmp_path, num_trials=2, objective="macro_f1")
    assert found.objective == "macro_f1"
    student = keras.models.load_model(tmp_path / "student.keras", compile=False)
    named = student.predict(data.x_val, verbose=0).argmax(axis=1)
    assert found.chosen.score == pytest.approx(float(score_of(confusion_matrix(named, data.y_val, 4), "macro_f1")))
    assert found.chosen.accuracy == pytest.approx(np.mean(named == data.y_val), abs=1e-6)
    assert found.chosen.score == max(candidate.score for candidate in found.candidates)
    table = list(design_tables({**asdict(found), "device": "b", "budget": asdict(BUDGET)}))[-1]
    assert "macro f1" in [column.header for column in table.columns]


def test_what_ranks_is_what_was_asked_for_and_an_unknown_objective_is_named(data, teacher, tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)
    cost = CostModel(BOARD).estimate(space.graph({name: options[0] for name, options in space.choices.items()}))
    first, second = Candidate({"a": 1}, cost, 0.9, "0", score=0.3), Candidate({"a": 2}, cost, 0.6, "1", score=0.5)
    assert sort_candidates([first, second]) == (second, first)
    assert pareto_front([first, second]) == (second,)
    with pytest.raises(ConfigError, match="unknown objective 'f1': known: accuracy, balanced_accuracy, macro_f1"):
        search(teacher, data, tmp_path, objective="f1")


def test_a_search_of_fewer_networks_than_trials_says_so_and_ends_with_what_there_is(data, tmp_path, capsys):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(data.input_shape)
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(inputs))
    small, ended = keras.Model(inputs, keras.layers.Dense(data.num_classes)(hidden)), []
    found = search(
        small, data, tmp_path, num_trials=5, budget=Budget(200_000, 100_000),
        on_trial=lambda done, planned: ended.append((done, planned)),
    )  # fmt: skip
    # The 7 factors on 8 hidden units make 4 or 8 of them.
    assert len(found.candidates) == found.num_costed == found.num_feasible == 2
    assert ended == [(1, 5), (2, 5), (2, 2)]
    said = "note: 2 of 5 candidates are trained: no other network of the space was found within the limits\n"
    assert said in capsys.readouterr().err


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished search's folder."""
    return shutil.copytree(finished[0], tmp_path / "search")


def test_a_search_derives_its_students_from_the_teacher_and_keeps_the_one_it_trained(data, teacher, finished):
    folder, found = finished
    assert found.space == "from_teacher"
    assert set(found.chosen.values) == set(StudentSpace.from_teacher(teacher).choices)
    student = keras.models.load_model(folder / "student.keras", compile=False)
    assert lower(student) == found.blueprint.to_graph()
    right = np.mean(student.predict(data.x_val, verbose=0).argmax(axis=1) == data.y_val)
    assert right == pytest.approx(found.chosen.accuracy, abs=1e-6)
    assert found.shares["ram_bytes"] == found.chosen.cost.ram_bytes / 12_000
    assert found.num_over["flash_bytes"] + found.num_feasible == found.num_costed


def test_a_candidate_of_a_later_round_goes_on_from_the_weights_of_its_trial(data, teacher, folder):
    space = StudentSpace.from_teacher(teacher)
    tuner = SizingTuner(
        make_oracle("random", space, num_trials=1, epochs=1, seed=0), space=space,
        targets=soft_targets(teacher, data.x_train), recipe=Recipe(3), inheritance=WeightInheritance(teacher),
        directory=str(folder), project_name=PROJECT,
    )  # fmt: skip
    values = json.loads((folder / PROJECT / "trial_0" / "trial.json").read_text())["hyperparameters"]["values"]
    student = keras.models.load_model(folder / "student.keras", compile=False)
    going_on = tuner.start({**values, "tuner/trial_id": "0"}, data)
    starting = tuner.start(values, data)
    for kept, weight, fresh in zip(student.weights, going_on.weights, starting.weights, strict=True):
        np.testing.assert_array_equal(kept, weight)
        assert kept.shape == fresh.shape
    inherited = WeightInheritance(teacher).student(values, data.x_train)
    for one, other in zip(starting.weights, inherited.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_what_was_found_is_told_with_what_binds_and_drawn(finished, tmp_path):
    found = finished[1]
    result = asdict(found) | {"device": "nucleo-l4r5zi", "budget": asdict(BUDGET)}
    text = " ".join(part for part in design_tables(result) if isinstance(part, str))
    share = found.chosen.cost.ram_bytes / BUDGET.ram_bytes
    assert f"{share:.0%} of the RAM" in text
    binding = "the RAM" if share > found.chosen.cost.flash_bytes / BUDGET.flash_bytes else "the flash"
    assert f"{binding} binds first" in text
    assert plot_candidates(result, tmp_path / "pareto.png").stat().st_size > 5000


def test_a_folder_of_another_search_is_refused_with_what_differs(data, teacher, folder):
    other = small_teacher(data)
    with pytest.raises(ConfigError, match="holds the search of another teacher: expected the same"):
        search(other, data, folder)
    with pytest.raises(ConfigError, match="another data, another recipe: expected"):
        search(teacher, replace(data, x_train=data.x_train + 1), folder, recipe=Recipe(2, 32))
    with pytest.raises(ConfigError, match=r"another space: expected the same; choose another folder \(--output\)"):
        search(teacher, data, folder, space=StudentSpace.family("resnet", data.input_shape, data.num_classes))
    (folder / "search_of.json").unlink()
    with pytest.raises(ConfigError, match="a search of unknown origin"):
        search(teacher, data, folder)
    assert len(search(other, data, folder, overwrite=True).candidates) == 1


@pytest.mark.parametrize("content", ["5", "null", "[1]", '"a"', "{"])
def test_what_a_search_is_of_is_an_object_or_refused_in_one_line(content, tmp_path):
    (tmp_path / "search_of.json").write_text(content)
    with pytest.raises(
        ConfigError, match=r"cannot read .*search_of.json: expected a JSON object, received .*overwrite"
    ):
        claim_folder(tmp_path, {"data": "x"})


def test_a_finished_search_trains_no_more_unless_more_trials_are_asked_for(data, teacher, folder):
    ended = []
    search(teacher, data, folder, on_trial=lambda done, planned: ended.append((done, planned)))
    assert ended == []
    found = search(teacher, data, folder, num_trials=2, on_trial=lambda done, planned: ended.append((done, planned)))
    assert ended == [(2, 2)]
    assert len(found.candidates) == 2


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x80
    path.write_bytes(content)


def test_a_candidate_that_goes_on_from_a_lost_one_waits_for_it_whoever_asks(tmp_path):
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.Choice("width", list(range(1, 40)))
    objective = keras_tuner.Objective("val_accuracy", "max")

    def begun():
        wrapped = keras_tuner.oracles.HyperbandOracle(
            objective, max_epochs=9, factor=3, hyperparameters=hyperparameters, seed=1
        )
        oracle = BudgetOracle(wrapped, lambda values: True)
        oracle._set_project_dir(tmp_path, "search")
        oracle.verbose = 0
        return oracle

    def end(oracle, trial):
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)

    oracle = begun()
    while "tuner/trial_id" not in (child := oracle.create_trial("one")).hyperparameters.values:
        end(oracle, child)
    end(oracle, child)
    parent = child.hyperparameters.values["tuner/trial_id"]
    resumed = begun()
    resumed.reload()
    resumed.train_again([parent, child.trial_id])
    first, other = resumed.create_trial("one"), resumed.create_trial("two")
    assert (first.trial_id, other.status) == (parent, "IDLE")
    end(resumed, first)
    assert resumed.create_trial("two").trial_id == child.trial_id


@pytest.mark.parametrize("name", ["student.npz", "training.json"])
@pytest.mark.parametrize("damage", [Path.unlink, halve, flip])
def test_a_finished_candidate_whose_files_are_gone_or_damaged_is_trained_again_to_the_same_student(
    name, damage, data, teacher, finished, folder, capsys
):
    before, ended = folder / PROJECT / "trial_0" / name, []
    damage(before)
    found = search(teacher, data, folder, on_trial=lambda done, planned: ended.append((done, planned)))
    assert ended == [(1, 1)]
    assert "note: files of 1 of 1 candidates are gone or damaged: these are trained again\n" in capsys.readouterr().err
    assert found.candidates == finished[1].candidates
    one, other = (keras.models.load_model(at / "student.keras", compile=False) for at in (folder, finished[0]))
    for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_candidate_that_is_trained_again_is_so_too_where_that_was_interrupted(data, teacher, finished, folder):
    (folder / PROJECT / "trial_0" / "student.npz").unlink()

    def interrupt(*args):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SizingTuner, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            search(teacher, data, folder)
    assert search(teacher, data, folder).candidates == finished[1].candidates
    assert (folder / PROJECT / "trial_0" / "student.npz").is_file()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("trial_0", shutil.rmtree),
        ("trial_0/trial.json", halve),
        ("trial_0/trial.json", lambda path: path.write_text("")),
        ("trial_0/trial.json", lambda path: path.write_text("{}")),
        ("oracle.json", halve),
        ("oracle.json", lambda path: path.write_text("{}")),
    ],
)
def test_a_search_that_has_lost_what_its_candidates_are_says_which_folder_is_in_the_way(
    name, damage, data, teacher, finished, folder
):
    damage(folder / PROJECT / name)
    with pytest.raises(ConfigError, match=r"cannot read .*; remove .*/trials, and the same call trains") as caught:
        search(teacher, data, folder)
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder / PROJECT)
    assert search(teacher, data, folder).candidates == finished[1].candidates


def test_what_the_teacher_said_is_asked_again_where_its_file_is_damaged(data, teacher, folder):
    content = (folder / "targets.npy").read_bytes()
    halve(folder / "targets.npy")
    search(teacher, data, folder)
    assert (folder / "targets.npy").read_bytes() == content


def test_a_search_goes_on_under_whichever_name_keras_tuner_has_for_the_process(data, teacher, folder, monkeypatch):
    """A search with workers is that of a tuner called chief."""
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    ended = []
    search(teacher, data, folder, on_trial=lambda done, planned: ended.append((done, planned)))
    assert ended == []


def test_a_full_disk_is_one_line_and_the_search_goes_on_afterwards(data, teacher, tmp_path):
    """A limit on the size of files stands in for the disk: the weights do not fit, all that is smaller does."""
    dense = {"space": StudentSpace.family("mlp", data.input_shape, data.num_classes), "budget": Budget(20_000, 12_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, hard))
    try:
        with pytest.raises(ConfigError, match=r"cannot write .*student.npz: ") as caught:
            search(teacher, data, tmp_path, **dense)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert len(search(teacher, data, tmp_path, **dense).candidates) == 1


@pytest.mark.parametrize("epochs", [2, 3, 6, 10])
def test_hyperband_ends_after_the_planned_number_of_trials(epochs, tmp_path):
    space = StudentSpace.family("ds_cnn", (32, 3), 4)
    oracle = BudgetOracle(make_oracle("hyperband", space, num_trials=1, epochs=epochs, seed=0), lambda values: True)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "plan")
    count = 0
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        count += 1
        oracle.update_trial(trial.trial_id, {"val_accuracy": count / 100})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert count == find_strategy("hyperband").num_planned(oracle)


def test_hyperband_trains_the_better_candidates_longer(data, teacher, tmp_path):
    found = search(teacher, data, tmp_path, search="hyperband", recipe=Recipe(3, 32))
    trials = [json.loads(path.read_text()) for path in (tmp_path / PROJECT).glob("trial_*/trial.json")]
    epochs = sorted(trial["hyperparameters"]["values"]["tuner/epochs"] for trial in trials)
    # Two brackets: three candidates for one epoch, the best of them for three; and two for three at once.
    assert epochs == [1, 1, 1, 3, 3, 3]
    scores = {trial["trial_id"]: trial["score"] for trial in trials}
    (goes_on,) = [t for t in trials if "tuner/trial_id" in t["hyperparameters"]["values"]]
    values = goes_on["hyperparameters"]["values"]
    first = [t["trial_id"] for t in trials if t["hyperparameters"]["values"]["tuner/epochs"] == 1]
    assert scores[values["tuner/trial_id"]] == max(scores[trial_id] for trial_id in first)
    assert len(found.candidates) == 5
    for weights in (tmp_path / PROJECT).glob("trial_*/student.npz"):
        weights.unlink()
    assert search(teacher, data, tmp_path, search="hyperband", recipe=Recipe(3, 32)).candidates == found.candidates


def test_an_unknown_search_is_named():
    with pytest.raises(ConfigError, match="unknown search 'hyperbend': did you mean 'hyperband'"):
        make_oracle("hyperbend", StudentSpace.family("mlp", (20,), 4), num_trials=1, epochs=1, seed=0)


def test_candidates_that_the_screening_knew_follow_when_no_draw_passes(tmp_path):
    space = StudentSpace.family("mlp", (20,), 4)
    known = [{"width": 8, "num_layers": 1, "growth": 0.5}, {"width": 16, "num_layers": 1, "growth": 0.5}]
    plain = make_oracle("random", space, num_trials=5, epochs=1, seed=0)
    oracle = BudgetOracle(plain, lambda values: False, max_draws=10, known=known)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "known")
    trials = []
    for _ in range(3):
        trials.append(oracle.create_trial("tuner0"))
        oracle.ongoing_trials.clear()
    assert [trial.hyperparameters.values for trial in trials[:2]] == known
    assert trials[2].status == "STOPPED"


def test_of_a_network_that_was_trained_twice_the_better_training_counts():
    cost = CostModel(BOARD).estimate(StudentSpace.family("mlp", (20,), 4).blueprint(
        {"width": 8, "num_layers": 1, "growth": 0.5}
    ).to_graph())  # fmt: skip
    slower = replace(cost, latency_ms=2 * cost.latency_ms)
    first, again = Candidate({"width": 8}, cost, 0.5, "0"), Candidate({"width": 8}, cost, 0.7, "1")
    other = Candidate({"width": 16}, slower, 0.7, "2")
    worse = Candidate({"width": 24}, slower, 0.6, "3")
    better = Candidate({"width": 32}, slower, 0.8, "4")
    ranked = sort_candidates([first, again, other, worse, better])
    assert [candidate.trial for candidate in ranked] == ["4", "1", "2", "3"]
    assert [candidate.trial for candidate in pareto_front(ranked)] == ["4", "1"]


def test_networks_of_other_hyperparameters_are_one_candidate():
    space = narrow_space()
    cost = CostModel(BOARD).estimate(space.graph({"width": 0.125}))
    first, again = (Candidate({"width": width}, cost, 0.5, str(width)) for width in (0.125, 0.25))
    other = Candidate({"width": 1.0}, cost, 0.4, "1.0")
    assert sort_candidates([first, again, other], identify=space.graph) == (first, other)


def test_a_budget_without_a_network_ends_before_the_teacher_runs(data, teacher, tmp_path):
    with pytest.raises(BudgetError, match="RAM: the smallest candidate needs"):
        design(teacher, data, device=BOARD, budget=Budget(64_000, 500), directory=tmp_path)
    with pytest.raises(BudgetError, match="teacher ratio: the smallest candidate needs"):
        design(teacher, data, device=BOARD, budget=Budget(64_000, 50_000), teacher_ratio=1e6, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []
