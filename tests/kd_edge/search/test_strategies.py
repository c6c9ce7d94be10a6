"""Search strategies: one table, which code outside the package can add to."""

import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pytest

from kd_edge.config.choices import IMPORTANCES
from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import DesignConfig
from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.model import CostModel
from kd_edge.data.loading import load_data
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.results import Recipe
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.training import distill
from kd_edge.errors import ConfigError
from kd_edge.pipeline import run
from kd_edge.search import SearchStrategy, register_strategy
from kd_edge.search.checkpoint import finite_history
from kd_edge.search.oracles import BudgetOracle
from kd_edge.search.sizing import design, macs_limit
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.strategies import find_strategy, make_oracle, strategy_names
from kd_edge.search.weight_inheritance import WeightInheritance
from tflite_bench.provenance import provenance_of

BUDGET = Budget(4_600, 12_000)
MLP = StudentSpace.family("mlp", (20,), 4)


class WidestFirstOracle(keras_tuner.Oracle):
    """Proposes the last value of each choice, then the same with one choice at its first value, and stops."""

    def populate_space(self, trial_id):
        space = self.get_space().space
        first = len(self.trials) - 1
        if first == len(space):
            return {"status": "STOPPED", "values": None}
        values = {choice.name: choice.values[0 if i == first else -1] for i, choice in enumerate(space)}
        return {"status": "RUNNING", "values": values}


@pytest.fixture(scope="module")
def widest_first():
    strategy = SearchStrategy("widest_first", lambda wanted: WidestFirstOracle(max_trials=2, **wanted.common))
    register_strategy(strategy)
    return strategy


@pytest.fixture(scope="module")
def data(waves_npz):
    return load_data(waves_npz)


@pytest.fixture(scope="module")
def teacher(data):
    keras.utils.set_random_seed(3)
    layers = [keras.Input(data.input_shape)]
    for _ in range(2):
        layers += [keras.layers.Conv1D(16, 5, strides=2, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(data.num_classes)])


@pytest.fixture(scope="module")
def finished(data, teacher, widest_first, tmp_path_factory):
    """The folder of a search by a strategy from outside, what it found, the screening it was given, and the calls."""
    folder, calls = tmp_path_factory.mktemp("finished"), []
    screening = StudentSpace.from_teacher(teacher).screen(
        CostModel(load_device("nucleo-l4r5zi")), BUDGET, max_macs=macs_limit(teacher, 2.0), num_samples=100
    )
    found = design(
        teacher, data, device="nucleo-l4r5zi", budget=BUDGET, recipe=Recipe(2, 32, seed=5), search="widest_first",
        teacher_ratio=2.0, importance="l1", temperature=3.0, student_loss_weight=0.25, screening=screening,
        directory=folder, on_trial=lambda done, planned: calls.append((done, planned)),
    )  # fmt: skip
    return folder, found, screening, calls


def test_a_strategy_from_outside_proposes_what_fits_for_a_search(finished, teacher):
    _, found, screening, calls = finished
    assert calls == [(1, 2), (2, 2)]
    assert len(found.candidates) == 2
    assert all(c.cost.fits(BUDGET) and 2 * c.cost.macs <= macs_limit(teacher, 1.0) for c in found.candidates)
    assert found.num_costed == screening.num_costed <= 100


def test_the_training_that_a_search_tells_of_gives_the_very_student_that_it_keeps(finished, data, teacher):
    folder, found, _, _ = finished
    training = found.training
    assert (training.recipe, training.initial_epoch) == (Recipe(2, 32, seed=5), 0)
    assert (training.temperature, training.student_loss_weight) == (3.0, 0.25)
    assert max(training.history["val_accuracy"]) == found.chosen.accuracy
    keras.utils.set_random_seed(5)
    student = WeightInheritance(teacher, importance="l1").student(found.chosen.values, data.x_train)
    again = distill(
        student, data, training.recipe, teacher=soft_targets(teacher, data.x_train),
        temperature=training.temperature, student_loss_weight=training.student_loss_weight,
    )  # fmt: skip
    np.testing.assert_allclose(again.history["loss"], training.history["loss"], rtol=1e-5)
    kept = keras.models.load_model(folder / "student.keras", compile=False)
    for one, other in zip(again.model.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert provenance_of(training)["history.val_accuracy"] == "measured"
    assert provenance_of(training)["recipe.epochs"] == "given"


def test_a_search_of_another_training_is_another_search(finished, data, teacher):
    with pytest.raises(ConfigError, match="another importance, another temperature, another student loss weight: exp"):
        design(
            teacher, data, device="nucleo-l4r5zi", budget=BUDGET, recipe=Recipe(2, 32, seed=5), search="widest_first",
            teacher_ratio=2.0, screening=finished[2], directory=finished[0],
        )  # fmt: skip


def test_names_are_taken_once(widest_first):
    assert strategy_names()[:4] == ("random", "bayesian", "hyperband", "grid")
    assert find_strategy("widest_first") is widest_first
    with pytest.raises(ConfigError, match="cannot register the search 'grid': expected a new name"):
        register_strategy(SearchStrategy("grid", widest_first.make_oracle))
    with pytest.raises(ConfigError, match="unknown search 'widest_frist': did you mean 'widest_first'"):
        find_strategy("widest_frist")


def test_the_names_of_the_strategies_are_known_without_a_framework():
    code = (
        "import sys; from kd_edge.search.strategies import strategy_names; print(*strategy_names()); "
        "print({'keras_tuner', 'keras', 'tensorflow'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "random bayesian hyperband grid\nset()\n"


def test_a_wrapped_oracle_is_still_keras_tuners_and_shows_what_the_other_has(tmp_path):
    plain = make_oracle("random", MLP, num_trials=1, epochs=1, seed=0)
    oracle = BudgetOracle(plain, lambda values: True)
    assert isinstance(oracle, keras_tuner.Oracle)
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "wrapped")
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert oracle.create_trial("tuner0").status == "STOPPED"
    oracle.max_trials = 2
    assert (plain.verbose, plain.max_trials) == (0, 2)
    assert oracle.create_trial("tuner0").status == "RUNNING"
    assert list(oracle.trials) == ["0", "1"]
    with pytest.raises(AttributeError, match="'RandomSearchOracle' object has no attribute 'num_brackets'"):
        _ = oracle.num_brackets


def test_a_metric_that_is_not_finite_is_told_as_none():
    assert finite_history({"loss": [0.5, float("nan"), float("inf")]}) == {"loss": [0.5, None, None]}


def test_a_run_with_an_unknown_search_ends_before_anything_is_trained(waves_npz, tmp_path):
    config = RunConfig(DataConfig(str(waves_npz)), BudgetConfig("nucleo-l4r5zi"), design=DesignConfig(search="gird"))
    with pytest.raises(ConfigError, match="unknown search 'gird': did you mean 'grid'"):
        run(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_space_that_grid_search_could_not_step_through_is_refused_before_anything_is_made(data, tmp_path):
    teacher = build_teacher(data.input_shape, data.num_classes, width=16)
    space = StudentSpace.from_teacher(teacher)
    assert space.size > 100_000
    with pytest.raises(ConfigError, match=rf"by 'grid': expected at most 100,000 combinations, it has {space.size:,};"):
        design(teacher, data, device="nucleo-l4r5zi", search="grid", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_importance_is_refused_by_the_configuration():
    with pytest.raises(ConfigError, match="bad value for key 'importance': expected one of l1, batch_norm, received"):
        DesignConfig(importance="l2")


def test_the_configuration_knows_the_importances_that_weights_can_be_inherited_by(teacher):
    for importance in IMPORTANCES:
        WeightInheritance(teacher, importance=importance)
    with pytest.raises(ConfigError, match=f"unknown importance 'x': known: {', '.join(sorted(IMPORTANCES))}$"):
        WeightInheritance(teacher, importance="x")
