"""Samples and groups that stand in more than one split are told of."""

import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.data.loading import load_data
from kd_edge.errors import DataWarning


@pytest.fixture
def save(tmp_path):
    """Return a function that writes a set of 40, 8 and 12 samples whose test samples begin with others."""

    def write(*, of_train=0, of_val=0, **more):
        rng = np.random.default_rng(0)
        arrays = dict(more)
        for split, count in (("train", 40), ("val", 8), ("test", 12)):
            arrays[f"x_{split}"] = rng.normal(size=(count, 8, 3)).astype("float32")
            arrays[f"y_{split}"] = np.arange(count) % 4
        arrays["x_test"][:of_train] = arrays["x_train"][:of_train]
        arrays["x_test"][of_train : of_train + of_val] = arrays["x_val"][:of_val]
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return path

    return write


def test_samples_of_the_training_and_the_validation_among_those_of_the_test_are_counted(save):
    with pytest.warns(DataWarning, match="3 of 12 test samples are training samples too; 2 of 12 test samples are val"):
        data = load_data(save(of_train=3, of_val=2))
    assert "3 of 12 test samples are training samples too" in data.description


def test_splits_that_share_nothing_are_not_spoken_of(save):
    groups = {"group_train": np.arange(40) % 5, "group_test": np.arange(12) % 2 + 5}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert "too" not in load_data(save(**groups)).description


def test_groups_of_the_training_in_the_test_are_counted(save):
    groups = {"group_train": np.arange(40) % 5, "group_test": np.arange(12) % 4 + 3}
    with pytest.warns(DataWarning, match="2 of 4 groups of the test samples are in training too"):
        load_data(save(**groups))


@pytest.mark.filterwarnings("always::kd_edge.errors.DataWarning")
def test_a_command_says_it_in_one_line(save, tmp_path):
    done = CliRunner().invoke(main, ["samples", "--data", str(save(of_train=12)), "-o", str(tmp_path / "out")])
    assert (done.exit_code, done.exception) == (0, None)
    assert "warning: set: 12 of 12 test samples are training samples too" in done.stderr
