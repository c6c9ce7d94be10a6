"""Rules of early halting are found by name, also those that the package does not bring."""

import pytest

from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import DistillConfig
from kd_edge.distillation.halting import registry
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.halting.rules import Agreement, register_rule
from kd_edge.errors import ConfigError


@pytest.fixture
def registered():
    """A rule that halts when the divergence falls below `baseline`."""

    @register_rule("certain")
    class Certain:
        metric = "divergence"

        def __init__(self, baseline=0.1):
            self.baseline = baseline

        def reset(self):
            pass

        def reason(self, value, epoch):
            return f"divergence {value:g}" if value < self.baseline else None

    yield Certain
    del registry._RULES["certain"]


def test_a_rule_from_outside_is_made_with_those_arguments_that_it_names(registered):
    halting = EarlyHalting(rule="certain", baseline=0.5, patience=3, min_delta=0.2)
    assert type(halting.rule) is registered
    assert halting.rule.baseline == 0.5
    assert halting.monitor == "trainee_divergence"


def test_a_rule_from_outside_keeps_its_own_defaults(registered):
    assert EarlyHalting(rule="certain").rule.baseline == 0.1


def test_a_rule_from_outside_is_among_those_that_an_error_knows(registered):
    with pytest.raises(ConfigError, match="unknown halting rule 'certein'; did you mean 'certain'"):
        EarlyHalting(rule="certein")


def test_a_name_of_a_rule_is_not_taken_twice():
    with pytest.raises(ConfigError, match="cannot register the halting rule 'plateau': expected a new name"):
        register_rule("plateau")
    assert type(EarlyHalting(rule="agreement").rule) is Agreement


def test_a_run_with_an_unknown_rule_ends_before_anything_is_trained(waves_npz, tmp_path):
    from kd_edge.pipeline import run

    config = RunConfig(DataConfig(str(waves_npz)), BudgetConfig("nrf52840"), distill=DistillConfig(rule="platau"))
    with pytest.raises(ConfigError, match="unknown halting rule 'platau'; did you mean 'plateau'"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
