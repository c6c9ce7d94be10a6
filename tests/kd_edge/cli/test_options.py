"""How options of the data are written on the command line."""

import pytest

from kd_edge.cli.options import read_options
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
