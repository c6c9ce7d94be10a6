"""Metadata that are JSON and not what `describe` writes."""

from dataclasses import asdict

import pytest

from kd_edge.conversion.metadata import NAME, add_metadata, read_metadata
from kd_edge.data.front_end import FrontEnd
from kd_edge.errors import ModelError
from tflite_bench.calibration.network_writer import SyntheticNetwork

BINARY = {"task": "binary", "names": ["no", "yes"], "threshold": 0.5}
REGRESSION = {"task": "regression", "names": ["weight"], "units": ["g"], "mean": [5.0], "deviation": [2.0]}
SOUND = asdict(FrontEnd())


def without(said, name):
    return {key: value for key, value in said.items() if key != name}


def told(description):
    network = SyntheticNetwork((4,))
    network.dense(1)
    return read_metadata(add_metadata(network.to_bytes(), description))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"class_names": "ab"}, "expected a list of texts for class_names, received 'ab'"),
        ({"provenance": "mine"}, "expected an object for provenance, received 'mine'"),
        ({"input": {"mean": [1.0]}}, ", input: expected deviation, received only mean"),
        ({"input": {"meaning": 1}}, ", input: expected text for meaning, received 1"),
        ({"output": without(BINARY, "threshold")}, ", output: expected threshold, received only task, names"),
        ({"output": BINARY | {"threshold": "x"}}, "expected a number between 0 and 1 for threshold, received 'x'"),
        ({"output": BINARY | {"threshold": 7}}, "expected a number between 0 and 1 for threshold, received 7"),
        ({"output": BINARY | {"task": ["binary"]}}, r"expected text for task, received \['binary'\]"),
        ({"output": without(REGRESSION, "units")}, ", output: expected units, received only"),
        ({"output": REGRESSION | {"mean": [True]}}, "expected a list of numbers for mean"),
        ({"output": REGRESSION | {"units": ["g", "g"]}}, "expected 1 of units, one per name, received 2"),
        ({"input": {"front_end": 1}}, ", input: expected an object for front_end, received 1"),
        ({"input": {"front_end": SOUND | {"num_channels": "40"}}}, "front_end: expected a number for num_channels"),
        ({"input": {"front_end": SOUND | {"enable_log": 1}}}, "front_end: expected true or false for enable_log"),
        ({"input": {"front_end": without(SOUND, "log_scale_shift")}}, "front_end: expected log_scale_shift, received"),
        ({"outputs": ["a"]}, r"expected a list of objects for outputs, received \['a'\]"),
        ({"outputs": [{"nam": "a"}]}, r", outputs\[0\]: expected name, received only nam"),
        ({"outputs": [{"name": "a"}]}, r", outputs\[0\]: expected task, received only name"),
    ],
)
def test_a_known_key_of_another_form_is_named_in_one_line(description, message):
    with pytest.raises(ModelError, match=f"bad metadata {NAME}.*{message}"):
        told(description)


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"mine": 1, "name": 2, "output": REGRESSION | {"mine": 3}},
        {"output": without(without(REGRESSION, "mean"), "deviation")},
        {"outputs": [{"name": "a"} | BINARY, {"name": "b"} | REGRESSION | {"units": []}]},
        {"output": {"task": "reconstruction"}, "class_names": []},
        {"input": {"front_end": SOUND | {"mine": 1}}},
    ],
)
def test_what_is_not_known_or_not_needed_may_be_anything_or_nothing(description):
    assert told(description) == description
