"""A sweep's search goes on in its folder until each budget of now has its candidates, whatever was tried before."""

import pytest

from kd_edge.config.inputs import BudgetConfig
from kd_edge.search.space.student_space import StudentSpace
from kd_edge.search.strategies import make_oracle
from kd_edge.sweep.cells import cells_of
from kd_edge.sweep.oracle import SweepOracle
from kd_edge.sweep.screening import screen_cells
from kd_edge.sweep.wanted import SweepConfig

SPACE = StudentSpace.family("mlp", (20,), 4)
WIDE = StudentSpace.family("ds_cnn", (32, 32, 1), 4)
NUM_TRIALS = 2


def cells(flash):
    wanted = cells_of(SweepConfig("rp2040", flash=flash), BudgetConfig("rp2040"))
    return screen_cells(wanted, SPACE, beside_bytes=0, max_macs=1e12, num_trials=NUM_TRIALS, seed=0)[0]


def tried(search, own, folder):
    """Return what a search in a folder tries for cells, as keras-tuner goes on with it there."""
    plain = make_oracle(search, SPACE, num_trials=NUM_TRIALS * len(own), epochs=1, seed=0)
    oracle = SweepOracle(plain, own, num_trials=NUM_TRIALS, identify=SPACE.graph)
    return [{name: values[name] for name in SPACE.choices} for values in trials_of(oracle, folder / search)]


def trials_of(oracle, folder):
    """Return the values of each trial of an oracle that goes on in a folder."""
    oracle.verbose = 0
    oracle._set_project_dir(folder, "search")
    if oracle.state_path.is_file():
        oracle.reload()
    return rest_of(oracle)


def rest_of(oracle):
    """Return the values of each trial that an oracle has yet."""
    found = []
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        found.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert trial.status == "STOPPED"
    return found


@pytest.mark.parametrize("search", ["random", "bayesian", "grid"])
@pytest.mark.parametrize(("before", "now"), [("100k", "6k"), ("6k", "100k")])
def test_budgets_that_were_exchanged_get_as_many_candidates_of_their_own(search, before, now, tmp_path):
    known = []
    for flash in (before, now):
        (own,) = cells(flash)
        have = sum(own.wants(values) for values in known)
        new = tried(search, [own], tmp_path)
        assert have < NUM_TRIALS
        assert (len(new), sum(own.wants(values) for values in new)) == (NUM_TRIALS - have,) * 2
        known += new
    assert len({tuple(values.items()) for values in known}) == len(known)
    assert tried(search, cells(now), tmp_path) == []
    assert tried(search, cells(f"{before},{now}"), tmp_path) == []


def test_the_share_that_is_done_is_of_what_has_ended(tmp_path):
    own, shares = cells("100k"), []
    plain = make_oracle("random", SPACE, num_trials=NUM_TRIALS, epochs=1, seed=0)
    oracle = SweepOracle(plain, own, num_trials=NUM_TRIALS, on_end=lambda share, done: shares.append(share))
    found = trials_of(oracle, tmp_path)
    oracle.train_again(list(oracle.trials))
    assert rest_of(oracle) == found
    assert shares == [0.5, 1.0, 0.5, 1.0]


RARE = {name: options[0] for name, options in WIDE.choices.items()}


def is_rare(values):
    return all(values[name] == value for name, value in RARE.items())


class AnyNetwork:
    """A cell that wants each combination."""

    def wants(self, values):
        return True

    def known(self):
        return [RARE]


def test_hyperband_takes_what_the_screening_has_found_before_it_takes_a_network_again(tmp_path):
    """One combination is a network of its own, which 500 draws do not meet, and all others are the same one."""
    plain = make_oracle("hyperband", WIDE, num_trials=NUM_TRIALS, epochs=1, seed=0)
    oracle = SweepOracle(plain, [AnyNetwork()], num_trials=NUM_TRIALS, identify=is_rare)
    found = trials_of(oracle, tmp_path)
    assert [is_rare(trial) for trial in found] == [False, True]
