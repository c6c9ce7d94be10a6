"""How options of the data are written on the command line."""

import pytest
from click.testing import CliRunner

from kd_edge.cli import main
from kd_edge.cli.options import read_class_weight, read_options
from kd_edge.errors import ConfigError


def test_names_of_columns_are_words_also_where_they_look_like_numbers():
    options = read_options(["label=784", "group=true", "ignore=0,1", "split='2'"])
    assert (options.label, options.group, options.split, options.ignore) == ("784", "true", "2", ["0", "1"])


def test_units_are_a_list_of_words():
    assert read_options(["task=regression", "units=m/s,K"]).units == ["m/s", "K"]
    assert read_options(["task=regression", "units=m"]).units == ["m"]


def test_numbers_stay_numbers():
    options = read_options(["window=128", "seconds=1", "skip_bad=true", "image_size=96,64", "test_share=0.3"])
    assert (options.window, options.seconds, options.skip_bad) == (128, 1.0, True)
    assert (options.image_size, options.test_share) == ([96, 64], 0.3)
    with pytest.raises(ConfigError, match=r"key 'window': expected int, received 1\.5"):
        read_options(["window=1.5"])


def test_what_is_given_twice_is_refused():
    with pytest.raises(ConfigError, match="bad --data-option: received 'window' twice"):
        read_options(["window=2", "hop=1", "window=3"])
    with pytest.raises(ConfigError, match="bad --class-weight: received 'a' twice"):
        read_class_weight("a=1,b=3,a=2")


def test_lists_hold_words():
    with pytest.raises(ConfigError, match="key 'ignore', item 0: expected str, received 1"):
        read_options(["ignore=[1,2]"])


@pytest.mark.parametrize("output", [".", "teacher", "../data"])
def test_samples_for_a_teacher_are_not_written_among_the_data(tmp_path, monkeypatch, output):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    done = CliRunner().invoke(main, ["samples", "--data", ".", "-o", output])
    assert isinstance(done.exception, SystemExit)
    assert "bad --output: expected a folder that is not in that of the data, ., received" in done.stderr
