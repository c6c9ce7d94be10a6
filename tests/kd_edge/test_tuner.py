"""The search: no infeasible network is built, any oracle can be wrapped, and a search resumes."""

import keras_tuner
import pytest

from kd_edge.budget import Budget
from kd_edge.candidates import Candidate
from kd_edge.cost import CostModel
from kd_edge.data import load_data
from kd_edge.devices import load_device
from kd_edge.errors import BudgetError
from kd_edge.lowering import lower
from kd_edge.oracles import BudgetOracle
from kd_edge.space import StudentSpace
from kd_edge.teacher import build_teacher
from kd_edge.training import Recipe
from kd_edge.tuner import design

BOARD = load_device("nucleo-l4r5zi")


def oracles(space):
    hyperparameters = keras_tuner.HyperParameters()
    for name, options in space.choices.items():
        hyperparameters.Choice(name, list(options))
    common = {"objective": keras_tuner.Objective("val_accuracy", "max"), "hyperparameters": hyperparameters, "seed": 1}
    return {
        "random": keras_tuner.oracles.RandomSearchOracle(max_trials=6, **common),
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle(max_trials=6, num_initial_points=3, **common),
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


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


def test_a_search_keeps_the_budget_and_goes_on_where_it_was_interrupted(data, tmp_path):
    teacher = build_teacher(data.input_shape, data.num_classes, width=16)
    budget = Budget(20_000, 12_000, 5.0)
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
            teacher, data, device=BOARD, budget=budget, recipe=Recipe(1, 32), num_trials=3, teacher_ratio=5.0,
            directory=tmp_path, on_trial=on_trial,
        )  # fmt: skip

    with pytest.raises(InterruptedSearchError):
        search(stop_after=2)
    found = search(stop_after=None)
    assert trained == [1, 2, 3]
    assert len(found.candidates) == 3
    limit = lower(teacher).total_macs / 5
    assert all(c.cost.fits(budget) and c.cost.macs <= limit for c in found.candidates)
    assert found.chosen.accuracy == max(c.accuracy for c in found.candidates)
    assert found.chosen in found.front
    assert CostModel(BOARD).estimate(found.blueprint.to_graph()) == found.chosen.cost
    assert isinstance(found.chosen, Candidate)


def test_a_budget_without_a_network_ends_before_the_teacher_runs(data, tmp_path):
    teacher = build_teacher(data.input_shape, data.num_classes, width=16)
    with pytest.raises(BudgetError, match="RAM: the smallest candidate needs"):
        design(teacher, data, device=BOARD, budget=Budget(64_000, 500), directory=tmp_path)
    with pytest.raises(BudgetError, match="teacher ratio: the smallest candidate needs"):
        design(teacher, data, device=BOARD, budget=Budget(64_000, 50_000), teacher_ratio=1e6, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []
